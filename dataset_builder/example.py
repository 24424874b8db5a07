"""Photo pairs -> their training examples, written: the pure function that a build runs on each batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from chromiq import __version__
from chromiq.dataset_builder.canvas.captions import caption
from chromiq.dataset_builder.canvas.loss_mask import encoded_loss_mask
from chromiq.dataset_builder.canvas.scene import PairPhotos, Scene, control_of, read_pair, scene_of
from chromiq.dataset_builder.degrade import degrade
from chromiq.dataset_builder.inputs.labels import given_label
from chromiq.dataset_builder.inputs.mask_files import CocoMask, MaskSource, read_given_mask
from chromiq.dataset_builder.inputs.selection import garment_of, lot, split_of
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_builder.pair_record import (
    Doubt,
    PairRecord,
    announce,
    example_name,
    read_finished,
    read_record,
    remove_files,
    remove_recorded,
    write_files,
    write_record,
)
from chromiq.dataset_builder.segmenters import SegmentationTask, Segmenter
from chromiq.dataset_builder.segmenters.choose import recorded_name
from chromiq.dataset_builder.segmenters.doubts import is_doubtful, is_left_out, with_doubt_of_label
from chromiq.dataset_builder.sheets import doubt_finding, remove_review, write_review
from chromiq.dataset_layout import DatasetLayout
from chromiq.documents import read_text
from chromiq.errors import Finding, UnsoundError, UsageError
from chromiq.files import sha256_file, sha256_text
from chromiq.models import find_model
from chromiq.photos.images import encode_mask, encode_photo
from chromiq.records import Degradation, Example, GarmentLabel, GarmentMask, PhotoPair, RgbImage


@dataclass(frozen=True)
class PairWork:
    """All that decides one pair's examples."""

    pair: PhotoPair
    folder: Path
    options: BuildOptions
    given_mask: MaskSource | None
    keep_doubtful: bool = False
    split: str | None = None
    """``"train"`` or ``"held_out"`` if the user chose; None for the options' lots."""


@dataclass(frozen=True)
class PairResult:
    """What became of a pair; its examples are on disk, in its record.

    Attributes:
        examples: how many it has; 0 if it was left out.
        resumed: whether all was there already.
        findings: why nothing could be made of it.
        doubt: what is doubtful about its mask, if anything.
    """

    key: str
    examples: int = 0
    resumed: bool = False
    findings: tuple[Finding, ...] = ()
    doubt: Finding | None = None


def build_pairs(works: Sequence[PairWork], segmenter: Callable[[], Segmenter]) -> list[PairResult]:
    """Make some pairs' examples, or find them made; depends on nothing but its arguments and the files.

    Their garments are named and found in one batch. A pair whose mask is doubtful is written for
    review as well; if the mask is probably wrong, nothing else is written unless doubtful pairs are kept.

    Args:
        works: what to make, with keys of their own.
        segmenter: gives one; asked only if a garment has to be found.
    """
    fingerprints = {work.pair.key: _fingerprint(work) for work in works}
    results = {
        work.pair.key: result for work in works if (result := _finished(work, fingerprints[work.pair.key]))
    }
    if len(results) == len(works):
        return [results[work.pair.key] for work in works]
    # The whole batch though part of it may be finished: what is left would round otherwise.
    for work, photos, label, found in _found(_read(works, results), segmenter):
        key = work.pair.key
        if key in results:
            continue
        try:
            examples, doubt = _make(work, photos, label, found)
        except UnsoundError as error:
            results[key] = PairResult(key, findings=error.findings)
        else:
            record = PairRecord(fingerprints[key], tuple(examples), doubt)
            remove_files(work.folder, replaced=read_record(work.folder, key), by=record)
            write_record(work.folder, key, record)
            results[key] = _result(work, record)
    return [results[work.pair.key] for work in works]


def _finished(work: PairWork, fingerprint: str) -> PairResult | None:
    finished = read_finished(work.folder, work.pair.key, fingerprint)
    if finished is None or _kept_otherwise(work, finished):
        return None
    return _result(work, finished, resumed=True)


