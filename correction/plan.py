"""What to do with one photo: the map that corrects it, the answer it gets, and the figures behind both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chromiq.colour import delta_e_lab
from chromiq.correction.fitting.colour_map import MapsColours, PartialMap
from chromiq.correction.fitting.garment_look import look
from chromiq.correction.fitting.hybrid import fit_hybrid
from chromiq.correction.fitting.transfer import ColourFit, fit_colours
from chromiq.correction.judging.evidence import Evidence, look_at_photos, look_at_result
from chromiq.correction.judging.plausibility import Answer, Doubt, Judgement, doubts_said, judge
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.subject import Subject
from chromiq.correction.target import from_d50, target_map, to_d50
from chromiq.photos.colour_space import ColourSpace
from chromiq.records import FloatImage, RgbImage
from chromiq.wording import cut

Lab = tuple[float, float, float]
# Photos of one garment are lit alike if lit cloth and mean chroma are this near, in Lab.
_ALIKE_LIGHTNESS, _ALIKE_CHROMA = 6.0, 4.0
_JOINT_SAMPLE = 10_000
# In Lab; less than a step of 8 bits.
_NO_CHANGE = 0.05
_LOOK_AT_NETWORK = "Look at the picture that the network made, or choose the method transfer."
# In dE00; seen at a glance.
_MUCH_APART = 5.0
# Of figures that are reported: finer ones mean nothing.
_DIGITS = 3
# Below this a colour looks grey, and its hue is noise.
_LEAST_CHROMA = 1.0
# With a target colour the still-life only shows which garment it is.
_STILL_LIFE_UNUSED: dict[str, Any] = {
    "is_same": False,
    "still_life_empty": False,
    "exchanged": False,
    "still_life_colourless": False,
    "on_model_colourless": False,
    "lightness_pattern": 1.0,
    "chroma_pattern": 1.0,
}


@dataclass(frozen=True)
class Colours:
    """The garment's mean colour, its darkest and lightest pixels left out; Lab is D50, as Photoshop shows it.

    Attributes:
        still_life: Lab of the garment on the still-life, or the target colour.
        before: Lab on the on-model photo as it came.
        after: Lab on the on-model photo as it is written.
        delta_e_before: dE00 between still-life and photo before.
        delta_e_after: dE00 between them after.
        lightness_apart: L* after, less that of the still-life.
        chroma_apart: C* after, less that of the still-life.
        hue_apart_deg: hue angle after, less that of the still-life, -180 to 180; 0 if one of them is grey.
    """

    still_life: Lab
    before: Lab
    after: Lab
    delta_e_before: float
    delta_e_after: float
    lightness_apart: float
    chroma_apart: float
    hue_apart_deg: float


@dataclass(frozen=True, eq=False)
class Plan:
    """What to do with one photo.

    Attributes:
        colour_map: what to apply to the garment, the strength included; None to leave the photo alone.
        answer: *corrected*, *corrected, look at it* or *left alone*.
        doubts: what speaks against a plain *corrected*, gravest first.
        reason: the answer in one line.
        gain: mean dE00 over the garment that is expected to be removed; 0 where unknown.
        gain_interval: the gain is expected between these in four of five photos; None where unknown.
        remaining: mean dE00 that is expected to remain; None where unknown.
        colours: None if there is no garment to measure.
        evidence: what the answer was judged by.
    """

    colour_map: MapsColours | None
    answer: Answer
    doubts: tuple[Doubt, ...]
    reason: str
    gain: float
    gain_interval: tuple[float, float] | None = None
    remaining: float | None = None
    colours: Colours | None = None
    evidence: Evidence | None = None


def plan_correction(
    subject: Subject,
    options: CorrectionOptions,
    *,
    fit: ColourFit | None = None,
    generated: RgbImage | None = None,
    exchanged: bool = False,
) -> Plan:
    """Decide about one photo by the methods that fit a map, ``"transfer"`` and ``"hybrid"``.

    Args:
        subject: the pair; the space of its on-model photo may not hold a colour that is wanted.
        fit: fitted to several photos of the garment together, in place of this one's own.
        generated: ``(h, w, 3)`` uint8 sRGB, what a network made of the photo; for ``"hybrid"``.
        exchanged: whether the file names say that each photo is the other one.
    """
    evidence = look_at_photos(subject)
    evidence = replace(evidence, exchanged=evidence.exchanged or exchanged)
    if options.target_lab:
        evidence = replace(evidence, **_STILL_LIFE_UNUSED)
    judgement = judge(evidence)
    seen_lab = subject.on_model_lab
    if not len(seen_lab) or (judgement.answer == "left_alone" and not options.force):
        colours = _colours(subject, seen_lab, options) if len(seen_lab) else None
        return replace(_left_alone("", judgement.doubts, 0.0, colours), evidence=evidence)
    if options.target_lab:
        map_to = target_map(seen_lab, options.target_lab)
        distance = delta_e_lab(look(seen_lab).mean[None], map_to.target[None])[0]
        proposal = ColourFit(map_to, float(distance))
    elif options.method == "hybrid":
        assert generated is not None  # the callers see to it
        proposal = fit_subject(subject, generated)
    else:
        proposal = fit or fit_subject(subject)
    proposal = replace(proposal, colour_map=PartialMap(proposal.colour_map, options.strength))
    wanted_lab = proposal.colour_map.apply(seen_lab)
    after_lab = _as_held(wanted_lab, subject.on_model.space)
    wanted, reached = look(wanted_lab).mean, look(after_lab).mean
    evidence = replace(
        evidence,
        gamut_loss=float(delta_e_lab(wanted[None], reached[None])[0]),
        reached_lab=_triple(to_d50(reached)),
    )
    if options.target_lab:
        evidence = replace(evidence, target_move=options.strength * proposal.gain)
    else:
        evidence = replace(evidence, gain=proposal.gain)
        evidence = look_at_result(evidence, subject.still_life_lab, seen_lab, after_lab)
    return replace(_planned(subject, proposal, judge(evidence), after_lab, options), evidence=evidence)


def fit_subject(subject: Subject, generated: RgbImage | None = None) -> ColourFit:
    """The correction of one pair, without a network or by what one made of the on-model photo."""
    wanted_lab, seen_lab = subject.still_life_lab, subject.on_model_lab
    if generated is None:
        return fit_colours(wanted_lab, seen_lab)
    return fit_hybrid(wanted_lab, seen_lab, subject.on_model.rgb, subject.cloth, generated)


def _as_held(lab: FloatImage, space: ColourSpace) -> FloatImage:
    """Colours ``(P, 3)`` as a file of a space holds them."""
    if not space.is_writable:
        return lab
    numbers, _ = space.from_lab(lab, np.dtype(np.uint16))
    return space.to_lab(numbers.round().astype(np.uint16))


def _planned(
    subject: Subject,
    proposal: ColourFit,
    judgement: Judgement,
    after_lab: FloatImage,
    options: CorrectionOptions,
) -> Plan:
    answer, doubts = judgement.answer, judgement.doubts
    if proposal.doubt:
        reason = f"the network's colour is not used: {proposal.doubt}"
        doubts = (*doubts, Doubt("network.unused", "look", reason, _LOOK_AT_NETWORK))
        answer = "look" if answer == "corrected" else answer
    unchanged = _colours(subject, subject.on_model_lab, options)
    is_target = bool(options.target_lab)
    if options.strength == 0:
        return _left_alone("the strength is 0", (), proposal.gain, unchanged)
    if proposal.gain < options.min_gain and not options.force:
        text = "the target colour is there already" if is_target else "no clear colour error"
        shown = replace(proposal, gain=cut(proposal.gain, 1), remaining=None)
        said = _off_target(shown) if is_target else _figures(shown)
        if not is_target and unchanged.delta_e_before > _MUCH_APART:
            said += f"; the {unchanged.delta_e_before:.1f} dE00 between the two photos may be light and folds"
        # What was not found may well have an error of colour.
        unsure = tuple(doubt for doubt in doubts if doubt.code.startswith(("mask.", "network.")))
        said = "; ".join([f"{text} ({said})", *(doubt.reason for doubt in unsure)])
        plan = _left_alone(said, (), proposal.gain, unchanged)
        undone = _at_strength(proposal, 0).remaining
        return replace(plan, doubts=unsure, gain_interval=proposal.gain_interval, remaining=undone)
    if answer == "left_alone" and not options.force:
        return _left_alone("", doubts, proposal.gain, unchanged)
    off = _off_target(proposal)
    proposal = _at_strength(proposal, options.strength)
    figures = (proposal.gain, proposal.gain_interval, proposal.remaining)
    said = off if is_target else _figures(proposal)
    if options.strength != 1:
        said += f"; at strength {options.strength:g}"
    if options.force and np.allclose(after_lab, subject.on_model_lab, atol=_NO_CHANGE):
        return Plan(None, "corrected", doubts, f"there is nothing to correct ({said})", *figures, unchanged)
    if options.force:
        answer = "corrected"
        text = f"corrected as asked, although {doubts_said(doubts)}" if doubts else "corrected as asked"
    elif answer == "look":
        text = f"corrected, look at it: {doubts_said(doubts)}"
    else:
        text = "corrected"
    colours = _colours(subject, after_lab, options)
    return Plan(proposal.colour_map, answer, doubts, f"{text} ({said})", *figures, colours)


def _at_strength(proposal: ColourFit, strength: float) -> ColourFit:
    """What is expected if only part of the way is gone, or more than all of it."""
    share = strength if strength <= 1 else 2 - strength
    interval, remaining = proposal.gain_interval, proposal.remaining
    return replace(
        proposal,
        gain=share * proposal.gain,
        gain_interval=interval and (share * interval[0], share * interval[1]),
        remaining=None if remaining is None else remaining + (1 - share) * max(proposal.gain, 0),
    )


def plan_paste(subject: Subject, pasted: NDArray[Any] | None, doubt: str, options: CorrectionOptions) -> Plan:
    """Decide about a photo whose garment a network painted; the gain is not known.

    Args:
        pasted: the photo with its garment as painted; None if it cannot be used.
        doubt: why it cannot be used.
    """
    judgement = judge(look_at_photos(subject))
    seen_lab = subject.on_model_lab
    unchanged = _colours(subject, seen_lab, options) if len(seen_lab) else None
    if pasted is None or (judgement.answer == "left_alone" and not options.force):
        return _left_alone(doubt, judgement.doubts, 0.0, unchanged)
    if options.strength == 0:
        return _left_alone("the strength is 0", (), 0.0, unchanged)
    answer: Answer = "corrected" if options.force else judgement.answer
    text = "the network's garment, at the photo's size"
    if answer == "look":
        text = f"look at it: {doubts_said(judgement.doubts)} ({text})"
    colours = _colours(subject, subject.sample(pasted), options)
    return Plan(None, answer, judgement.doubts, f"corrected: {text}", 0.0, colours=colours)


def fit_together(still_life_lab: FloatImage, on_model_labs: Sequence[FloatImage]) -> list[ColourFit | None]:
    """One fit for all photos of a garment that are lit alike; None for a photo that is like no other.

    Args:
        still_life_lab: ``(P, 3)`` Lab of the garment on the still-life.
        on_model_labs: ``(Q, 3)`` Lab of the garment on each on-model photo; may be empty.
    """
    fits: list[ColourFit | None] = [None] * len(on_model_labs)
    for members in _lit_alike(on_model_labs):
        if len(members) > 1:
            joint = np.concatenate([_even(on_model_labs[member], _JOINT_SAMPLE) for member in members])
            fit = fit_colours(still_life_lab, joint)
            for member in members:
                fits[member] = fit
    return fits


def _lit_alike(on_model_labs: Sequence[FloatImage]) -> list[list[int]]:
    groups: list[list[int]] = []
    looks = [look(lab) if len(lab) else None for lab in on_model_labs]
    for number, here in enumerate(looks):
        if here is None:
            continue
        for group in groups:
            first = looks[group[0]]
            assert first is not None  # only those with a garment are grouped
            lightness_off = abs(float(np.median(here.lit_worn - first.lit_worn)))
            chroma_off = float(np.hypot(*(here.mean - first.mean)[1:]))
            if lightness_off < _ALIKE_LIGHTNESS and chroma_off < _ALIKE_CHROMA:
                group.append(number)
                break
        else:
            groups.append([number])
    return groups


def _even(lab: FloatImage, count: int) -> FloatImage:
    """The same number of pixels of each photo, so that a close-up weighs no more."""
    return lab[np.linspace(0, len(lab) - 1, count).astype(np.intp)]


def _left_alone(reason: str, doubts: tuple[Doubt, ...], gain: float, colours: Colours | None) -> Plan:
    grave = tuple(doubt for doubt in doubts if doubt.answer == "left_alone")
    said = doubts_said(grave) or reason
    return Plan(None, "left_alone", grave, f"left alone: {said}", gain, colours=colours)


def _off_target(proposal: ColourFit) -> str:
    return f"the garment was {proposal.gain:.1f} dE00 from the target colour"


def _figures(proposal: ColourFit) -> str:
    said = f"expected gain {proposal.gain:z.1f} dE00"
    if proposal.gain_interval is not None:
        said += ", {:z.1f} to {:z.1f}".format(*proposal.gain_interval)
    if proposal.remaining is not None:
        said += f", {proposal.remaining:.1f} expected to remain"
    return f"{said}; {proposal.note}" if proposal.note else said


def _colours(subject: Subject, after_lab: FloatImage, options: CorrectionOptions) -> Colours:
    target = options.target_lab
    wanted = from_d50(np.array(target)) if target else look(subject.still_life_lab).mean
    before, after = look(subject.on_model_lab).mean, look(after_lab).mean
    (lightness, *ab), (wanted_lightness, *wanted_ab) = to_d50(after), to_d50(wanted)
    chroma, wanted_chroma = np.hypot(*ab), np.hypot(*wanted_ab)
    turned = np.degrees(np.arctan2(ab[1], ab[0]) - np.arctan2(wanted_ab[1], wanted_ab[0]))
    turned *= min(chroma, wanted_chroma) >= _LEAST_CHROMA
    return Colours(
        still_life=_triple(to_d50(wanted)),
        before=_triple(to_d50(before)),
        after=_triple(to_d50(after)),
        delta_e_before=_delta_e(wanted, before),
        delta_e_after=_delta_e(wanted, after),
        lightness_apart=round(float(lightness - wanted_lightness), _DIGITS),
        chroma_apart=round(float(chroma - wanted_chroma), _DIGITS),
        hue_apart_deg=round(float((turned + 180) % 360 - 180), _DIGITS),
    )


def _triple(lab: FloatImage) -> Lab:
    lightness, a, b = (round(float(part), _DIGITS) for part in lab)
    return lightness, a, b


def _delta_e(first: FloatImage, second: FloatImage) -> float:
    return round(float(delta_e_lab(first[None], second[None])[0]), _DIGITS)
