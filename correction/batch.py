"""Every pair of a folder corrected: resumes, shows all results on one sheet, generates once for all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten
from typing import Any, Protocol

import numpy as np

from chromiq.correction.photo import Correction, Method, correct_file
from chromiq.dataset_builder.inputs.gather import drawn_masks, no_mask_finding
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.errors import Finding, UsageError, raise_findings
from chromiq.files import (
    collision_key,
    ensure_output_folder,
    folder_lock,
    sha256_file,
    sha256_text,
)
from chromiq.imaging.contact_sheet import captioned, grid, sheet_step, tile_high
from chromiq.made_of import made_before, record_made
from chromiq.photos.images import read_photo, write_photo
from chromiq.progress import Update
from chromiq.records import PhotoPair, RgbImage

CONTACT_SHEET = "contact_sheet.jpg"
_WORK = ".chromiq"
_REASON_LENGTH = 74


class Network(Protocol):
    """What generates for the methods that need it, such as `chromiq.evaluate.generate.panels.LoraNetwork`."""

    def settings(self) -> dict[str, Any]:
        """All that decides what it generates; plain data."""
        ...

    def panels(
        self, pairs: Sequence[PhotoPair], folder: Path, segmenter: Segmenter
    ) -> Mapping[str, RgbImage]:
        """What the network makes of every pair's on-model photo, by key, at the scale it works at."""
        ...


def correct_batch(
    source: Path,
    folder: Path,
    segmenter: Segmenter,
    *,
    masks: Path | None = None,
    method: Method = "transfer",
    network: Network | None = None,
    strength: float = 1.0,
    on_progress: Update | None = None,
) -> list[Correction]:
    """Correct the on-model photo of every pair; each keeps its file name, the sheet shows all.

    The same call again corrects only what is missing or made of something else.

    Args:
        source: folder or CSV file of pairs.
        folder: gets the photos and ``contact_sheet.jpg``.
        segmenter: finds the garments for which there is no mask.
        masks: folder of ``on_modelN.png``, white on the garment.
        method: how the colour is found.
        network: needed unless the method is ``"transfer"``.
        strength: 0..1.
        on_progress: called with photos done and photos in all.

    Raises:
        UnsoundError: with all findings, before anything is written.
        UsageError: if the folder holds one of the photos.
    """
    listing = find_pairs(source, decode=True)
    drawn = drawn_masks(listing.pairs, masks)
    raise_findings([*listing.findings, *_findings(listing.pairs, masks, drawn)], str(source))
    photos = (photo for pair in listing.pairs for photo in (pair.still_life, pair.on_model))
    if folder.resolve() in {photo.parent.resolve() for photo in photos}:
        raise UsageError(f"{folder}: wanted another folder than the photos'; choose another for --out")
    ensure_output_folder(folder)
    corrections = []
    with folder_lock(folder, "chromiq correct"):
        panels = network.panels(listing.pairs, folder / _WORK, segmenter) if network else {}
        settings = [segmenter.name, method, strength, network.settings() if network else None]
        for number, pair in enumerate(listing.pairs, start=1):
            inputs = [pair.still_life, pair.on_model, drawn.get(pair.key)]
            digests = [sha256_file(path) if path else None for path in inputs]
            made_of = sha256_text(json.dumps([digests, settings, pair.garment], sort_keys=True))
            out, record = folder / pair.on_model.name, folder / _WORK / f"{pair.on_model.name}.json"
            done = _finished(out, record, made_of)
            if done is None:
                done = correct_file(
                    pair.still_life, pair.on_model, out, segmenter, mask=drawn.get(pair.key),
                    method=method, generated=panels.get(pair.key), strength=strength,
                )  # fmt: skip
                record_made(record, out, made_of, correction=done.as_dict())
            corrections.append(done)
            if on_progress:
                on_progress(number, len(listing.pairs))
        _write_sheet(folder / CONTACT_SHEET, listing.pairs, corrections)
    return corrections


def correct_one(
    still_life: Path,
    on_model: Path,
    out: Path,
    segmenter: Segmenter,
    *,
    mask: Path | None = None,
    method: Method = "transfer",
    network: Network | None = None,
    strength: float = 1.0,
) -> Correction:
    """As `chromiq.correction.photo.correct_file`, generating first if the method needs it."""
    panel = None
    if network:
        with TemporaryDirectory(prefix="chromiq-") as folder:
            pair = PhotoPair("photo", still_life, on_model)
            panel = network.panels([pair], Path(folder), segmenter)["photo"]
    return correct_file(
        still_life, on_model, out, segmenter,
        mask=mask, method=method, generated=panel, strength=strength,
    )  # fmt: skip


def _findings(pairs: Sequence[PhotoPair], masks: Path | None, drawn: Mapping[str, Path]) -> list[Finding]:
    findings: list[Finding] = []
    owners: dict[str, str] = {}
    if masks is not None and not drawn:
        findings.append(no_mask_finding(masks))
    for pair in pairs:
        name = collision_key(pair.on_model.name)
        if name in owners or name == collision_key(CONTACT_SHEET):
            got, cure = f"the name of {owners.get(name, CONTACT_SHEET)}", "rename one of the two"
            findings.append(
                Finding.expected("pair.name_taken", str(pair.on_model), "a name of its own", got, cure)
            )
        owners[name] = str(pair.on_model)
    return findings


def _finished(out: Path, record: Path, made_of: str) -> Correction | None:
    """What was done before, if it was made of the same and the file is still what it was."""
    written = made_before(record, out, made_of)
    try:
        return Correction.from_dict(written["correction"]) if written else None
    except (KeyError, TypeError):
        return None  # a damaged record is as good as none


def _write_sheet(path: Path, pairs: Sequence[PhotoPair], corrections: Sequence[Correction]) -> None:
    step = sheet_step(len(pairs))
    tiles = []
    for pair, done in list(zip(pairs, corrections, strict=True))[::step]:
        pictures = [
            tile_high(read_photo(file).rgb) for file in (pair.still_life, pair.on_model, Path(done.out))
        ]
        name = f"{pair.on_model.name}  {done.method}  mask {done.mask_confidence:.2f}"
        lines = [name, shorten(done.reason, _REASON_LENGTH, placeholder=" ...")]
        tiles.append(captioned(np.concatenate(pictures, axis=1), lines, doubtful=not done.applied))
    alone = sum(not done.applied for done in corrections)
    title = f"still-life, before, after: {len(tiles)} of {len(pairs)} photos; {alone} left alone"
    write_photo(path, grid(tiles, title), quality=88)
