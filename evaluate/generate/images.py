"""Inference with a LoRA: an image of the same name and size for every control image of a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import groupby
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from chromiq.documents import load_record, read_text
from chromiq.errors import Finding, OptionError, UnsoundError, UsageError, raise_findings
from chromiq.evaluate.generate.lora_files import read_lora_keys
from chromiq.evaluate.generate.pipelines import Loading, load_pipeline, run_pipeline, set_lora_scale
from chromiq.evaluate.score.scores import find_images
from chromiq.files import (
    by_composed_name,
    ensure_output_folder,
    folder_lock,
    made_before,
    natural_key,
    record_made,
    refuse_inputs,
    sha256_file,
    sha256_text,
)
from chromiq.models import DEFAULT_MODEL, find_model, pipeline_of
from chromiq.photos.images import photo_size_wh, read_photo, write_photo
from chromiq.progress import Update, silent

_RECORDS = ".chromiq"
_Seed = Annotated[int, Field(ge=0, lt=2**64)]  # as torch takes them


@dataclass(frozen=True)
class GenerateOptions:
    """What decides the images, apart from controls, captions and weights.

    Attributes:
        checkpoint: hub name or folder of the base model; the model's own unless given.
        steps: denoising steps; the model's own unless given.
        guidance: guidance scale; the model's own unless given.
        lora_scale: 0 gives the base model's images exactly.
        seed: every image starts from this one, so that an image does not depend on the others.
        seeds: another seed for single images, by composed stem, as `read_seeds` gives them.
        batch: pictures of one size generated together. Rounding depends on it, so it decides too.
        loading: device, precision, offloading, quantisation.
    """

    model: str = DEFAULT_MODEL
    checkpoint: str | None = None
    steps: int | None = None
    guidance: float | None = None
    lora_scale: float = 1.0
    seed: int = 42
    seeds: Mapping[str, int] = field(default_factory=dict)
    batch: int = 1
    loading: Loading = field(default_factory=Loading)

    @property
    def base_model(self) -> str:
        """Hub name or folder of the base model."""
        return self.checkpoint or find_model(self.model).hub_id

    def as_dict(self) -> dict[str, Any]:
        """What decides the images, as plain data: all but offloading, which changes hardly a pixel."""
        return asdict(replace(self, loading=replace(self.loading, offload="none")))


@dataclass(frozen=True)
class _Picture:
    """One picture to make."""

    name: str
    control: Path
    reference: Path | None
    prompt: str
    seed: int


def generate(
    controls: Path,
    out: Path,
    captions: Mapping[str, str],
    options: GenerateOptions,
    *,
    lora: Path | None = None,
    references: Path | None = None,
    only: set[str] | None = None,
    scales: Sequence[float] = (),
    on_progress: Update = silent,
) -> list[Path]:
    """Generate an image for every control; the same call again makes only what is missing or changed.

    Args:
        out: folder for the images, PNG; with `scales` a folder in it for each, such as ``scale_0.5``.
        captions: prompt by composed file stem, as `read_captions` and `find_images` give it.
        lora: safetensors with diffusers' keys.
        references: folder of same-named still-lifes, for models that see them apart.
        only: composed stems to generate; all of them without.
        scales: strengths of the LoRA to go through instead of the options' one; loaded once.
        on_progress: counts the denoising steps of all images, those that are there already included.

    Raises:
        UnsoundError: if a control has no caption, no reference or an unusable size, or the LoRA does not fit.
        AccessError: if the base model is not to be had; it names the page.
        UsageError: if the options contradict each other.
    """
    model = find_model(options.model)
    pipeline_of(options.model)
    _check_options(options, lora, scales)
    if options.batch > 1 and not model.batches:
        raise UsageError(f"{options.model} generates one image at a time. Use a batch of 1.")
    pictures = _pictures(controls, captions, options, references, only)
    folders = {scale: out / f"scale_{scale:g}" for scale in scales} or {options.lora_scale: out}
    refuse_inputs([out, *folders.values()], [controls, references])
    steps = options.steps or model.steps
    total = len(pictures) * len(folders) * steps
    if lora:
        read_lora_keys(lora)
    ensure_output_folder(out)

    def report(images: int, at_once: int, steps_done: int) -> None:
        on_progress(images * steps + at_once * steps_done, total)

    pipeline: Any = None
    paths: list[Path] = []
    lora_digest = sha256_file(lora) if lora else None
    with folder_lock(out, "chromiq generate"):
        for scale, folder in folders.items():
            scaled = replace(options, lora_scale=scale)
            for group in _groups(pictures, options.batch):
                made_of = _fingerprints(group, scaled, lora_digest)
                todo = [
                    (index, picture)
                    for index, picture in enumerate(group)
                    if not made_before(_record(folder, picture), _image(folder, picture), made_of[index])
                ]
                if todo:
                    # A whole group, though part of it may be there: what is left of it would round otherwise.
                    pipeline = pipeline or load_pipeline(
                        options.model, options.base_model, options.loading, lora
                    )
                    if lora:
                        set_lora_scale(pipeline, scale)
                    images = _run(pipeline, group, scaled, steps, partial(report, len(paths), len(group)))
                    for index, picture in todo:
                        path = _image(folder, picture)
                        write_photo(path, images[index])
                        record_made(_record(folder, picture), path, made_of[index])
                paths += [_image(folder, picture) for picture in group]
                report(len(paths), 0, 0)
    return paths


def read_captions(folder: Path) -> dict[str, str]:
    """Prompts by composed stem, from the ``NAME.txt`` files of a folder.

    Raises:
        UnsoundError: with all files that are no text in UTF-8, or if one stem has different prompts.
        UsageError: if there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of prompts. Check the path.")
    captions: list[tuple[str, str]] = []
    findings = []
    for path in sorted(folder.glob("*.txt")):
        try:
            captions.append((path.stem, read_text(path).strip()))
        except (OSError, ValueError) as error:
            hint = "Save the prompt as UTF-8 text."
            findings.append(Finding("generate.caption", str(path), f"cannot read the prompt ({error})", hint))
    raise_findings(findings, str(folder))
    return by_composed_name(captions, folder, "captions.twice")


