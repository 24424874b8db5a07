"""Transport of chroma keeps lightness, leaves alone what agrees, and moves the dye that is off."""

import numpy as np
import pytest

from chromiq.correction.fitting.garment_look import look
from chromiq.correction.fitting.hypotheses import Hypotheses, hypotheses
from chromiq.correction.fitting.transport import combine, proposals, transport_chroma

RED, BLUE, CREAM = (np.array(lab, float) for lab in ([45, 45, 20], [40, 5, -45], [85, 2, 12]))


def print_of(dyes, seed, shade=0.06, count=500):
    rng = np.random.default_rng(seed)
    light = np.clip(rng.normal(1, shade, (len(dyes) * count, 1)), 0.6, 1.3)
    lab = np.repeat(dyes, count, axis=0) * light
    return lab + rng.normal(0, 0.6, lab.shape), np.repeat(np.arange(len(dyes)), count)


@pytest.fixture(scope="module")
def blue_turned():
    """A print of three dyes whose blue alone is off, as a hue-selective panel leaves it."""
    flat, _ = print_of([RED, BLUE, CREAM], 0, 0.03)
    worn, which = print_of([RED, BLUE, CREAM], 1)
    seen = worn.copy()
    seen[which == 1] += [0, -18, 6]
    found = hypotheses(flat, seen)
    place = np.linalg.norm(found.seen[:, None] - seen, axis=2).argmin(axis=1)
    return found, worn[place], which[place]


def test_hypotheses_and_transport_together_come_nearer_to_the_truth(blue_turned):
    found, truth, which = blue_turned
    best = combine(proposals(found))
    off, left = (np.linalg.norm(lab - truth, axis=1) for lab in (found.seen, best))
    assert left.mean() < 0.5 * off.mean()
    assert np.linalg.norm(best - found.seen, axis=1)[which != 1].mean() < 2


def test_transport_moves_the_dye_that_is_off_and_not_the_others(blue_turned):
    found, truth, which = blue_turned
    moved = transport_chroma(found.seen, found.flat)
    off, left = (np.linalg.norm(lab - truth, axis=1) for lab in (found.seen, moved))
    assert left[which == 1].mean() < 0.4 * off[which == 1].mean()
    assert np.linalg.norm(moved - found.seen, axis=1)[which != 1].mean() < 1.5


def test_transport_keeps_lightness_and_leaves_alone_what_agrees(blue_turned):
    found, truth, _ = blue_turned
    for base in (found.seen, truth):
        moved = transport_chroma(base, found.flat)
        np.testing.assert_array_equal(moved[:, 0], base[:, 0])
        if base is truth:
            assert np.linalg.norm(moved - base, axis=1).mean() < 1.5


@pytest.mark.parametrize(("lighter", "kept"), [(-6, False), (6, True)])
def test_a_photo_lighter_than_its_still_life_may_be_so_and_a_darker_one_not(lighter, kept):
    flat, _ = print_of([RED], 0)
    seen = print_of([RED], 1)[0] + [lighter, -6, 6]
    found = hypotheses(flat, seen)
    parts = proposals(found)
    assert abs(parts.median[:, 0].mean() - found.seen[:, 0].mean()) > 2
    raised = parts.from_photo[:, 0] - parts.median[:, 0]
    np.testing.assert_allclose(raised, raised[0], atol=1e-6)
    as_light = found.seen if kept else parts.median
    lit_off = look(parts.from_photo).lit_worn - look(as_light).lit_worn
    assert np.median(lit_off) == pytest.approx(0, abs=1e-6)


def test_a_few_far_hypotheses_do_not_pull_the_colours_along():
    """The mean of nine hypotheses that agree and one 60 away lies 6 off."""
    seen = np.tile([50.0, 20, 10], (64, 1))
    near, far = seen + np.array([8, 0, 0]), seen - np.array([52, 0, 0])
    labs = np.stack([near] * 9 + [far])
    found = Hypotheses(seen, labs, np.zeros(10), seen)
    np.testing.assert_allclose(proposals(found).median, near, atol=1)