def _read(works: Sequence[PairWork], results: dict[str, PairResult]) -> list[tuple[PairWork, PairPhotos]]:
    """The pairs' pictures; what is wrong with the others becomes their result."""
    read = []
    for work in works:
        try:
            mask = read_given_mask(work.given_mask) if work.given_mask else None
            read.append((work, read_pair(work.pair, mask, work.options)))
        except UnsoundError as error:
            results[work.pair.key] = PairResult(work.pair.key, findings=error.findings)
    return read


def _found(
    read: Sequence[tuple[PairWork, PairPhotos]], segmenter: Callable[[], Segmenter]
) -> list[tuple[PairWork, PairPhotos, GarmentLabel, GarmentMask]]:
    """Each pair with what its garment is called and where it is."""
    given = [given_label(work.pair) for work, _ in read]
    unnamed = [
        (photos.still_life, photos.on_model)
        for (_, photos), label in zip(read, given, strict=True)
        if label is None
    ]
    named = iter(segmenter().label(unnamed) if unnamed else ())
    labels = [label or next(named) for label in given]
    tasks = [
        SegmentationTask(photos.still_life, photos.on_model, label.name)
        for (_, photos), label in zip(read, labels, strict=True)
        if photos.drawn is None
    ]
    masks = iter(segmenter().segment(tasks) if tasks else ())
    return [
        (work, photos, label, with_doubt_of_label(photos.drawn or photos.at_file_size(next(masks)), label))
        for (work, photos), label in zip(read, labels, strict=True)
    ]


def _kept_otherwise(work: PairWork, finished: PairRecord) -> bool:
    """Whether it has changed since that doubtful pairs are kept."""
    if finished.doubt is None:
        return False
    left_out = is_left_out(
        finished.doubt.confidence, finished.doubt.reasons, keep_doubtful=work.keep_doubtful
    )
    return left_out == bool(finished.examples)


def _result(work: PairWork, finished: PairRecord, *, resumed: bool = False) -> PairResult:
    doubt, examples = finished.doubt, len(finished.examples)
    if doubt is None:
        return PairResult(work.pair.key, examples, resumed)
    finding = doubt_finding(work.pair, doubt.confidence, doubt.reasons, kept=bool(examples))
    return PairResult(work.pair.key, examples, resumed, doubt=finding)


def _fingerprint(work: PairWork) -> str:
    """A digest of all that decides a pair's bytes."""
    pair = work.pair
    mask = work.given_mask
    photos = [*pair.photos, *([mask] if isinstance(mask, Path) else [])]
    # One that has disappeared since it was checked is reported when it is read.
    digests = [sha256_file(path) if path.is_file() else None for path in photos]
    if isinstance(mask, CocoMask):
        digests.append(mask.digest)
    parts = [__version__, asdict(work.options), pair.key, pair.garment, digests]
    if mask is None or not pair.garment:  # what is left to the segmenter depends on its weights
        parts.append(recorded_name(work.options.segmenter))
    if work.split:
        parts.append(work.split)
    return sha256_text(json.dumps(parts, sort_keys=True))


def _make(
    work: PairWork, photos: PairPhotos, label: GarmentLabel, found: GarmentMask
) -> tuple[list[Example], Doubt | None]:
    pair, options = work.pair, work.options
    if is_left_out(found.confidence, found.reasons, keep_doubtful=work.keep_doubtful):
        remove_recorded(work.folder, pair.key)  # or examples made with a better mask would stay behind
        return [], _review(work, photos, found)
    scene = scene_of(options, photos, found.mask)
    # All errors are drawn before anything is written: a pair that none fits leaves no files.
    split = work.split or split_of(garment_of(pair), options.seed, options.held_out)
    drawn: list[tuple[RgbImage, Degradation]] = []
    for variant in range(1, options.variants + 1):
        used = [error.kind for _, error in drawn]
        drawn.append(_degrade(work, scene, split, variant, used))
    doubt = _review(work, photos, found)
    layout = DatasetLayout(work.folder)
    place = layout.of_split(split)
    names = [example_name(pair.key, variant) for variant in range(1, options.variants + 1)]
    own = {name: _own_caption(options, name, label) for name in names}
    record = read_record(work.folder, pair.key)
    edited = {name: _edited_caption(work, record, name) if record else "" for name in names}
    captions = {name: edited[name] or own[name] for name in names}
    garment_mask = encode_mask(found.mask)
    announce(work.folder, pair.key, [garment_mask, *(text.encode("utf-8") for text in own.values())])
    garment = write_files(work.folder, {layout.garment_mask(pair.key): garment_mask})
    target, mask, reference = _shared_files(options, scene, found)
    examples = []
    for (name, text), (degraded, error) in zip(captions.items(), drawn, strict=True):
        files = {place.truth(name): target, place.caption(name): text.encode("utf-8")}
        files[place.control(name)] = _encoded(options, control_of(scene, degraded))
        if mask is not None:
            files[place.loss_mask(name)] = mask
        if reference is not None:
            files[place.reference(name)] = reference
        digests = write_files(work.folder, files)
        examples.append(
            Example(
                name=name,
                key=pair.key,
                target=layout.relative(place.truth(name)),
                control=layout.relative(place.control(name)),
                mask=layout.relative(place.loss_mask(name)) if mask is not None else None,
                reference=layout.relative(place.reference(name)) if reference is not None else None,
                caption=text,
                label=label,
                degradation=error,
                geometry=scene.geometry,
                mask_confidence=round(found.confidence, 4),
                mask_reasons=found.reasons,
                split=split,
                digests={**digests, **garment},
            )
        )
    return examples, doubt