def read_seeds(path: Path) -> dict[str, int]:
    """Seeds by composed stem, of a JSON file such as ``{"pair1": 7}``.

    Raises:
        UnsoundError: if the file is something else, or has different seeds for one stem.
    """
    try:
        seeds = load_record(dict[str, _Seed], read_text(path))
    except (OSError, ValueError) as error:
        hint = 'Write a JSON object such as {"pair1": 7}.'
        finding = Finding("seeds.form", str(path), f"not a table of seeds ({error})", hint)
        raise UnsoundError.of(finding) from error
    return by_composed_name(seeds.items(), path, "seeds.twice")


def _check_options(options: GenerateOptions, lora: Path | None, scales: Sequence[float]) -> None:
    """Refuse what contradicts itself or would be without effect.

    Raises:
        UsageError: with the first such thing.
    """
    all_scales = [*scales, options.lora_scale]
    if lora is None and any(scale != 1 for scale in all_scales):
        raise OptionError("lora_scale", "there is no LoRA to scale")
    for option, numbers in ("lora_scale", all_scales), ("guidance", [options.guidance or 0.0]):
        if not all(map(isfinite, numbers)):
            raise OptionError(option, "is not a finite number")


def _pictures(
    controls: Path,
    captions: Mapping[str, str],
    options: GenerateOptions,
    references: Path | None,
    only: set[str] | None,
) -> list[_Picture]:
    found, model = find_images(controls), find_model(options.model)
    names = sorted((name for name in found if only is None or name in only), key=natural_key)
    stills = find_images(references) if references and model.has_reference else {}
    findings = []
    if not names:
        findings.append(Finding("generate.empty", str(controls), "no control images", "Check the folder."))
    for name in names:
        size_wh = photo_size_wh(found[name])
        if any(side_px % model.divisible_by_px for side_px in size_wh):
            size = "{}x{}".format(*size_wh)
            message = f"{size} px, but {model.name} needs sides that are multiples of {model.divisible_by_px}"
            hint = f"Build the dataset for {model.name}; resizing here would move every pixel."
            findings.append(Finding("generate.size", name, message, hint, got=size))
        if not captions.get(name):
            hint = f"Write {name}.txt, or give one prompt for all."
            findings.append(Finding("generate.caption", name, "no prompt", hint))
        if references and model.has_reference and name not in stills:
            findings.append(
                Finding("generate.reference", name, "no still-life", "Add it to the reference folder.")
            )
    raise_findings(findings, str(controls))
    return [
        _Picture(name, found[name], stills.get(name), captions[name], options.seeds.get(name, options.seed))
        for name in names
    ]


def _groups(pictures: Sequence[_Picture], batch: int) -> list[list[_Picture]]:
    """Pictures that are generated together: neighbours of one size, the same whatever is there already."""
    same_size = groupby(pictures, lambda picture: photo_size_wh(picture.control))
    runs = [list(run) for _, run in same_size]
    return [run[start : start + batch] for run in runs for start in range(0, len(run), batch)]


def _run(
    pipeline: Any,
    group: Sequence[_Picture],
    options: GenerateOptions,
    steps: int,
    on_step: Callable[[int], None],
) -> list[Any]:
    model = find_model(options.model)
    seen = []
    for picture in group:
        reference = read_photo(picture.reference).rgb if picture.reference else None
        seen.append((read_photo(picture.control).rgb, reference, picture.prompt, picture.seed))
    guidance = model.guidance if options.guidance is None else options.guidance
    return run_pipeline(pipeline, model, seen, steps, guidance, on_step)


def _fingerprints(group: Sequence[_Picture], options: GenerateOptions, lora_digest: str | None) -> list[str]:
    """Of all that decides each picture of a group, those it shares its batch with included."""
    inputs = [
        [
            sha256_file(each.control),
            sha256_file(each.reference) if each.reference else None,
            each.prompt,
            each.seed,
        ]
        for each in group
    ]
    settings = replace(options, seeds={}).as_dict()
    return [
        sha256_text(json.dumps([[own, *inputs], settings, lora_digest], sort_keys=True)) for own in inputs
    ]


def _image(folder: Path, picture: _Picture) -> Path:
    return folder / f"{picture.name}.png"


def _record(folder: Path, picture: _Picture) -> Path:
    return folder / _RECORDS / f"{picture.name}.json"
