"""The colours of a garment count where they lie as they do on its still-life."""

import numpy as np

from chromiq.dataset_builder.segmenters.classic.body import Body, Head
from chromiq.dataset_builder.segmenters.classic.evidence import weigh_evidence
from chromiq.dataset_builder.segmenters.classic.palette import Palette, local_shares
from chromiq.dataset_builder.segmenters.small.person import SeenParts, SeenPerson

TEAL, BLACK, SKIN = (35, -20, -8), (12, 0, 0), (70, 15, 18)
DOTS = (np.indices((320, 240)) // 5 % 4 == 0).all(axis=0)


def area(rows, columns):
    mask = np.zeros((320, 240), bool)
    mask[slice(*rows), slice(*columns)] = True
    return mask


def painted(*parts):
    lab = np.full((320, 240, 3), (92, 0, 0), np.float32)
    for mask, colour in parts:
        lab[mask] = colour
    return lab + np.random.default_rng(0).normal(0, 0.5, lab.shape).astype(np.float32)


def test_dots_are_sparse_and_their_ground_is_dense():
    garment = area((60, 260), (50, 190))
    palette = Palette.of(painted((garment, TEAL), (garment & DOTS, BLACK)), garment, count=2)
    dark = palette.colours[:, 0].argmin()
    assert palette.densest[dark] < 0.3
    assert palette.densest[1 - dark] > 0.8
    assert Palette.of(painted((garment, TEAL)), garment, count=1).densest.tolist() == [1.0]


def test_a_black_skirt_is_not_the_cloth_of_a_blouse_with_black_dots():
    garment = area((60, 260), (50, 190))
    palette = Palette.of(painted((garment, TEAL), (garment & DOTS, BLACK)), garment)
    trunk, skirt = area((80, 180), (80, 160)), area((180, 320), (80, 160))
    head = area((20, 80), (100, 140))
    lab = painted((trunk, TEAL), (trunk & DOTS, BLACK), (skirt, BLACK), (head, SKIN))
    body = Body(lab, trunk | skirt | head, Head(20, 70, 100, 140), None, differs=trunk)
    colour = weigh_evidence(body, "upper", garment, palette).terms["colour"]
    assert colour[area((100, 170), (90, 150)) & ~DOTS].mean() > 1
    assert colour[area((220, 300), (90, 150))].mean() < 0


def test_a_mask_is_steady_if_the_proportions_do_not_decide_it():
    garment, head = area((60, 200), (40, 200)), area((20, 80), (100, 140))
    trunk, below = area((80, 170), (80, 160)), area((170, 320), (80, 160))

    def steadiness(colour_below):
        lab = painted((trunk, TEAL), (below, colour_below), (head, SKIN))
        body = Body(lab, trunk | below | head, Head(20, 70, 100, 140), None, differs=trunk)
        palette = Palette.of(painted((garment, TEAL)), garment)
        return weigh_evidence(body, "upper", garment, palette).steadiness

    assert steadiness(BLACK) > 0.95
    assert steadiness(TEAL) < 0.85  # one cloth from neck to feet: only proportions tell


def test_a_share_is_that_of_the_neighbourhood_within_the_whole():
    whole = area((0, 320), (0, 120))
    (share,) = local_shares([area((0, 160), (0, 120))], whole)
    assert share[40, 60] > 0.99
    assert share[280, 60] < 0.01
    np.testing.assert_allclose(share[160, [5, 60, 115]], 0.5, atol=0.03)


def test_an_arm_before_a_shirt_of_its_colour_is_left_out_where_a_model_has_seen_it():
    garment, head = area((60, 200), (40, 200)), area((20, 80), (100, 140))
    trunk, below = area((80, 200), (80, 160)), area((200, 320), (80, 160))
    arm = area((130, 145), (80, 130))
    lab = painted((trunk, SKIN), (below, BLACK), (head, SKIN))
    palette = Palette.of(painted((garment, SKIN)), garment)

    def covered(skin):
        parts = SeenParts(np.zeros_like(skin), skin, skin)
        seen = SeenPerson(arm.astype(np.float32), np.zeros((33, 2)), np.zeros(33), 1.0, parts)
        body = Body(lab, trunk | below | head, Head(20, 70, 100, 140), None, seen, differs=trunk)
        return (weigh_evidence(body, "upper", garment, palette).probability > 0.5)[arm].mean()

    assert covered(np.zeros((320, 240), np.float32)) > 0.9
    assert covered(arm.astype(np.float32)) < 0.1
