"""All inputs of a build, checked before anything is written: photos, given labels, drawn masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chromiq.dataset_builder.canvas.scene import geometry_of
from chromiq.dataset_builder.inputs.labels import entries_of, read_garments
from chromiq.dataset_builder.inputs.mask_files import (
    GivenMasks,
    MaskSource,
    find_masks,
    mask_fault,
    no_mask_finding,
)
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_builder.pair_record import example_name
from chromiq.dataset_layout import DatasetLayout
from chromiq.errors import Finding, UnsoundError, raise_findings
from chromiq.files import collision_key
from chromiq.photos.images import photo_size_wh
from chromiq.progress import Update, silent
from chromiq.records import PhotoPair
from chromiq.runtime.workers import map_bounded, thread_per_core
from chromiq.wording import counted

_SHOWN = 5
_AHEAD = 64


@dataclass(frozen=True)
class BuildInputs:
    """What a build may use.

    Attributes:
        pairs: the sound ones, each with the label that was given, if any.
        masks: by key of the pair, where the user's masks are.
        findings: warnings, and the faults of the pairs that are left out.
        listed: the pairs with those that are left out, which decide how long the names of garments are.
    """

    pairs: tuple[PhotoPair, ...]
    masks: dict[str, MaskSource]
    findings: tuple[Finding, ...]
    listed: tuple[PhotoPair, ...]


def check_inputs(
    source: Path,
    options: BuildOptions,
    *,
    garments: Path | None = None,
    masks: Path | None = None,
    skip_bad: bool = False,
    on_progress: Update = silent,
) -> BuildInputs:
    """Read and check all that a build starts from.

    Args:
        options: of the build; the published geometry takes no pair that is too wide.
        garments: labels given, in the published form.
        masks: folder of garment masks, ``on_modelN.png``, or a COCO file.
        skip_bad: leave out pairs that are not sound.
        on_progress: called with pairs checked and pairs in all.

    Raises:
        UnsoundError: with all findings, if a pair is not sound and `skip_bad` is off, if none is left, or
            if `garments` or `masks` cannot be read at all.
    """
    listing = find_pairs(source, decode=True, on_progress=on_progress)
    labels, entries = dict[str, str](), dict[str, str]()
    given, unusable = GivenMasks(), list[Finding]()
    try:
        if garments:
            labels = read_garments(garments)
            entries = entries_of(listing.pairs, labels, garments)
    except UnsoundError as error:
        unusable += error.findings
    labelled = _labelled(listing.pairs, labels, entries)
    try:
        given = find_masks(labelled, masks)
    except UnsoundError as error:
        unusable += error.findings
    if not all(pair.garment for pair in labelled):
        unusable += _vocabulary_faults(options)
    pairs, faults = _without_faults(labelled, given.by_key, options)
    pairs, twins = _without_twins(pairs, options.variants)
    pairs, unreadable = _without_unknown_labels(pairs, given.by_key, options)
    findings = [*listing.findings, *faults, *twins, *unreadable]
    if unusable or not skip_bad or not pairs:
        raise_findings([*unusable, *findings], str(source))
    findings += _unused_labels(garments, labels, entries)
    if masks and not given.by_key and not given.unused:
        findings.append(replace(no_mask_finding(masks), severity="warning"))
    findings += unused_findings(masks, given.unused)
    return BuildInputs(tuple(pairs), given.by_key, tuple(findings), listing.pairs)


def with_recalled(
    inputs: BuildInputs,
    recalled: Mapping[str, str],
    dataset: Path,
    options: BuildOptions,
    *,
    skip_bad: bool = False,
) -> BuildInputs:
    """The same inputs with the labels that were edited in the dataset itself, where nothing else gives one.

    Args:
        recalled: as `recall_given` gives them.
        skip_bad: leave out pairs whose label the segmenter cannot be asked for.

    Raises:
        UnsoundError: with all of them, if there are any and `skip_bad` is off, or if no pair is left; if an
            entry fits several garments.
    """
    if not recalled:
        return inputs
    where = DatasetLayout(dataset).garments
    entries = entries_of(inputs.listed, recalled, where)
    overruled = {
        entries[pair.key]: pair.garment
        for pair in inputs.pairs
        if pair.key in entries and pair.garment not in (None, recalled[entries[pair.key]])
    }
    findings = [
        Finding(
            "garments.overruled",
            f"{where}: {name}",
            f"says {recalled[name]!r}, but the garments file or the CSV file says {word!r}, which is used",
            "Change this entry as well, or remove it.",
            severity="warning",
            wanted=str(word),
            got=recalled[name],
        )
        for name, word in overruled.items()
    ]
    findings += _unused_labels(where, recalled, entries)
    labelled = _labelled(inputs.pairs, recalled, entries)
    pairs, unreadable = _without_unknown_labels(labelled, inputs.masks, options)
    if not skip_bad or not pairs:
        raise_findings(unreadable, str(where))
    return replace(inputs, pairs=tuple(pairs), findings=(*inputs.findings, *findings, *unreadable))


def _labelled(
    pairs: Sequence[PhotoPair], labels: Mapping[str, str], entries: Mapping[str, str]
) -> list[PhotoPair]:
    """The pairs with their own labels, or else those of their entries."""
    return [replace(pair, garment=pair.garment or labels.get(entries.get(pair.key, ""))) for pair in pairs]


def _unused_labels(
    where: Path | None, labels: Mapping[str, str], entries: Mapping[str, str]
) -> list[Finding]:
    used = set(entries.values())
    return unused_findings(where, [name for name in labels if name not in used])


def _vocabulary_faults(options: BuildOptions) -> list[Finding]:
    hint = "Use a few plain English words for each garment."
    faults = options.label_faults(options.models.vocabulary)
    return [
        Finding("garments.vocabulary", "vocabulary", f"{word!r} {fault}", hint)
        for word, fault in faults.items()
    ]


def _without_unknown_labels(
    pairs: Sequence[PhotoPair], drawn: Mapping[str, MaskSource], options: BuildOptions
) -> tuple[list[PhotoPair], list[Finding]]:
    """Only pairs that the segmenter can be asked for by their label, if they have one and no mask."""
    asked = {pair.key: pair.garment for pair in pairs if pair.garment and pair.key not in drawn}
    faults = options.label_faults(set(asked.values()))
    bad = {pair.key: (pair, fault) for pair in pairs if (fault := faults.get(asked.get(pair.key, "")))}
    hint = "Use a few plain English words, or pass its mask."
    findings = [
        Finding("garments.unknown_word", str(pair.still_life), f"its label {pair.garment!r} {fault}", hint)
        for pair, fault in bad.values()
    ]
    return [pair for pair in pairs if pair.key not in bad], findings


def _without_faults(
    pairs: Sequence[PhotoPair], masks: Mapping[str, MaskSource], options: BuildOptions
) -> tuple[list[PhotoPair], list[Finding]]:
    """Only pairs whose mask can be the garment's, and whose photos fit the canvas."""

    def check(pair: PhotoPair) -> list[Finding | None]:
        return [mask_fault(pair, masks.get(pair.key)), _too_wide(pair, options)]

    with thread_per_core() as pool:
        faults = list(map_bounded(pool, check, pairs, _AHEAD))
    sound = [pair for pair, wrong in zip(pairs, faults, strict=True) if not any(wrong)]
    return sound, [fault for wrong in faults for fault in wrong if fault]


