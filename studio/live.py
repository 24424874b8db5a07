"""A photo corrected at the size of a preview, at once: for another strength, target colour or mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from chromiq.correction.decisions_csv import Decision
from chromiq.correction.fitting.transfer import ColourFit, fit_colours
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
from chromiq.correction.subject import Pixels, Subject
from chromiq.dataset_builder.inputs.mask_files import empty_mask_fault
from chromiq.dataset_builder.segmenters.classic.body import Body
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.errors import Finding, UnsoundError
from chromiq.imaging.resize import resize_mask
from chromiq.photos.images import read_mask
from chromiq.records import BoolMask, FloatImage, GarmentMask, PhotoPair
from chromiq.studio.previews import MAX_PREVIEW_PX, BoundedCache, decode_shown, preview_size_wh, stamp
from chromiq.studio.workplace import Workplace

LIVE_PX = 1_000_000
_PAIRS_BYTES, _GARMENTS_BYTES = 60_000_000, 40_000_000
_BYTES_PER_PX = 12


@dataclass(frozen=True, eq=False)
class SmallPair:
    """A pair at the size of a preview; what does not depend on the mask is found once, when it is needed."""

    still_life: Pixels
    on_model: Pixels

    @cached_property
    def still_life_mask(self) -> BoolMask:
        """``(h, w)`` bool, the garment on the still-life."""
        return still_life_mask(self.still_life.rgb)

    @cached_property
    def _bodies(self) -> Sequence[Body]:
        return find_bodies(self.still_life.rgb, self.on_model.rgb)

    def with_mask(self, mask: BoolMask, source: str) -> Subject:
        """The pair and a mask of any size, whose source is as `GarmentMask` has it."""
        found = GarmentMask(resize_mask(mask, self.on_model.size_wh), 1.0, source=source)
        return Subject(self.still_life, self.still_life_mask, self.on_model, found, self._bodies)


@dataclass(frozen=True, eq=False)
class _Garment:
    """A photo with its mask, and the garment's Lab on other photos of the same still-life."""

    subject: Subject
    others_lab: tuple[FloatImage, ...]

    @cached_property
    def fit(self) -> ColourFit:
        """Of all its photos that are lit alike."""
        still_life_lab, on_model_lab = self.subject.still_life_lab, self.subject.on_model_lab
        joint = fit_together(still_life_lab, [on_model_lab, *self.others_lab])[0]
        return joint or fit_colours(still_life_lab, on_model_lab)


class LiveCorrections:
    """Corrections of previews; the last few photos are kept, so that a slider answers at once."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._pairs: BoundedCache[SmallPair] = BoundedCache(
            _PAIRS_BYTES,
            lambda pair: _BYTES_PER_PX * (pair.on_model.values.size + pair.still_life.values.size) // 3,
        )
        self._garments: BoundedCache[_Garment] = BoundedCache(
            _GARMENTS_BYTES,
            lambda each: _BYTES_PER_PX * (each.subject.cloth.size + each.subject.still_life_mask.size),
        )

    def pair(self, pair: PhotoPair, most_px: int = MAX_PREVIEW_PX) -> SmallPair:
        """A pair whose photos have at most so many pixels, read again if its files have changed.

        Raises:
            UnsoundError: if one of the photos cannot be used.
        """
        return self._pairs.get(
            (*map(stamp, pair.photos), most_px),
            lambda: SmallPair(*(_shown(path, most_px) for path in pair.photos)),
        )

    def correct(self, run: BatchRun, key: str, decision: Decision) -> tuple[Pixels, Correction]:
        """A photo as it would be with a decision, and what would be done to it.

        Args:
            decision: strength, target colour and whether to correct it whatever speaks against it.

        Raises:
            UnsoundError: if a photo or the mask cannot be used, or there is no mask.
        """
        garment = self._garment(run, key)
        options = replace(decision.options(run.options), method="transfer")
        plan = plan_correction(garment.subject, options, fit=garment.fit)
        return corrected_pixels(garment.subject, plan), record_of(plan, garment.subject.found)

    def _garment(self, run: BatchRun, key: str) -> _Garment:
        pair, mask = run.by_key[key], mask_path(run, key)
        others = [each for each in run.pairs if each.still_life == pair.still_life and each.key != key]
        others = others if run.options.alike else []
        masks = [mask_path(run, each.key) for each in others]
        files = [*pair.photos, mask, *(each.on_model for each in others), *masks]
        for path in files:
            self._workplace.inside(path)
        records = [record_path(run.folder, each.key) for each in (pair, *others)]

        def read() -> _Garment:
            small = self.pair(pair, LIVE_PX)
            if not mask.is_file():
                where, hint = str(pair.on_model), "Draw its mask."
                raise UnsoundError.of(Finding("mask.missing", where, "no garment was found on it", hint))
            subject = small.with_mask(read_mask(mask), _source(run, key, mask))
            if fault := empty_mask_fault(subject.found.mask, mask):
                raise UnsoundError.of(fault)
            labs = (
                _garment_lab(small, _shown(other.on_model, LIVE_PX), file, _source(run, other.key, file))
                for other, file in zip(others, masks, strict=True)
                if file.is_file()
            )
            return _Garment(subject, tuple(labs))

        return self._garments.get(tuple(map(stamp, [*files, *records])), read)


def corrected_pixels(subject: Subject, plan: Plan) -> Pixels:
    """The on-model photo as a plan has it."""
    values = subject.on_model.values
    if plan.colour_map is not None:
        values = subject.recoloured(plan.colour_map).within(values)
    return Pixels(values, subject.on_model.space)


def _shown(path: Path, most_px: int) -> Pixels:
    return decode_shown(path, preview_size_wh(path, most_px))


def _garment_lab(small: SmallPair, on_model: Pixels, mask: Path, source: str) -> FloatImage:
    """The garment's Lab on another photo of a pair's garment."""
    found = GarmentMask(resize_mask(read_mask(mask), on_model.size_wh), 1.0, source=source)
    return Subject(small.still_life, small.still_life_mask, on_model, found).on_model_lab


def _source(run: BatchRun, key: str, mask: Path) -> str:
    is_found = is_found_mask(mask, read_record(run.folder, key))
    return "found" if is_found else source_of_mask(mask, run.folder, key)
