"""A LoRA's picture of an on-model photo, for corrections with the methods ``lora`` and ``hybrid``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chromiq.dataset_builder.canvas.buckets import RESOLUTION, bucket_size_wh
from chromiq.dataset_builder.canvas.captions import caption, check_templates
from chromiq.dataset_builder.canvas.stitch import cut_on_model, exact_geometry, published_geometry, stitch
from chromiq.dataset_builder.options import GeometryName
from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.dataset_layout import DatasetLayout
from chromiq.evaluate.generate.images import GenerateOptions, generate
from chromiq.evaluate.generate.lora_files import require_lora_files
from chromiq.files import sha256_file
from chromiq.imaging.resize import resize
from chromiq.models import find_model
from chromiq.photos.images import read_photo, write_photo
from chromiq.progress import Update, silent
from chromiq.records import Geometry, PhotoPair, RgbImage


@dataclass(frozen=True)
class LoraNetwork:
    """An edit model with a LoRA.

    Attributes:
        lora: safetensors with diffusers' keys.
        geometry: layout of the pictures that the LoRA was trained on.
        caption: template of the captions that it was trained on; None for the published one.

    Raises:
        UsageError: if the template has a field that the model does not know.
    """

    lora: Path
    options: GenerateOptions
    geometry: GeometryName
    caption: str | None = None

    def __post_init__(self) -> None:
        check_templates(find_model(self.options.model), self.templates, for_training=False)

    @property
    def templates(self) -> tuple[str, ...]:
        """The caption as `chromiq.dataset_builder.canvas.captions.caption` takes it."""
        return () if self.caption is None else (self.caption,)

    def settings(self) -> dict[str, Any]:
        """All that decides what it generates; plain data."""
        own = {"lora": sha256_file(self.lora), "geometry": self.geometry}
        if self.caption is not None:  # what was made before there were captions of one's own is still right
            own["caption"] = self.caption
        return {**own, **self.options.as_dict()}

    def panels(
        self,
        pairs: Sequence[PhotoPair],
        folder: Path,
        segmenter: Segmenter,
        on_progress: Update = silent,
    ) -> Mapping[str, RgbImage]:
        """What the network makes of every pair's on-model photo, by key, at the scale it works at.

        Args:
            folder: gets ``control/`` and ``generated/``; what is there already is not made again.
            segmenter: names the garments that have no name.
            on_progress: counts denoising steps.

        Raises:
            UnsoundError: if its LoRA is not sound, before anything is made.
        """
        require_lora_files([self.lora])
        captions, geometries = write_controls(pairs, folder, segmenter, self)
        layout = DatasetLayout(folder)
        paths = generate(
            layout.controls,
            folder / "generated",
            captions,
            self.options,
            lora=self.lora,
            references=layout.references if layout.references.is_dir() else None,
            only=set(captions),
            on_progress=on_progress,
        )
        panels = {}
        for path in paths:
            image, geometry = read_photo(path).rgb, geometries[path.stem]
            panels[path.stem] = np.ascontiguousarray(cut_on_model(image, geometry)) if geometry else image
        return panels


def write_controls(
    pairs: Sequence[PhotoPair], folder: Path, segmenter: Segmenter, network: LoraNetwork
) -> tuple[dict[str, str], dict[str, Geometry | None]]:
    """What the model sees of every pair, as its training pictures lay, at sizes it keeps.

    Args:
        folder: gets ``control/``, and ``reference/`` for a model that sees the still-life apart.
        segmenter: names the garments that have no name.

    Returns:
        Prompts by key, and where the on-model photo lies on each control; None where it is all of it.
    """
    model = find_model(network.options.model)
    lay_out = published_geometry if network.geometry == "published" else exact_geometry
    captions: dict[str, str] = {}
    geometries: dict[str, Geometry | None] = {}
    for pair in pairs:
        still_life, on_model = read_photo(pair.still_life).rgb, read_photo(pair.on_model).rgb
        sizes_wh = [(photo.shape[1], photo.shape[0]) for photo in (still_life, on_model)]
        label = pair.garment or segmenter.label([(still_life, on_model)])[0].name
        captions[pair.key] = caption(model.name, label, templates=network.templates)
        geometries[pair.key] = None
        if model.has_reference:
            control = resize(on_model, bucket_size_wh(sizes_wh[1], RESOLUTION, model.divisible_by_px))
            write_photo(DatasetLayout(folder).references / f"{pair.key}.png", still_life)
        else:
            geometry = lay_out(sizes_wh[0], sizes_wh[1])
            if any(side_px % model.divisible_by_px for side_px in geometry.canvas_wh):
                canvas_wh = bucket_size_wh(geometry.canvas_wh, RESOLUTION, model.divisible_by_px)
                geometry = exact_geometry(sizes_wh[0], sizes_wh[1], canvas_wh)
            control, geometries[pair.key] = stitch(still_life, on_model, geometry), geometry
        write_photo(DatasetLayout(folder).controls / f"{pair.key}.png", control)
    return captions, geometries