def _too_wide(pair: PhotoPair, options: BuildOptions) -> Finding | None:
    try:
        geometry_of(options, photo_size_wh(pair.still_life), photo_size_wh(pair.on_model))
    except UnsoundError as error:
        return replace(error.findings[0], where=str(pair.on_model))
    return None


def _without_twins(pairs: Sequence[PhotoPair], variants: int) -> tuple[list[PhotoPair], list[Finding]]:
    """Only pairs whose examples have unique names: variant 2 of pair 1 has the name of pair 1-v2."""
    owners: dict[str, PhotoPair] = {}
    kept, findings = [], []
    for pair in pairs:
        names = [example_name(pair.key, variant) for variant in range(1, variants + 1)]
        taken = [name for name in names if collision_key(name) in owners]
        if taken:
            owner = owners[collision_key(taken[0])]
            message = f"its example {taken[0]} has the name of one of {owner.on_model.name}"
            hint = "Rename one of the two, or give them different keys in a CSV file."
            findings.append(Finding("pair.name_taken", pair.on_model.name, message, hint))
        else:
            owners.update({collision_key(name): pair for name in names})
            kept.append(pair)
    return kept, findings


def unused_findings(where: Path | None, names: Sequence[str], code: str = "inputs.unused") -> list[Finding]:
    """One warning about the entries of a file or folder that match no pair, if there are any."""
    if not names or where is None:
        return []
    shown = f"{', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''}"
    message = f"{counted(len(names), 'entry matches', 'entries match')} no pair: {shown}"
    spelling = "spelling and the suffix, .png" if where.is_dir() else "spelling"
    hint = f"Check the {spelling}; they are ignored."
    return [Finding(code, str(where), message, hint, severity="warning")]