def _own_caption(options: BuildOptions, name: str, label: GarmentLabel) -> str:
    drawn_lot = lot(f"{options.seed}:caption:{name}")
    return caption(options.model, label.name, templates=options.captions, lot=drawn_lot)


def _edited_caption(work: PairWork, record: PairRecord, name: str) -> str:
    """What the user wrote in place of the caption that an earlier build gave an example; empty if nothing.

    Args:
        record: of that build.

    Raises:
        UnsoundError: if it is not text in UTF-8.
    """
    former = next((each for each in record.examples if each.name == name), None)
    if former is None:
        return ""
    path = (work.folder / former.target).with_suffix(".txt")
    try:
        text = read_text(path).strip()
    except OSError:
        return ""
    except ValueError as error:
        hint = "Save it as UTF-8, or remove it to get chromiq's caption."
        finding = Finding("caption.unreadable", str(path), f"cannot be used: {error}", hint)
        raise UnsoundError.of(finding) from error
    damaged = "\0" in text  # as a power cut leaves a file
    own = text == _own_caption(work.options, name, former.label) or sha256_text(text) in record.pending
    return "" if damaged or own else text


def _shared_files(
    options: BuildOptions, scene: Scene, found: GarmentMask
) -> tuple[bytes, bytes | None, bytes | None]:
    """What all examples of a pair share: the target, the loss mask and the still-life as files."""
    style = options.loss_mask_style
    mask = encoded_loss_mask(style, scene.geometry, found.mask) if style else None
    reference = _encoded(options, scene.reference) if scene.reference is not None else None
    return _encoded(options, scene.target), mask, reference


def _encoded(options: BuildOptions, picture: RgbImage) -> bytes:
    # The published files store colour at half resolution.
    halved = options.geometry == "published" and not find_model(options.model).has_reference
    return encode_photo(picture, chroma_subsampling=halved)


def _review(work: PairWork, photos: PairPhotos, found: GarmentMask) -> Doubt | None:
    """Write a doubtful pair for review, or remove what an earlier mask left there."""
    if not is_doubtful(found.confidence):
        remove_review(work.folder, work.pair.key)
        return None
    digests = write_review(work.folder, work.pair.key, photos.still_life, photos.on_model, found)
    return Doubt(round(found.confidence, 4), found.reasons, digests)


def _degrade(
    work: PairWork, scene: Scene, split: str, variant: int, used: Sequence[str]
) -> tuple[RgbImage, Degradation]:
    options = work.options
    name = example_name(work.pair.key, variant)
    if split == "train" and lot(f"{options.seed}:identity:{name}") < options.identity_share:
        return scene.photo, Degradation("identity", {}, 0.0, 0.0)
    rng = np.random.default_rng([options.seed, variant, *work.pair.key.encode("utf-8")])
    try:
        return degrade(scene.photo, scene.garment, options.degradation, rng, used)
    except UsageError as error:
        hint = "Use the published degradation, or leave the pair out."
        finding = Finding(
            "degradation.none", str(work.pair.on_model), f"no colour error fits ({error})", hint
        )
        raise UnsoundError.of(finding) from error
