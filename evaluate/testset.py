"""A test set: control images whose truth is known, and the correction of one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from chromiq.correction.options import MIN_GAIN
from chromiq.correction.plan import fit_subject
from chromiq.correction.subject import Pixels, Subject, find_garment
from chromiq.dataset_builder.canvas.stitch import cut_on_model, cut_still_life, published_geometry
from chromiq.dataset_builder.inputs.mask_files import empty_mask_fault, mask_size_fault
from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.dataset_builder.segmenters.doubts import LEFT_OUT_BELOW, in_words, strong_reasons
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.dataset_layout import DatasetLayout, read_examples
from chromiq.errors import Finding, UnsoundError, UsageError, raise_findings
from chromiq.evaluate.generate.images import GenerateOptions, generate, read_captions
from chromiq.evaluate.score.crops import Crop, read_crops
from chromiq.evaluate.score.scores import find_images
from chromiq.files import file_finder, natural_key
from chromiq.imaging.registration import align
from chromiq.imaging.resize import resize_mask
from chromiq.models import find_model
from chromiq.photos.images import photo_size_wh, read_mask, read_photo, write_mask
from chromiq.progress import Update, silent
from chromiq.records import BoolMask, Example, GarmentMask, Geometry, RgbImage
from chromiq.toolkit_configs.schema.trainer_job import Job
from chromiq.wording import cut

# What a canvas without a manifest is taken for: two 4:5 photos, laid out as published.
_USUAL_WH = (896, 1120)


@dataclass(frozen=True)
class Trial:
    """One control picture of a test set.

    Attributes:
        name: the stem its files share.
        reference: the still-life, when it is a picture of its own.
        geometry: where the two photos lie on a stitched picture; None with a reference.
        garment_mask: where the garment is on the on-model photo, as the dataset says; None if unknown.
        garment: its kind, as the dataset says; None if unknown.
    """

    name: str
    truth: Path
    control: Path
    reference: Path | None
    geometry: Geometry | None
    garment_mask: Path | None
    garment: str | None = None


@dataclass(frozen=True)
class TrialSet:
    """A test set.

    Attributes:
        trials: at least one, in natural order.
        crops: where to measure, by trial; None without a ``crops.json``.
    """

    trials: tuple[Trial, ...]
    crops: dict[str, Crop] | None

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.trials)

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def truths(self) -> Path:
        """The folder of the true images."""
        return self.trials[0].truth.parent

    @property
    def controls(self) -> Path:
        """The folder of the control images."""
        return self.trials[0].control.parent

    @property
    def references(self) -> Path | None:
        """The folder of the still-lifes, or None if they are stitched to the controls."""
        reference = self.trials[0].reference
        return reference.parent if reference else None

    @cached_property
    def captions(self) -> dict[str, str]:
        """Prompts by trial, as `read_captions` gives them."""
        return read_captions(self.truths)

    @cached_property
    def masks(self) -> dict[str, BoolMask]:
        """By name, where the garment is on each whole picture; empty if the dataset knows it of none.

        Raises:
            UnsoundError: if it knows it of some: figures of garments and of whole pictures have no mean; or
                if a mask shows nothing, or is not of its photo's size.
        """
        known, findings = {}, []
        for trial in self:
            if trial.garment_mask is None:
                message = "has no garment mask, but other images have one"
                findings.append(Finding("testset.mask", trial.name, message, "Add it to garment_masks/."))
                continue
            try:
                known[trial.name] = canvas_mask(trial)
            except UnsoundError as error:
                findings += error.findings
        raise_findings(findings if any(trial.garment_mask for trial in self) else [], "the test set")
        return known

    def write_masks(self, folder: Path) -> Path | None:
        """Write `masks`, named as the pictures; the folder, or None if there are none."""
        for name, mask in self.masks.items():
            write_mask(folder / f"{name}.png", mask)
        return folder if self.masks else None

    def require_references(self, model: str) -> None:
        """Refuse stitched controls for a model that takes the still-life as an image of its own.

        Raises:
            UnsoundError: if there are no still-lifes for it.
        """
        if find_model(model).has_reference and self.references is None:
            message = f"{model} takes the still-life as an image of its own, and there is no reference/"
            hint = f"Build the test set for the model {model}."
            where = str(self.truths.parent)
            raise UnsoundError.of(Finding("testset.reference", where, message, hint))

    def refuse_trained_on(self, job: Job) -> None:
        """Refuse the images that a run was trained on.

        Raises:
            UsageError: if they are in one of its datasets.
        """
        folders = (folder for dataset in job.process.datasets for folder in dataset.folders)
        if self.truths.resolve() in map(Path.resolve, folders):
            raise UsageError(
                f"{self.truths}: the run {job.config.name} was trained on these images, so their scores say "
                "nothing about others. Give held-out pairs, such as a dataset built with `held_out`."
            )

    def generate(
        self,
        out: Path,
        options: GenerateOptions,
        lora: Path | None = None,
        on_progress: Update = silent,
    ) -> list[Path]:
        """Generate an image of every control; see `chromiq.evaluate.generate.images.generate`."""
        return generate(
            self.controls,
            out,
            self.captions,
            options,
            lora=lora,
            references=self.references,
            only={trial.name for trial in self},
            on_progress=on_progress,
        )

    @property
    def parts(self) -> tuple[Path, ...]:
        """Where no results may go: its own folder and that of its dataset, with what lies in them."""
        own = DatasetLayout(self.truths.parent)
        layouts = [own, *(each for each in [DatasetLayout(own.root.parent)] if each.manifest.is_file())]
        return tuple(path for layout in layouts for path in (layout.root, *layout.parts))


@dataclass(frozen=True, eq=False)
class Found:
    """Where the garment of a trial was found.

    Attributes:
        doubt: why not to correct there; empty if there is no doubt.
    """

    trial: Trial
    garment: GarmentMask
    doubt: str


def read_testset(folder: Path) -> TrialSet:
    """The trials of a test set, with its crops.

    Args:
        folder: holds ``gt/`` and ``control/``; or a dataset, whose ``held_out/`` is taken if there is one.

    Raises:
        UnsoundError: with all findings, if a control is missing, or a still-life that others have, or it is
            unknown where the photos lie; or if the crops cannot be read.
    """
    layout = DatasetLayout(folder).testset
    truths, controls = find_images(layout.truths), find_images(layout.controls)
    references = find_images(layout.references) if layout.references.is_dir() else {}
    with_references = not references.keys().isdisjoint(truths)
    dataset = layout if layout.manifest.is_file() else DatasetLayout(layout.root.parent)
    examples = {example.name: example for example in read_examples(dataset.root)}
    masks = {each.garment_masks: file_finder(each.garment_masks) for each in (dataset, layout)}
    findings, trials = [], []
    for name in sorted(truths, key=natural_key):
        if name not in controls:
            where = str(truths[name])
            findings.append(
                Finding("testset.control", where, "no control image of this name", "Add it to control/.")
            )
            continue
        reference, example = references.get(name), examples.get(name)
        mask = dataset.garment_mask(example.key) if example else layout.garment_mask(name)
        geometry = None if reference else _geometry(example, truths[name])
        if with_references and reference is None:
            message, hint = "no still-life of this name", "Add it to reference/."
            findings.append(Finding("testset.reference", str(truths[name]), message, hint))
        elif geometry is None and reference is None:
            message = "no manifest.jsonl says where the two photos are, and the image has an unusual size"
            hint = "Build the test set with chromiq build."
            findings.append(Finding("testset.geometry", str(truths[name]), message, hint))
        found_mask = masks[mask.parent](mask.name)
        garment = (example.label.name or None) if example else None
        trials.append(Trial(name, truths[name], controls[name], reference, geometry, found_mask, garment))
    if not truths:
        findings.append(Finding("testset.empty", str(layout.truths), "no true images", "Check the folder."))
    raise_findings(findings, str(folder))
    crops = layout.root / "crops.json"
    return TrialSet(tuple(trials), read_crops(crops) if crops.is_file() else None)


def find_trial_garment(trial: Trial, segmenter: Segmenter) -> Found:
    """Find the garment of a trial on its control, without a look at the truth."""
    _, still_life, on_model = _photos(trial)
    found = find_garment(still_life, on_model, segmenter)
    # The colour is off on purpose, so that it disagrees says nothing about the mask.
    only_colour = strong_reasons(found.reasons) == ("colour_disagrees",)
    if found.mask.any() and (only_colour or found.confidence >= LEFT_OUT_BELOW):
        return Found(trial, found, "")
    reasons = found.reasons if found.mask.any() else ("empty",)
    return Found(trial, found, f"the garment was not found with confidence: {in_words(reasons)}")


def correct_trial(found: Found, generated: RgbImage | None = None) -> tuple[RgbImage, str]:
    """A trial's control with its garment corrected, and why if it was left alone.

    Args:
        found: as `find_trial_garment` gives it.
        generated: what a network made of the control, to correct by (hybrid); without a network if None.

    Returns:
        The picture ``(H, W, 3)`` uint8 sRGB, bit-identical outside the garment that was found, and an
        empty text or the reason.
    """
    canvas, still_life, on_model = _photos(found.trial)
    if found.doubt:
        return canvas, found.doubt
    geometry = found.trial.geometry
    if generated is not None and geometry:
        generated = np.ascontiguousarray(cut_on_model(generated, geometry))
    subject = Subject(Pixels(still_life), still_life_mask(still_life), Pixels(on_model), found.garment)
    fit = fit_subject(subject, generated)
    if fit.gain < MIN_GAIN:
        return canvas, f"no clear colour error (expected gain {cut(fit.gain, 1):z.1f} dE00)"
    corrected = canvas.copy()
    panel = cut_on_model(corrected, geometry) if geometry else corrected
    panel[:] = subject.recoloured(fit.colour_map).within(on_model)
    return corrected, ""


def output_on_control(path: Path, trial: Trial, register: bool = False) -> RgbImage:
    """An image that was made of a trial's control: of its size, and where it lies if that is asked for.

    Where a registered image has no pixels the control's own stand in.

    Raises:
        UnsoundError: if it cannot be read or registered.
    """
    image = read_photo(path).rgb
    if not register:
        return image
    control = read_photo(trial.control).rgb
    aligned = align(image, control, path)
    if aligned.inside is None:
        return aligned.rgb
    return np.where(aligned.inside[..., None], aligned.rgb, control)


def _photos(trial: Trial) -> tuple[RgbImage, RgbImage, RgbImage]:
    """The whole control, its still-life and its on-model photo."""
    canvas = read_photo(trial.control).rgb
    if trial.geometry is None:
        assert trial.reference is not None  # read_testset saw to it
        return canvas, read_photo(trial.reference).rgb, canvas
    still_life, on_model = cut_still_life(canvas, trial.geometry), cut_on_model(canvas, trial.geometry)
    return canvas, np.ascontiguousarray(still_life), np.ascontiguousarray(on_model)


def canvas_mask(trial: Trial) -> BoolMask:
    """Where the garment is on the whole picture, by the trial's garment mask.

    Raises:
        UnsoundError: if the mask cannot be read, shows nothing, or has neither the size of its photo nor, as
            a stitched photo is scaled, its shape.
    """
    assert trial.garment_mask is not None  # the caller sees to it
    mask = read_mask(trial.garment_mask)
    canvas = np.zeros(photo_size_wh(trial.control)[::-1], bool)
    panel = cut_on_model(canvas, trial.geometry) if trial.geometry else canvas
    size_wh = (panel.shape[1], panel.shape[0])
    fault = empty_mask_fault(mask, trial.garment_mask)
    if trial.geometry is None:
        fault = mask_size_fault(mask, trial.garment_mask, size_wh) or fault
    elif abs(mask.shape[1] * size_wh[1] / mask.shape[0] - size_wh[0]) > 1:  # more than scaling rounds
        has, needs = (f"{width_px}x{height_px}" for width_px, height_px in (mask.shape[::-1], size_wh))
        message = f"is {has} pixels, which is not the shape of the on-model photo, {needs} on the picture"
        hint = "Draw it on the on-model photo."
        fault = Finding("mask.size", str(trial.garment_mask), message, hint, wanted=needs, got=has)
    raise_findings([fault] if fault else [], str(trial.garment_mask))
    panel[:] = resize_mask(mask, size_wh)
    return canvas


def _geometry(example: Example | None, truth: Path) -> Geometry | None:
    if example and example.geometry:
        return example.geometry
    usual = published_geometry(_USUAL_WH, _USUAL_WH)
    return usual if photo_size_wh(truth) == usual.canvas_wh else None
