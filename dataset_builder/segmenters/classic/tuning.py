"""Every constant of the classic segmenter: what it is, its unit, and what it was chosen on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ClassicTuning:
    """The constants of the classic segmenter, named by the module that reads them.

    The comment on each gives its unit, its meaning and, in brackets, what it was chosen on: 24 real and drawn
    pairs (``real``), these and 35 pairs of two other shops (``shops``), drawn pairs (``drawn``), or the pairs
    of ``shops`` with a shadow drawn on the wall (``shadows``). Lengths in pixels are those of photos 320 px
    high; weighted Lab has lightness times 0.6.
    """

    # The whole.
    work_height_px: int = 320  # px; height at which photos are looked at [real]
    near_wall_lab: float = 12.0  # weighted Lab; cloth so near the wall's colour may be lost in it [shops]
    near_wall_share: float = 0.15  # share of garment; so much of such cloth makes a garment light [shops]
    # ratio; another person whose clothes are so much as like the still-life makes the mask doubtful [drawn]
    also_alike: float = 0.8
    several_penalty: float = 0.75  # factor; confidence then [drawn]
    own_hole_share: float = 0.6  # share of hole; enclosed cloth, as of a pocket, is the garment's [real]
    largest_hole: float = 0.2  # share of mask; but no larger hole [real]
    small_hole_px: int = 200  # px at work size; and every smaller one [real]
    # trust; below it colours have moved too far to know a trim by its colour [shops]
    least_trust_of_trims: float = 0.8

    # Where on the body.
    # heads below the chin; where a kind is worn: from, to, softness of each [real]
    body_place_in_heads: Mapping[str, tuple[float, float, float, float]] = field(
        default_factory=lambda: {
            "upper": (-0.12, 2.5, 0.08, 0.3),
            "lower": (2.2, 6.7, 0.3, 0.2),
            "full": (-0.05, 6.6, 0.08, 0.2),
        }
    )
    # shares of person's height; the same when no head is shown [real]
    body_place_in_shares: Mapping[str, tuple[float, float, float, float]] = field(
        default_factory=lambda: {
            "upper": (-1.0, 0.75, 0.04, 0.06),
            "lower": (0.07, 0.93, 0.04, 0.06),
            "full": (-1.0, 0.93, 0.04, 0.06),
        }
    )
    # heads below the chin; where a kind surely is: from, to [real]
    body_seed_in_heads: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: {"upper": (0.5, 1.7), "lower": (2.7, 4.2), "full": (0.5, 3.5)}
    )
    body_light_cloth_heads: float = 2.8  # heads below the chin; light cloth is filled in down to here [shops]
    body_light_cloth_lab: float = 2.5  # Lab; what differs less from the wall is no light cloth [shops]
    body_smooth_outline_rows: int = 9  # rows; its outline is smoothed over these [shops]
    body_sure_person: float = 0.6  # probability; of the person model, surely a person [shops]
    body_sample_px: int = 5_000  # px at work size; of cloth, enough to model its colours [shops]
    body_near_person: float = 0.08  # share of height; how far from there the outline may reach [shops]
    body_no_person: float = 0.3  # probability; of the person model, possibly a shadow [shops]
    body_shadow_hue_lab: float = 2.5  # Lab a*, b*; a shadow is so near the wall's hue [shadows]
    body_palest_shadow_lab: float = 2.0  # L*; and darker by more [shadows]
    body_darkest_shadow_lab: float = 30.0  # L*; but by no more [shadows]
    body_shadow_slope_lab: float = 1.5  # L* per px at work size; cloth has a steeper edge [shadows]
    body_least_shadow_px: int = 100  # px at work size; less is not looked at [shadows]
    body_least_wall_px: int = 300  # px at work size; least sample of the wall [shadows]

    # The head.
    head_cut_rows: int = 2  # rows; a person within these is cut off [real]
    # heads per face square; the cascade's square ends at the chin [measured on 35 faces]
    head_head_over_face: float = 1.25
    head_face_px: tuple[int, int] = (24, 110)  # px at work size; smallest and largest face [shops]
    head_face_within: float = 0.6  # share of height; faces are looked for above here [shops]
    head_face_votes: int = 3  # windows; so many must agree [shops]
    head_same_chin: float = 0.2  # heads; outline and face agree [shops]
    head_face_skin: float = 0.35  # share of square; least skin in a face [shops]
    head_head_over_skin: float = 1.1  # heads per width of skin; 0.8 to 1.4 [measured on 31 faces]
    # shares of height; of photos that show a person down to the hips: 0.15 to 0.24 [measured on 31 faces]
    head_head_shares: tuple[float, float] = (0.14, 0.24)
    head_face_aside: float = 0.22  # share of width; furthest face from the body's axis [shops]
    head_face_from_top: float = 0.2  # share of height; lowest start of a face [shops]
    head_narrowest_face: float = 0.13  # share of width; narrowest patch that is a face [shops]
    head_neck_over_face: float = 0.8  # ratio of widths; where a patch of skin narrows to a neck [shops]
    head_min_face: float = 0.004  # share of photo; smallest patch that is a face [shops]
    # heads below the chin; of whom the photo shows down to the feet, a child of four [drawn]
    head_least_body: float = 4.0
    head_largest_head: float = 0.28  # share of height; a larger one by outline is doubtful [shops]
    head_width_in_heads: float = 2.0  # heads; the body's width with the arms hanging: 1.7 to 2.2 [real]

    # Hair and skin, where a model has seen them.
    body_seen: float = 0.5  # probability; hair or skin, whatever its colour [shops]
    body_seen_perhaps: float = 0.1  # probability; skin, where the face's colour says so too [shops]
    # share of the face seen; in coloured light less of it has a colour of skin [shops]
    body_least_skin_coloured: float = 0.5

    # Hair over or beside the garment.
    body_hair_min_hair_px: int = 60  # px at work size; least sample [shops]
    body_hair_neck: float = 0.38  # heads aside; where a neck ends [shops]
    body_hair_shoulder: float = 0.85  # heads aside; a shoulder's joint [shops]
    body_hair_joint_below_chin: float = 0.55  # heads; its row [shops]
    body_hair_cloth_over_joint: float = 0.3  # heads; cloth above it [shops]
    body_hair_joint_share: float = 0.8  # ratio; hair lies within so much of the way to the joint [shops]
    body_hair_reach: float = 0.8  # heads aside; how far hair hangs [shops]
    body_hair_length: float = 1.4  # heads below the chin; how far down [shops]
    # weighted Lab; nearer to the garment's colours it is cloth [shops]
    body_hair_own_colour_lab: float = 10.0
    body_hair_own_share: float = 0.15  # share of garment; colours that count for that [shops]
    body_hair_more_like_hair: float = 1.5  # log likelihood ratio; than like cloth [shops]

    # The kind, by the outline.
    kind_widest_gap: float = 0.95  # share of band; a gap between legs is narrower [real]
    # share of rows; shorts may be parted over their last centimetres only [real]
    kind_parted_share: float = 0.15
    # ratio of widths; a waist is as wide at its edge as below (0.84 and up), shoulders slope (0.76 and down)
    # [real]
    kind_waist: float = 0.8
    kind_short_sleeves: float = 0.74  # ratio of widths; below short sleeves an outline narrows to 0.7 [real]
    kind_long: float = 1.9  # height over width; longer outlines are dresses or trousers [real]
    # log odds; of the colours, which an error of colour may make those of other clothes [shops]
    kind_most_colour: float = 1.5
    kind_least_margin: float = 0.5  # log odds; less is a toss-up [shops]
    kind_min_seed_px: int = 100  # px at work size; least sample of colours [shops]

    # Colours.
    palette_lightness_weight: float = 0.6  # weight beside chroma; folds and light move lightness most [real]
    # weighted Lab per height; groups of colours keep together in height [real]
    palette_row_weight: float = 16.0
    palette_side_weight: float = 8.0  # weighted Lab per width; and in distance from the axis [real]
    palette_min_share: float = 0.04  # share of garment; rarer colours are left out [real]
    palette_neighbourhood_px: float = 14.0  # px, sigma; what is near, for a colour's density [shops]
    palette_densest_percentile: int = 98  # percentile; a colour's greatest density [shops]
    # degrees of hue; how light or an error may turn a palette [real]
    palette_turns_deg: tuple[int, ...] = (0, 30, 60, 90, 135, 180, 225, 270, 300, 330)
    palette_contrasts: tuple[float, float] = (1.0, 0.55)  # factor; and pale it [real]

    # Evidence for each pixel.
    evidence_clusters: int = 12  # groups; of the person's colours [real]
    evidence_place_weight: float = 1.4  # factor of log odds; place of a group [real]
    evidence_pixel_place_weight: float = 1.0  # factor of log odds; place of a pixel [real]
    # factor of log odds; the same if the still-life shows more garments [drawn]
    evidence_pixel_place_weight_in_set: float = 4.0
    evidence_match_lab: float = 8.0  # weighted Lab, sigma; colours that are the same [real]
    evidence_cover_weight: float = 0.5  # score; a palette of which all is found [real]
    evidence_move_weight: float = 0.3  # score per 30 Lab; against moving a palette [real]
    # log odds; least and most of the colour [real]
    evidence_evidence_range: tuple[float, float] = (-10.0, 3.0)
    evidence_lab_per_evidence: float = 4.0  # weighted Lab per log odds; slope between [real]
    evidence_far_lab: float = 14.0  # weighted Lab; no light moves a colour so far: the slope doubles [real]
    evidence_middle_is_own: float = 3.0  # 1 / share; a group with a third in the middle is no skin [real]
    # share of neighbourhood; a group may be so much denser than its colour on the still-life [shops]
    evidence_denser: float = 0.2
    evidence_crowded_weight: float = 6.0  # log odds per share; against what is denser [shops]
    evidence_most_crowded: float = 4.0  # log odds; at most [shops]
    evidence_learned_weight: float = 1.0  # factor of log odds; likeness to the cloth between the ends [real]
    evidence_most_learned: float = 5.0  # log odds; at most [real]
    evidence_min_learned_px: int = 200  # px at work size; least sample [real]
    evidence_arms_weight: float = 2.0  # factor of log odds; other cloth on the arms, worn beneath [real]
    evidence_most_arms: float = 5.0  # log likelihood ratio; at most [real]
    evidence_own_sleeves: float = 3.0  # log odds; of sleeves that are the garment's [real]
    # log likelihood ratio; skin is rare in the middle; less so where it was seen [shops]
    evidence_middle_is_cloth: Mapping[bool, float] = field(default_factory=lambda: {False: 4.0, True: 2.0})
    evidence_seen_skin_weight: float = 2.0  # factor of log odds; of skin that was seen [shops]
    evidence_seen_skin_margin: float = 0.02  # probability; nothing is seen more surely [shops]
    evidence_skin_coloured: float = 0.3  # share of the middle; then the garment has a colour of skin [real]
    evidence_skin_slope: float = 1.5  # factor of log odds; limit by likeness to the face [real]
    evidence_most_log_odds: float = 12.0  # log odds; limit of the sum [drawn]

    # Where the garment begins and ends.
    # ln of ratio; how area over squared length changes from flat to worn: sleeves hang in front [real]
    extent_worn_log_ratio: float = -0.07
    extent_log_ratio_spread: float = 0.14  # ln of ratio, sigma; its spread [real]
    extent_max_deviations: float = 4.0  # sigmas; further off is no worse [real]
    extent_hem_weight: float = 1.5  # score per ln(1 + Lab); an edge across the body [real]
    extent_colour_weight: float = 1.5  # score; the garment's colours within [real]
    extent_foreign_weight: float = 0.3  # share of that; other colours within [real]
    extent_place_weight: float = 1.0  # score; where such garments are worn [real]
    extent_change_weight: float = 3.0  # score per Hellinger distance; the cloth changes for good [real]
    extent_reach: float = 1.25  # ratio; legs apart reach further aside than laid flat [real]
    extent_reach_softness_px: float = 2.5  # px at work size; softness of that [real]
    extent_cut_hem: float = 0.3  # ln(1 + Lab); what the photo's own edge counts as [real]
    extent_chin_spread_px: int = 8  # px per score; tops begin near the chin [real]
    extent_sureness: float = 2.0  # 1 / score; from scores to probabilities [real]
    extent_min_rows: int = 20  # rows; least length [real]
    extent_clear_edge_lab: float = 3.0  # weighted Lab; an edge that is a hem [real]
    # px at work size; how far above the hem sleeves may begin to hang beside it [real]
    extent_sleeves_below_hem_px: int = 40
    extent_kept_outside: float = 0.05  # share of place; the extent may be wrong [real]
    # probability; in a set, colours count only where such a garment is worn [drawn]
    extent_likely_place: float = 0.5
    extent_beyond_place_weight: float = 5.0  # score; and against reaching beyond [drawn]
    extent_half_edge_px: int = 3  # rows; compared on either side of an edge [real]
    extent_hem_quantile: float = 0.35  # quantile; of an edge's strength across the garment [real]
    extent_min_pixels: int = 8  # px at work size; least width of an edge [real]
    extent_stretch_px: int = 24  # rows; compared for a change of cloth [real]
    extent_texture_sigma_px: float = 1.5  # px, sigma; of local contrast [real]
    extent_texture_weight: float = 6.0  # factor; beside weighted Lab [real]
    # variance; what cloth of one kind varies by at least: L*, a*, b*, texture [real]
    extent_floor: tuple[float, ...] = (4.0, 1.5, 1.5, 1.0)

    # Sleeves.
    sleeves_shoulders: tuple[float, float] = (0.05, 0.16)  # shares of length; rows of the shoulders [real]
    sleeves_armholes: tuple[float, float] = (0.16, 0.38)  # shares of length; rows of the armholes [real]
    sleeves_dip: float = 0.015  # share of length; without sleeves an outline is so much narrower there [real]
    sleeves_widest_above: float = 0.6  # share of length; or widest above here [real]
    sleeves_hem: float = 0.8  # share of length; and down to here [real]
    sleeves_most_fall: float = 0.1  # share of length; narrower by no more than this [real]
    sleeves_chest: float = 0.5  # half shoulder widths; columns of the chest [real]
    sleeves_trunk: float = 0.6  # half shoulder widths; of the trunk [real]
    sleeves_trunk_end: float = 0.8  # half shoulder widths; where the trunk ends [real]
    sleeves_arm: float = 0.9  # half shoulder widths; where arms begin [real]
    sleeves_end_softness: float = 0.04  # half shoulder widths; softness of that [real]
    # heads below the chin; where arms are looked for: beside a dress only above where its skirt may spread
    # [real]
    sleeves_rows_in_heads: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: {"upper": (0.3, 2.6), "full": (0.3, 1.6)}
    )
    # heads below the chin; rows of the chest [real]
    sleeves_chest_in_heads: tuple[float, float] = (0.55, 1.5)
    sleeves_min_px: int = 200  # px at work size; least sample [real]
    sleeves_least_covered: float = 0.5  # share of arms; with less cloth an arm is bare [shops]
    # log likelihood ratio, share; how much of arms and trunk must be how much like itself, without and with
    # sleeves [real]
    sleeves_distinct: Mapping[bool, tuple[float, float]] = field(
        default_factory=lambda: {True: (0.0, 0.8), False: (0.5, 0.9)}
    )
    sleeves_most_aside: float = 6.0  # log likelihood ratio; of what is too far aside for a gilet [real]
    # shares of length; where sleeves lie on a still-life [real]
    sleeves_sleeve_rows: tuple[float, float] = (0.25, 0.85)
    sleeves_side: float = 0.8  # half widths; columns of its sleeves [real]
    sleeves_middle: float = 0.45  # half widths; columns of its body [real]
    # log likelihood ratio; cloth of one kind differs by under 1, other sleeves by 18 and more [real]
    sleeves_foreign_side: float = 3.0

    # Trims.
    trims_other_lab: float = 25.0  # weighted Lab; from the main colours: of a trim [shops]
    trims_same_lab: float = 8.0  # weighted Lab; a trim's colour on both photos [shops]
    trims_least_share: float = 0.015  # share of garment; less is a button or a label [shops]
    trims_least_px: int = 8  # px at work size; less is noise [shops]
    trims_most_share: float = 2.5  # ratio; of a trim's share when worn to that when flat [shops]
    trims_above_hem_heads: float = 0.15  # heads; a trim ends so far above the hem [shops]
    trims_half_width_heads: float = 0.14  # heads; a trim is thinner [shops]

    # Several people.
    # share of the largest; a second person; less is an arm, a bag or a prop [drawn]
    people_least_area: float = 0.35
    people_least_height: float = 0.6  # share of the largest; and so tall [drawn]
    people_least_height_of_photo: float = 0.5  # share of height; and so tall [drawn]
    people_least_aspect: float = 1.3  # height over width; and so slim [drawn]
    people_person_from: float = 0.5  # probability; of the person model [drawn]
    people_closing_px: int = 5  # px at work size; closed before people are counted [drawn]

    # Confidence.
    # share of person; of a mask, least and most [real]
    quality_usual_share: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: {"upper": (0.15, 0.85), "lower": (0.15, 0.9), "full": (0.3, 0.97)}
    )
    quality_longest_upper_in_heads: float = 2.8  # heads below the chin; a top ends above here [real]
    # share of mask; cloth beside good masks is 6 % at most, without sleeves over 40 % [real]
    quality_most_left_out: float = 0.2
    # share of mask; seen to be hair or skin; of good masks at most 8 % [shops]
    quality_most_body_seen: float = 0.15
    # share of the middle of its place; covered by a mask: of good ones over 0.43, also on altered photos
    # [shops]
    quality_least_middle: float = 0.35
    quality_most_tilt_deg: float = 45.0  # degrees; of the trunk; upright at most 8 [shops]
    quality_most_filled: float = 0.1  # share of person; filled in where cloth has the wall's colour [shops]
    # trust; the colours had to be moved by over 25 Lab, further than real errors move them [shops]
    quality_least_trust: float = 0.2
    quality_steady: float = 0.8  # overlap; below this a mask is unsteady [shops]


TUNING = ClassicTuning()
