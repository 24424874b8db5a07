"""A photo corrected at the size of a preview, at once: for another strength, target colour or mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from chromiq.correction.decisions_csv import Decision
from chromiq.correction.fitting.transfer import ColourFit, fit_colours, garment_sample
from chromiq.correction.garment_work import (
    is_found_mask,
    read_record,
    record_path,
    source_of_mask,
)
from chromiq.correction.judging.evidence import find_bodies
from chromiq.correction.photo import Correction, record_of
from chromiq.correction.plan import Plan, fit_together, plan_correction
from chromiq.correction.results import BatchRun, mask_path
from chromiq.correction.subject import Pixels, Subject, cloth_of
from chromiq.dataset_builder.inputs.mask_files import empty_mask_fault
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.errors import Finding, UnsoundError
from chromiq.imaging.resize import resize_mask
from chromiq.photos.images import read_mask
from chromiq.records import FloatImage, GarmentMask, PhotoPair
from chromiq.studio.previews import BoundedCache, decode_shown, preview_size_wh, stamp
from chromiq.studio.workplace import Workplace

LIVE_PX = 1_000_000
_CACHE_BYTES = 40_000_000
_BYTES_PER_PX = 16


@dataclass(frozen=True, eq=False)
class LiveResult:
    """A preview of a correction.

    Attributes:
        after: the photo with it.
        correction: what would be done, and the figures.
    """

    after: Pixels
    correction: Correction


@dataclass(frozen=True, eq=False)
class _Small(Subject):
    """A pair with the garment on other photos of the same still-life."""

    others_lab: tuple[FloatImage, ...] = ()

    @cached_property
    def fit(self) -> ColourFit:
        """Of all its photos that are lit alike."""
        photos = [self.on_model_lab, *self.others_lab]
        joint = fit_together(self.still_life_lab, photos)[0]
        return joint or fit_colours(self.still_life_lab, self.on_model_lab)


class LiveCorrections:
    """Corrections of previews; the last few photos are kept, so that a slider answers at once."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._smalls: BoundedCache[_Small] = BoundedCache(
            _CACHE_BYTES, lambda small: _BYTES_PER_PX * (small.found.mask.size + small.still_life_mask.size)
        )

    def correct(self, run: BatchRun, key: str, decision: Decision) -> LiveResult:
        """A photo as it would be with a decision.

        Args:
            decision: strength, target colour and whether to correct it whatever speaks against it.

        Raises:
            UnsoundError: if a photo or the mask cannot be used, or there is no mask.
        """
        small = self._small(run, key)
        options = decision.options(run.options)
        plan = plan_correction(small, replace(options, method="transfer"), fit=small.fit)
        return LiveResult(corrected_pixels(small, plan), record_of(plan, small.found))

    def _small(self, run: BatchRun, key: str) -> _Small:
        pair, mask = run.by_key[key], mask_path(run, key)
        garment = [pair]
        if run.options.alike:
            garment += [
                other for other in run.pairs if other.still_life == pair.still_life and other.key != key
            ]
        files = [pair.still_life, *(each.on_model for each in garment)]
        masks = [mask, *(mask_path(run, other.key) for other in garment[1:])]
        for path in [*files, *masks]:
            self._workplace.inside(path)
        records = [record_path(run.folder, other.key) for other in garment]
        stamps = tuple(stamp(path) for path in [*files, *masks, *records])

        def read() -> _Small:
            others = tuple(
                garment_sample(shown.values, cloth, shown.space)
                for other, file in zip(garment[1:], masks[1:], strict=True)
                if file.is_file()
                for shown, found in [_with_mask(run, other, file)]
                if (cloth := cloth_of(found)).any()
            )
            still_life = decode_shown(pair.still_life, preview_size_wh(pair.still_life, LIVE_PX))
            on_model, found = _with_mask(run, pair, mask)
            return _Small(
                still_life,
                still_life_mask(still_life.rgb),
                on_model,
                found,
                find_bodies(still_life.rgb, on_model.rgb),
                others,
            )

        return self._smalls.get(stamps, read)


def corrected_pixels(subject: Subject, plan: Plan) -> Pixels:
    """The on-model photo as a plan has it."""
    values = subject.on_model.values
    if plan.colour_map is not None:
        values = subject.recoloured(plan.colour_map).within(values)
    return Pixels(values, subject.on_model.space)


def _with_mask(run: BatchRun, pair: PhotoPair, file: Path) -> tuple[Pixels, GarmentMask]:
    photo = pair.on_model
    shown = decode_shown(photo, preview_size_wh(photo, LIVE_PX))
    if not file.is_file():
        finding = Finding("mask.missing", str(photo), "no garment was found on it", "Draw its mask.")
        raise UnsoundError.of(finding)
    mask = resize_mask(read_mask(file), shown.size_wh)
    if fault := empty_mask_fault(mask, file):
        raise UnsoundError.of(fault)
    is_found = is_found_mask(file, read_record(run.folder, pair.key))
    source = "found" if is_found else source_of_mask(file, run.folder, pair.key)
    return shown, GarmentMask(mask, 1.0, source=source)
