"""The files of a dataset; read and write its manifest and build record.

::

    gt/pair1.jpg  gt/pair1.txt     the target image and its caption
    control/pair1.jpg              the target with a colour error
    masks/pair1.png                the loss mask, white where to train
    reference/pair1.jpg            the still-life, for models that take it as a separate image
    held_out/                      the same folders, with garments kept out of training
    garment_masks/on_model1.png    255 on the garment, the size of the on-model photo
    coco.json                      the masks as COCO instances, optional
    garments.json                  the garment label of each still-life
    selection.json  own_masks/     the user's selection and masks
    manifest.jsonl                 one `Example` per line, written last
    contact_sheet.jpg  preview_sheet.jpg
    review/on_model1.{jpg,png}     pairs with a doubtful mask
    .chromiq/                      build.json: the options; source.json: the inputs; records/1.json: each
                                   finished pair; garments.json; colours/1.json: whether the colours of a pair
                                   agree
"""
# ruff: noqa: D102 - described above

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from os.path import normpath
from pathlib import Path
from typing import Any

from chromiq.documents import load_json, load_record, read_text
from chromiq.errors import Finding, UnsoundError
from chromiq.files import atomic_path, write_json
from chromiq.records import Example


class _Below:
    """A path below the root of a layout."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __get__(self, layout: DatasetLayout, _: object) -> Path:
        return layout.root / self._path


@dataclass(frozen=True)
class DatasetLayout:
    """The paths of a dataset, whether or not they exist.

    Examples:
        >>> layout = DatasetLayout(Path("dataset"))
        >>> layout.truth("pair1").as_posix(), layout.held_out.loss_mask("pair1").as_posix()
        ('dataset/gt/pair1.jpg', 'dataset/held_out/masks/pair1.png')
    """

    root: Path
    truths = _Below("gt")
    controls = _Below("control")
    loss_masks = _Below("masks")
    references = _Below("reference")
    manifest = _Below("manifest.jsonl")
    build_record = _Below(".chromiq/build.json")
    pair_records = _Below(".chromiq/records")
    garments = _Below("garments.json")
    garments_memory = _Below(".chromiq/garments.json")
    selection = _Below("selection.json")
    own_masks = _Below("own_masks")
    source_record = _Below(".chromiq/source.json")
    coco = _Below("coco.json")
    garment_masks = _Below("garment_masks")
    contact_sheet = _Below("contact_sheet.jpg")
    preview_sheet = _Below("preview_sheet.jpg")

    @property
    def held_out(self) -> DatasetLayout:
        return DatasetLayout(self.root / "held_out")

    @property
    def is_built(self) -> bool:
        """Whether `chromiq build` made it, as its build record or its manifest tells."""
        return self.build_record.is_file() or self.manifest.is_file()

    @property
    def testset(self) -> DatasetLayout:
        """What is tested on: the held-out part if there is one, otherwise this one."""
        return self.held_out if self.held_out.truths.is_dir() else self

    @property
    def parts(self) -> tuple[Path, ...]:
        """The folders and files that the results of other commands may not replace."""
        folders = (self.truths, self.controls, self.loss_masks, self.references)
        masks = (self.garment_masks, self.own_masks)
        return *folders, *masks, self.manifest, self.garments, self.selection, self.coco

    def colours_record(self, key: str) -> Path:
        return self.root / ".chromiq" / "colours" / f"{key}.json"

    def colours_picture(self, key: str) -> Path:
        return self.root / "review" / f"colours{key}.jpg"

    def of_split(self, split: str) -> DatasetLayout:
        """The layout of a split, ``"train"`` or ``"held_out"``."""
        return self.held_out if split == "held_out" else self

    def truth(self, stem: str) -> Path:
        return self.truths / f"{stem}.jpg"

    def caption(self, stem: str) -> Path:
        return self.truths / f"{stem}.txt"

    def control(self, stem: str) -> Path:
        return self.controls / f"{stem}.jpg"

    def loss_mask(self, stem: str) -> Path:
        return self.loss_masks / f"{stem}.png"

    def reference(self, stem: str) -> Path:
        return self.references / f"{stem}.jpg"

    def garment_mask(self, key: str) -> Path:
        return self.garment_masks / f"on_model{key}.png"

    def review_picture(self, key: str) -> Path:
        return self.root / "review" / f"on_model{key}.jpg"

    def review_mask(self, key: str) -> Path:
        return self.root / "review" / f"on_model{key}.png"

    def pair_record(self, key: str) -> Path:
        return self.pair_records / f"{key}.json"

    def relative(self, path: Path) -> str:
        """A path as the manifest has it: relative to the dataset, with forward slashes."""
        return path.relative_to(self.root).as_posix()


def read_examples(root: Path) -> tuple[Example, ...]:
    """The examples in a dataset's manifest; empty if there is no manifest.

    Raises:
        UnsoundError: with a finding for every line that is not an example of this dataset.
    """
    examples, findings = examine_manifest(root)
    if findings:
        raise UnsoundError("; ".join(map(str, findings[:3])), findings)
    return examples


def examine_manifest(root: Path) -> tuple[tuple[Example, ...], list[Finding]]:
    """The examples on the valid lines of a manifest, and findings for the others."""
    path = DatasetLayout(root).manifest
    examples: list[Example] = []
    findings: list[Finding] = []
    if not path.is_file():
        return (), findings
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                example = load_record(Example, line)
                for name in (*example.files, f"on_model{example.key}"):
                    if Path(name).is_absolute() or normpath(name).startswith(".."):
                        raise ValueError(f"{name!r} is outside the dataset")
                examples.append(example)
            except ValueError as error:
                where, message = f"{path}: line {number}", f"not a training example ({error})"
                findings.append(Finding("manifest.line", where, message, "Build the dataset again."))
    return tuple(examples), findings


def write_manifest(root: Path, examples: Iterable[Example]) -> None:
    """Write the manifest atomically, one example at a time."""
    with (
        atomic_path(DatasetLayout(root).manifest) as temporary,
        temporary.open("w", encoding="utf-8") as manifest,
    ):
        for example in examples:
            manifest.write(json.dumps(asdict(example), ensure_ascii=False, sort_keys=True) + "\n")


def read_build_record(root: Path) -> dict[str, Any] | None:
    """The options a dataset was built with; None if chromiq did not build it, empty if damaged."""
    path = DatasetLayout(root).build_record
    if not path.is_file():
        return None
    try:
        options = load_json(read_text(path))
    except (OSError, ValueError):
        return {}
    return options if isinstance(options, dict) else {}


def write_build_record(root: Path, options: dict[str, Any]) -> None:
    """Record the options of a build, as plain data."""
    write_json(DatasetLayout(root).build_record, options)


@dataclass(frozen=True)
class BuildSource:
    """The inputs of a build; all paths are absolute.

    Attributes:
        pairs: folder or CSV file of pairs.
        garments: the user's labels, or None.
        masks: folder of the user's masks, or None.
        skip_bad: whether unsound pairs were skipped.
        keep_doubtful: whether pairs with a doubtful mask were built.
    """

    pairs: str
    garments: str | None = None
    masks: str | None = None
    skip_bad: bool = False
    keep_doubtful: bool = False


def read_build_source(root: Path) -> BuildSource | None:
    """The inputs of a build; None if they are not recorded or the record is damaged."""
    try:
        return load_record(BuildSource, DatasetLayout(root).source_record.read_bytes())
    except (OSError, ValueError):
        return None


def write_build_source(root: Path, source: BuildSource) -> None:
    """Record the inputs of a build."""
    write_json(DatasetLayout(root).source_record, asdict(source))


def no_dataset_findings(root: Path) -> list[Finding]:
    """An error if a folder is no dataset, neither as chromiq builds it nor made by hand."""
    layout = DatasetLayout(root)
    if layout.truths.is_dir() or layout.controls.is_dir():
        return []
    message = "not a dataset: neither gt/ nor control/ in it" if root.is_dir() else "no such folder"
    hint = "Build one with chromiq build, or name the dataset's own folder."
    return [Finding("dataset.folder", str(root), message, hint)]


def unfinished_findings(root: Path) -> list[Finding]:
    """A finding if a build of this dataset was started but not finished."""
    layout = DatasetLayout(root)
    if layout.manifest.is_file() or not layout.build_record.is_file():
        return []
    message, hint = "no manifest, which a build writes last", "Run the build command again to resume it."
    return [Finding("dataset.unfinished", str(layout.manifest), message, hint)]
