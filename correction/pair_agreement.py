"""Pairs whose photos disagree in colour: training takes the on-model photo for the truth, right or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chromiq.correction.plan import fit_subject
from chromiq.correction.subject import Pixels, Subject
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.dataset_layout import DatasetLayout
from chromiq.errors import Finding, UnsoundError
from chromiq.files import folder_lock, sha256_file, sha256_text, write_json
from chromiq.imaging.contact_sheet import captioned, outlined
from chromiq.imaging.resize import fit_height, resize_mask
from chromiq.photos.images import read_high, read_mask, write_photo
from chromiq.progress import Update, silent
from chromiq.records import GarmentMask, PhotoPair, RgbImage
from chromiq.runtime.workers import map_workers

MOST_GAIN = 3.0
"""dE00 that a correction may be expected to remove from a photo that is trained on as the truth."""
_HEIGHT_PX = 600
# Counts changes of how the gain is found: older ones are found again.
_GAIN_VERSION = 2


@dataclass(frozen=True)
class _PairColours:
    """A pair to check, and the dataset with its garment's mask."""

    pair: PhotoPair
    dataset: DatasetLayout

    @property
    def mask(self) -> Path:
        return self.dataset.garment_mask(self.pair.key)

    @property
    def picture(self) -> Path:
        return self.dataset.colours_picture(self.pair.key)


def check_agreement(
    pairs: Sequence[PhotoPair], dataset: Path, *, workers: int = 1, on_progress: Update = silent
) -> list[Finding]:
    """A warning for each pair of a dataset whose photos do not agree, with a picture in ``review/``.

    What was checked before, and has not changed, is not checked again.

    Args:
        pairs: those the dataset was built from; pairs without a mask in it are passed over.
        on_progress: called with pairs checked and pairs in all.
    """
    layout = DatasetLayout(dataset)
    works = [work for pair in pairs if (work := _PairColours(pair, layout)).mask.is_file()]
    findings = []
    with folder_lock(dataset, "chromiq build"):
        gains = map_workers(_gain, works, min(workers, len(works)))
        for number, (work, gain) in enumerate(zip(works, gains, strict=True), start=1):
            if gain > MOST_GAIN:
                findings.append(_finding(work, gain))
            on_progress(number, len(works))
    return findings


def _finding(work: _PairColours, gain: float) -> Finding:
    return Finding(
        "colours.disagree",
        str(work.pair.on_model),
        f"its garment does not have the still-life's colour: expected gain of a correction {gain:.1f} dE00",
        "Training takes the on-model photo for the truth. Correct it first, or leave it out; see "
        f"review/{work.picture.name}.",
        severity="warning",
        got=f"{gain:.2f}",
    )


def _gain(work: _PairColours) -> float:
    """The gain to be expected from a correction, dE00; remembered in the dataset."""
    digests = [sha256_file(path) for path in (work.pair.still_life, work.pair.on_model, work.mask)]
    made_of = sha256_text(json.dumps([digests, _GAIN_VERSION]))
    record = work.dataset.colours_record(work.pair.key)
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        gain = float(known["gain"])
        if known["made_of"] == made_of and (gain <= MOST_GAIN or work.picture.is_file()):
            return gain
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not checked yet
    try:
        gain = _measured(work)
    except UnsoundError:
        gain = 0.0  # whatever is wrong with the photos, the build has said so
    write_json(record, {"made_of": made_of, "gain": gain})
    return gain


def _measured(work: _PairColours) -> float:
    still_life, on_model = (
        read_high(path, _HEIGHT_PX) for path in (work.pair.still_life, work.pair.on_model)
    )
    mask = resize_mask(read_mask(work.mask), (on_model.shape[1], on_model.shape[0]))
    if not mask.any():
        return 0.0
    flat_mask = still_life_mask(still_life)
    subject = Subject(Pixels(still_life), flat_mask, Pixels(on_model), GarmentMask(mask, 1.0))
    fit = fit_subject(subject)
    if fit.gain > MOST_GAIN:
        corrected = subject.recoloured(fit.colour_map).within(on_model)
        _write_picture(work, (still_life, outlined(on_model, mask, 2), corrected), fit.gain)
    else:
        work.picture.unlink(missing_ok=True)
    return round(fit.gain, 3)


def _write_picture(work: _PairColours, photos: Sequence[RgbImage], gain: float) -> None:
    lines = [
        "still-life; on-model photo as it is trained on; as a correction would make it",
        f"expected gain {gain:.1f} dE00",
    ]
    pictures = np.hstack([fit_height(picture, _HEIGHT_PX) for picture in photos])
    write_photo(work.picture, captioned(pictures, lines, doubtful=True), quality=88)
