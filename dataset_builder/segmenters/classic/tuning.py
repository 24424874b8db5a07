"""Every constant of the classic segmenter: what it is, its unit, and what it was chosen on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_REAL = "chosen on 24 real and on drawn pairs"
_REAL2 = "chosen on these and on 35 pairs of two other shops"
_DRAWN = "chosen on drawn pairs"
_SHADOWS = "chosen on these pairs with a shadow drawn on the wall"


def _tuned(value: Any, unit: str, chosen: str, meaning: str) -> Any:
    """A constant with its unit, what it was chosen on, and what it means."""
    return field(default_factory=lambda: value, metadata={"unit": unit, "chosen": chosen, "meaning": meaning})


@dataclass(frozen=True)
class ClassicTuning:
    """The constants of the classic segmenter, named by the module that reads them.

    The metadata of each field gives its ``unit``, its ``meaning``, and on what it was ``chosen``. Lengths in
    pixels are those of photos 320 px high; weighted Lab has lightness times 0.6.
    """

    # The whole.
    work_height_px: int = _tuned(320, "px", _REAL, "height at which photos are looked at")
    near_wall_lab: float = _tuned(
        12.0, "weighted Lab", _REAL2, "cloth so near the wall's colour may be lost in it"
    )
    near_wall_share: float = _tuned(
        0.15, "share of garment", _REAL2, "so much of such cloth makes a garment light"
    )
    also_alike: float = _tuned(
        0.8,
        "ratio",
        _DRAWN,
        "another person whose clothes are so much as like the still-life makes the mask doubtful",
    )
    several_penalty: float = _tuned(0.75, "factor", _DRAWN, "confidence then")
    own_hole_share: float = _tuned(
        0.6, "share of hole", _REAL, "enclosed cloth, as of a pocket, is the garment's"
    )
    largest_hole: float = _tuned(0.2, "share of mask", _REAL, "but no larger hole")
    small_hole_px: int = _tuned(200, "px at work size", _REAL, "and every smaller one")

    least_trust_of_trims: float = _tuned(
        0.8, "trust", _REAL2, "below it colours have moved too far to know a trim by its colour"
    )

    # Where on the body.
    body_place_in_heads: Mapping[str, tuple[float, float, float, float]] = _tuned(
        {"upper": (-0.12, 2.5, 0.08, 0.3), "lower": (2.2, 6.7, 0.3, 0.2), "full": (-0.05, 6.6, 0.08, 0.2)},
        "heads below the chin",
        _REAL,
        "where a kind is worn: from, to, softness of each",
    )
    body_place_in_shares: Mapping[str, tuple[float, float, float, float]] = _tuned(
        {
            "upper": (-1.0, 0.75, 0.04, 0.06),
            "lower": (0.07, 0.93, 0.04, 0.06),
            "full": (-1.0, 0.93, 0.04, 0.06),
        },
        "shares of person's height",
        _REAL,
        "the same when no head is shown",
    )
    body_seed_in_heads: Mapping[str, tuple[float, float]] = _tuned(
        {"upper": (0.5, 1.7), "lower": (2.7, 4.2), "full": (0.5, 3.5)},
        "heads below the chin",
        _REAL,
        "where a kind surely is: from, to",
    )
    body_light_cloth_heads: float = _tuned(
        2.8, "heads below the chin", _REAL2, "light cloth is filled in down to here"
    )
    body_smooth_outline_rows: int = _tuned(9, "rows", _REAL2, "its outline is smoothed over these")
    body_sure_person: float = _tuned(0.6, "probability", _REAL2, "of the person model, surely a person")
    body_sample_px: int = _tuned(5_000, "px at work size", _REAL2, "of cloth, enough to model its colours")
    body_near_person: float = _tuned(
        0.08, "share of height", _REAL2, "how far from there the outline may reach"
    )
    body_no_person: float = _tuned(0.3, "probability", _REAL2, "of the person model, possibly a shadow")
    body_shadow_hue_lab: float = _tuned(2.5, "Lab a*, b*", _SHADOWS, "a shadow is so near the wall's hue")
    body_palest_shadow_lab: float = _tuned(2.0, "L*", _SHADOWS, "and darker by more")
    body_darkest_shadow_lab: float = _tuned(30.0, "L*", _SHADOWS, "but by no more")
    body_shadow_slope_lab: float = _tuned(1.5, "L* per px at work size", _SHADOWS, "cloth has a steeper edge")
    body_least_shadow_px: int = _tuned(100, "px at work size", _SHADOWS, "less is not looked at")
    body_least_wall_px: int = _tuned(300, "px at work size", _SHADOWS, "least sample of the wall")

    # The head.
    head_cut_rows: int = _tuned(2, "rows", _REAL, "a person within these is cut off")
    head_head_over_face: float = _tuned(
        1.25, "heads per face square", "measured on 35 faces", "the cascade's square ends at the chin"
    )
    head_face_px: tuple[int, int] = _tuned((24, 110), "px at work size", _REAL2, "smallest and largest face")
    head_face_within: float = _tuned(0.6, "share of height", _REAL2, "faces are looked for above here")
    head_face_votes: int = _tuned(3, "windows", _REAL2, "so many must agree")
    head_same_chin: float = _tuned(0.2, "heads", _REAL2, "outline and face agree")
    head_face_skin: float = _tuned(0.35, "share of square", _REAL2, "least skin in a face")
    head_head_over_skin: float = _tuned(1.1, "heads per width of skin", "measured on 31 faces", "0.8 to 1.4")
    head_head_shares: tuple[float, float] = _tuned(
        (0.14, 0.24),
        "shares of height",
        "measured on 31 faces",
        "of photos that show a person down to the hips: 0.15 to 0.24",
    )
    head_face_aside: float = _tuned(0.22, "share of width", _REAL2, "furthest face from the body's axis")
    head_face_from_top: float = _tuned(0.2, "share of height", _REAL2, "lowest start of a face")
    head_narrowest_face: float = _tuned(0.13, "share of width", _REAL2, "narrowest patch that is a face")
    head_neck_over_face: float = _tuned(
        0.8, "ratio of widths", _REAL2, "where a patch of skin narrows to a neck"
    )
    head_min_face: float = _tuned(0.004, "share of photo", _REAL2, "smallest patch that is a face")
    head_least_body: float = _tuned(
        4.0, "heads below the chin", _DRAWN, "of whom the photo shows down to the feet, a child of four"
    )
    head_largest_head: float = _tuned(0.28, "share of height", _REAL2, "a larger one by outline is doubtful")
    head_width_in_heads: float = _tuned(
        2.0, "heads", _REAL, "the body's width with the arms hanging: 1.7 to 2.2"
    )

    # Hair and skin, where a model has seen them.
    body_seen: float = _tuned(0.5, "probability", _REAL2, "hair or skin, whatever its colour")
    body_seen_perhaps: float = _tuned(0.1, "probability", _REAL2, "skin, where the face's colour says so too")
    body_least_skin_coloured: float = _tuned(
        0.5, "share of the face seen", _REAL2, "in coloured light less of it has a colour of skin"
    )

    # Hair over or beside the garment.
    body_hair_min_hair_px: int = _tuned(60, "px at work size", _REAL2, "least sample")
    body_hair_neck: float = _tuned(0.38, "heads aside", _REAL2, "where a neck ends")
    body_hair_shoulder: float = _tuned(0.85, "heads aside", _REAL2, "a shoulder's joint")
    body_hair_joint_below_chin: float = _tuned(0.55, "heads", _REAL2, "its row")
    body_hair_cloth_over_joint: float = _tuned(0.3, "heads", _REAL2, "cloth above it")
    body_hair_joint_share: float = _tuned(
        0.8, "ratio", _REAL2, "hair lies within so much of the way to the joint"
    )
    body_hair_reach: float = _tuned(0.8, "heads aside", _REAL2, "how far hair hangs")
    body_hair_length: float = _tuned(1.4, "heads below the chin", _REAL2, "how far down")
    body_hair_own_colour_lab: float = _tuned(
        10.0, "weighted Lab", _REAL2, "nearer to the garment's colours it is cloth"
    )
    body_hair_own_share: float = _tuned(0.15, "share of garment", _REAL2, "colours that count for that")
    body_hair_more_like_hair: float = _tuned(1.5, "log likelihood ratio", _REAL2, "than like cloth")

    # The kind, by the outline.
    kind_widest_gap: float = _tuned(0.95, "share of band", _REAL, "a gap between legs is narrower")
    kind_parted_share: float = _tuned(
        0.15, "share of rows", _REAL, "shorts may be parted over their last centimetres only"
    )
    kind_waist: float = _tuned(
        0.8,
        "ratio of widths",
        _REAL,
        "a waist is as wide at its edge as below (0.84 and up), shoulders slope (0.76 and down)",
    )
    kind_short_sleeves: float = _tuned(
        0.74, "ratio of widths", _REAL, "below short sleeves an outline narrows to 0.7"
    )
    kind_long: float = _tuned(1.9, "height over width", _REAL, "longer outlines are dresses or trousers")
    kind_most_colour: float = _tuned(
        1.5, "log odds", _REAL2, "of the colours, which an error of colour may make those of other clothes"
    )
    kind_least_margin: float = _tuned(0.5, "log odds", _REAL2, "less is a toss-up")
    kind_min_seed_px: int = _tuned(100, "px at work size", _REAL2, "least sample of colours")

    # Colours.
    palette_lightness_weight: float = _tuned(
        0.6, "weight beside chroma", _REAL, "folds and light move lightness most"
    )
    palette_row_weight: float = _tuned(
        16.0, "weighted Lab per height", _REAL, "groups of colours keep together in height"
    )
    palette_side_weight: float = _tuned(8.0, "weighted Lab per width", _REAL, "and in distance from the axis")
    palette_min_share: float = _tuned(0.04, "share of garment", _REAL, "rarer colours are left out")
    palette_neighbourhood_px: float = _tuned(
        14.0, "px, sigma", _REAL2, "what is near, for a colour's density"
    )
    palette_densest_percentile: int = _tuned(98, "percentile", _REAL2, "a colour's greatest density")
    palette_turns_deg: tuple[int, ...] = _tuned(
        (0, 30, 60, 90, 135, 180, 225, 270, 300, 330),
        "degrees of hue",
        _REAL,
        "how light or an error may turn a palette",
    )
    palette_contrasts: tuple[float, float] = _tuned((1.0, 0.55), "factor", _REAL, "and pale it")

    # Evidence for each pixel.
    evidence_clusters: int = _tuned(12, "groups", _REAL, "of the person's colours")
    evidence_place_weight: float = _tuned(1.4, "factor of log odds", _REAL, "place of a group")
    evidence_pixel_place_weight: float = _tuned(1.0, "factor of log odds", _REAL, "place of a pixel")
    evidence_pixel_place_weight_in_set: float = _tuned(
        4.0, "factor of log odds", _DRAWN, "the same if the still-life shows more garments"
    )
    evidence_match_lab: float = _tuned(8.0, "weighted Lab, sigma", _REAL, "colours that are the same")
    evidence_cover_weight: float = _tuned(0.5, "score", _REAL, "a palette of which all is found")
    evidence_move_weight: float = _tuned(0.3, "score per 30 Lab", _REAL, "against moving a palette")
    evidence_evidence_range: tuple[float, float] = _tuned(
        (-10.0, 3.0), "log odds", _REAL, "least and most of the colour"
    )
    evidence_lab_per_evidence: float = _tuned(4.0, "weighted Lab per log odds", _REAL, "slope between")
    evidence_far_lab: float = _tuned(
        14.0, "weighted Lab", _REAL, "no light moves a colour so far: the slope doubles"
    )
    evidence_middle_is_own: float = _tuned(
        3.0, "1 / share", _REAL, "a group with a third in the middle is no skin"
    )
    evidence_denser: float = _tuned(
        0.2,
        "share of neighbourhood",
        _REAL2,
        "a group may be so much denser than its colour on the still-life",
    )
    evidence_crowded_weight: float = _tuned(6.0, "log odds per share", _REAL2, "against what is denser")
    evidence_most_crowded: float = _tuned(4.0, "log odds", _REAL2, "at most")
    evidence_learned_weight: float = _tuned(
        1.0, "factor of log odds", _REAL, "likeness to the cloth between the ends"
    )
    evidence_most_learned: float = _tuned(5.0, "log odds", _REAL, "at most")
    evidence_min_learned_px: int = _tuned(200, "px at work size", _REAL, "least sample")
    evidence_arms_weight: float = _tuned(
        2.0, "factor of log odds", _REAL, "other cloth on the arms, worn beneath"
    )
    evidence_most_arms: float = _tuned(5.0, "log likelihood ratio", _REAL, "at most")
    evidence_own_sleeves: float = _tuned(3.0, "log odds", _REAL, "of sleeves that are the garment's")
    evidence_middle_is_cloth: Mapping[bool, float] = _tuned(
        {False: 4.0, True: 2.0},
        "log likelihood ratio",
        _REAL2,
        "skin is rare in the middle; less so where it was seen",
    )
    evidence_seen_skin_weight: float = _tuned(2.0, "factor of log odds", _REAL2, "of skin that was seen")
    evidence_seen_skin_margin: float = _tuned(0.02, "probability", _REAL2, "nothing is seen more surely")
    evidence_skin_coloured: float = _tuned(
        0.3, "share of the middle", _REAL, "then the garment has a colour of skin"
    )
    evidence_skin_slope: float = _tuned(1.5, "factor of log odds", _REAL, "limit by likeness to the face")
    evidence_most_log_odds: float = _tuned(12.0, "log odds", _DRAWN, "limit of the sum")

    # Where the garment begins and ends.
    extent_worn_log_ratio: float = _tuned(
        -0.07,
        "ln of ratio",
        _REAL,
        "how area over squared length changes from flat to worn: sleeves hang in front",
    )
    extent_log_ratio_spread: float = _tuned(0.14, "ln of ratio, sigma", _REAL, "its spread")
    extent_max_deviations: float = _tuned(4.0, "sigmas", _REAL, "further off is no worse")
    extent_hem_weight: float = _tuned(1.5, "score per ln(1 + Lab)", _REAL, "an edge across the body")
    extent_colour_weight: float = _tuned(1.5, "score", _REAL, "the garment's colours within")
    extent_foreign_weight: float = _tuned(0.3, "share of that", _REAL, "other colours within")
    extent_place_weight: float = _tuned(1.0, "score", _REAL, "where such garments are worn")
    extent_change_weight: float = _tuned(
        3.0, "score per Hellinger distance", _REAL, "the cloth changes for good"
    )
    extent_reach: float = _tuned(1.25, "ratio", _REAL, "legs apart reach further aside than laid flat")
    extent_reach_softness_px: float = _tuned(2.5, "px at work size", _REAL, "softness of that")
    extent_cut_hem: float = _tuned(0.3, "ln(1 + Lab)", _REAL, "what the photo's own edge counts as")
    extent_chin_spread_px: int = _tuned(8, "px per score", _REAL, "tops begin near the chin")
    extent_sureness: float = _tuned(2.0, "1 / score", _REAL, "from scores to probabilities")
    extent_min_rows: int = _tuned(20, "rows", _REAL, "least length")
    extent_clear_edge_lab: float = _tuned(3.0, "weighted Lab", _REAL, "an edge that is a hem")
    extent_sleeves_below_hem_px: int = _tuned(
        40, "px at work size", _REAL, "how far above the hem sleeves may begin to hang beside it"
    )
    extent_kept_outside: float = _tuned(0.05, "share of place", _REAL, "the extent may be wrong")
    extent_likely_place: float = _tuned(
        0.5, "probability", _DRAWN, "in a set, colours count only where such a garment is worn"
    )
    extent_beyond_place_weight: float = _tuned(5.0, "score", _DRAWN, "and against reaching beyond")
    extent_half_edge_px: int = _tuned(3, "rows", _REAL, "compared on either side of an edge")
    extent_hem_quantile: float = _tuned(0.35, "quantile", _REAL, "of an edge's strength across the garment")
    extent_min_pixels: int = _tuned(8, "px at work size", _REAL, "least width of an edge")
    extent_stretch_px: int = _tuned(24, "rows", _REAL, "compared for a change of cloth")
    extent_texture_sigma_px: float = _tuned(1.5, "px, sigma", _REAL, "of local contrast")
    extent_texture_weight: float = _tuned(6.0, "factor", _REAL, "beside weighted Lab")
    extent_floor: tuple[float, ...] = _tuned(
        (4.0, 1.5, 1.5, 1.0),
        "variance",
        _REAL,
        "what cloth of one kind varies by at least: L*, a*, b*, texture",
    )

    # Sleeves.
    sleeves_shoulders: tuple[float, float] = _tuned(
        (0.05, 0.16), "shares of length", _REAL, "rows of the shoulders"
    )
    sleeves_armholes: tuple[float, float] = _tuned(
        (0.16, 0.38), "shares of length", _REAL, "rows of the armholes"
    )
    sleeves_dip: float = _tuned(
        0.015, "share of length", _REAL, "without sleeves an outline is so much narrower there"
    )
    sleeves_widest_above: float = _tuned(0.6, "share of length", _REAL, "or widest above here")
    sleeves_hem: float = _tuned(0.8, "share of length", _REAL, "and down to here")
    sleeves_most_fall: float = _tuned(0.1, "share of length", _REAL, "narrower by no more than this")
    sleeves_chest: float = _tuned(0.5, "half shoulder widths", _REAL, "columns of the chest")
    sleeves_trunk: float = _tuned(0.6, "half shoulder widths", _REAL, "of the trunk")
    sleeves_trunk_end: float = _tuned(0.8, "half shoulder widths", _REAL, "where the trunk ends")
    sleeves_arm: float = _tuned(0.9, "half shoulder widths", _REAL, "where arms begin")
    sleeves_end_softness: float = _tuned(0.04, "half shoulder widths", _REAL, "softness of that")
    sleeves_rows_in_heads: Mapping[str, tuple[float, float]] = _tuned(
        {"upper": (0.3, 2.6), "full": (0.3, 1.6)},
        "heads below the chin",
        _REAL,
        "where arms are looked for; beside a dress only above where its skirt may spread",
    )
    sleeves_chest_in_heads: tuple[float, float] = _tuned(
        (0.55, 1.5), "heads below the chin", _REAL, "rows of the chest"
    )
    sleeves_min_px: int = _tuned(200, "px at work size", _REAL, "least sample")
    sleeves_least_covered: float = _tuned(0.5, "share of arms", _REAL2, "with less cloth an arm is bare")
    sleeves_distinct: Mapping[bool, tuple[float, float]] = _tuned(
        {True: (0.0, 0.8), False: (0.5, 0.9)},
        "log likelihood ratio, share",
        _REAL,
        "how much of arms and trunk must be how much like itself, without and with sleeves",
    )
    sleeves_most_aside: float = _tuned(
        6.0, "log likelihood ratio", _REAL, "of what is too far aside for a gilet"
    )
    sleeves_sleeve_rows: tuple[float, float] = _tuned(
        (0.25, 0.85), "shares of length", _REAL, "where sleeves lie on a still-life"
    )
    sleeves_side: float = _tuned(0.8, "half widths", _REAL, "columns of its sleeves")
    sleeves_middle: float = _tuned(0.45, "half widths", _REAL, "columns of its body")
    sleeves_foreign_side: float = _tuned(
        3.0,
        "log likelihood ratio",
        _REAL,
        "cloth of one kind differs by under 1, other sleeves by 18 and more",
    )

    # Trims.
    trims_other_lab: float = _tuned(25.0, "weighted Lab", _REAL2, "from the main colours: of a trim")
    trims_same_lab: float = _tuned(8.0, "weighted Lab", _REAL2, "a trim's colour on both photos")
    trims_least_share: float = _tuned(0.015, "share of garment", _REAL2, "less is a button or a label")
    trims_least_px: int = _tuned(8, "px at work size", _REAL2, "less is noise")
    trims_most_share: float = _tuned(2.5, "ratio", _REAL2, "of a trim's share when worn to that when flat")
    trims_above_hem_heads: float = _tuned(0.15, "heads", _REAL2, "a trim ends so far above the hem")
    trims_half_width_heads: float = _tuned(0.14, "heads", _REAL2, "a trim is thinner")

    # Several people.
    people_least_area: float = _tuned(
        0.35, "share of the largest", _DRAWN, "a second person; less is an arm, a bag or a prop"
    )
    people_least_height: float = _tuned(0.6, "share of the largest", _DRAWN, "and so tall")
    people_least_height_of_photo: float = _tuned(0.5, "share of height", _DRAWN, "and so tall")
    people_least_aspect: float = _tuned(1.3, "height over width", _DRAWN, "and so slim")
    people_person_from: float = _tuned(0.5, "probability", _DRAWN, "of the person model")
    people_closing_px: int = _tuned(5, "px at work size", _DRAWN, "closed before people are counted")

    # Confidence.
    quality_usual_share: Mapping[str, tuple[float, float]] = _tuned(
        {"upper": (0.15, 0.85), "lower": (0.15, 0.9), "full": (0.3, 0.97)},
        "share of person",
        _REAL,
        "of a mask, least and most",
    )
    quality_longest_upper_in_heads: float = _tuned(
        2.8, "heads below the chin", _REAL, "a top ends above here"
    )
    quality_most_left_out: float = _tuned(
        0.2, "share of mask", _REAL, "cloth beside good masks is 6 % at most, without sleeves over 40 %"
    )
    quality_most_body_seen: float = _tuned(
        0.15,
        "share of mask",
        _REAL2,
        "seen to be hair or skin; of good masks at most 8 %",
    )
    quality_least_middle: float = _tuned(
        0.35,
        "share of the middle of its place",
        _REAL2,
        "covered by a mask; of good ones over 0.43, also on altered photos",
    )
    quality_most_tilt_deg: float = _tuned(45.0, "degrees", _REAL2, "of the trunk; upright at most 8")
    quality_most_filled: float = _tuned(
        0.1, "share of person", _REAL2, "filled in where cloth has the wall's colour"
    )
    quality_least_trust: float = _tuned(
        0.2, "trust", _REAL2, "the colours had to be moved by over 25 Lab, further than real errors move them"
    )
    quality_steady: float = _tuned(0.8, "overlap", _REAL2, "below this a mask is unsteady")


TUNING = ClassicTuning()
