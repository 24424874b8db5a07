"""Pairs whose garment is known on the on-model photo: drawn, or of folders of photos with masks."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chromiq.dataset_builder.inputs.labels import read_garments
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.files import composed_name
from chromiq.photos.images import read_mask, read_photo
from chromiq.records import BoolMask, RgbImage
from chromiq.sample_catalogue.catalogue import draw_pair


@dataclass(frozen=True, eq=False)
class KnownPair:
    """A true pair; photos are ``(H, W, 3)`` uint8 sRGB, masks ``(H, W)`` bool.

    Attributes:
        source: name of where it comes from.
        name: unique in its source.
        mask: the garment on the on-model photo.
        drawn_mask: the garment on the still-life if that is drawn, else None.
        label: what the garment is called, or None.
    """

    source: str
    name: str
    still_life: RgbImage
    on_model: RgbImage
    mask: BoolMask
    drawn_mask: BoolMask | None = None
    label: str | None = None

    @property
    def still_life_mask(self) -> BoolMask:
        """The garment on the still-life: exact if it is drawn, else as it is found."""
        return still_life_mask(self.still_life) if self.drawn_mask is None else self.drawn_mask


def drawn(
    count: int, seed: int = 0, *, size_wh: tuple[int, int] = (448, 560), source: str = "drawn"
) -> Iterator[KnownPair]:
    """The first pairs of the drawn catalogue of a seed."""
    for index in range(count):
        pair = draw_pair(index, seed=seed, size_wh=size_wh)
        masks = pair.on_model_mask, pair.still_life_mask
        yield KnownPair(source, str(index + 1), pair.still_life, pair.on_model, *masks, pair.garment)


def photographed(folder: Path, source: str) -> Iterator[KnownPair]:
    """The pairs of a folder that have a mask, in the order of their names.

    Args:
        folder: holds the photos as `chromiq build` takes them (in it, or in ``pairs/``), and ``masks/`` with
            ``NAME.png`` or ``on_modelNAME.png`` of the on-model photo's size, white on the garment. Labels
            are read from ``garments.json``.
    """
    photos = folder / "pairs" if (folder / "pairs").is_dir() else folder
    garments = folder / "garments.json"
    labels = read_garments(garments) if garments.is_file() else {}
    count = 0
    for pair in sorted(find_pairs(photos).pairs, key=lambda pair: pair.key):
        paths = (folder / "masks" / name for name in (f"{pair.key}.png", f"on_model{pair.key}.png"))
        if mask := next((path for path in paths if path.is_file()), None):
            count += 1
            yield KnownPair(
                source,
                pair.key,
                read_photo(pair.still_life).rgb,
                read_photo(pair.on_model).rgb,
                read_mask(mask),
                label=labels.get(composed_name(pair.still_life.name)),
            )
    if not count:
        raise SystemExit(f"{folder}: no pair has a mask in masks/")


def add_options(parser: ArgumentParser, *, drawn: int) -> None:
    """Let the user choose pairs; `drawn` is the usual number of drawn ones."""
    parser.add_argument("--source", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--drawn", type=int, default=drawn, help="how many drawn pairs; 0 for none")


def chosen(options: Namespace, seed: int = 0, **size: tuple[int, int]) -> list[Iterator[KnownPair]]:
    """The pairs of each source that the user chose, those of `seed` in the drawn catalogue first."""
    named = (text.partition("=") for text in options.source)
    return [
        drawn(options.drawn, seed, **size),
        *(photographed(Path(folder), source) for source, _, folder in named),
    ]
