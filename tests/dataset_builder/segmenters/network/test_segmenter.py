"""How boxes and masks that networks propose are judged, with scripted answers."""

import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st

from chromiq.colour import srgb_to_lab
from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.doubts import LEFT_OUT_BELOW
from chromiq.dataset_builder.segmenters.network.grounded_sam2 import GroundedSam2
from chromiq.dataset_builder.segmenters.network.segmenter import NetworkSegmenter, full_size
from chromiq.dataset_builder.segmenters.still_life_match import colour_agreement, plausible_box

RED, BLUE, WHITE = (200, 30, 40), (30, 50, 190), (245, 245, 245)


def flat_photo(colour, box_xyxy, size_wh=(120, 160)):
    photo = np.full((size_wh[1], size_wh[0], 3), WHITE, np.uint8)
    left, top, right, bottom = box_xyxy
    photo[top:bottom, left:right] = colour
    return photo


def box_mask(box_xyxy, size_wh=(120, 160)):
    left, top, right, bottom = box_xyxy
    mask = np.zeros((size_wh[1], size_wh[0]), bool)
    mask[top:bottom, left:right] = True
    return mask


class ScriptedModels:
    """Stands for trained weights: boxes, masks and scores as a test wants them."""

    name, labels_by = GroundedSam2.name, GroundedSam2.labels_by
    candidates = GroundedSam2.candidates

    def __init__(self, boxes, scores, masks, quality):
        self.boxes, self.scores, self.alternatives, self.quality = boxes, scores, masks, quality

    def detect(self, photos, phrases):
        self.asked_for = phrases
        return [
            sv.Detections(np.array(self.boxes, np.float32), confidence=np.array(self.scores, np.float32))
            for _ in photos
        ]

    def masks(self, photos, boxes):
        order = [self.boxes.index(tuple(box)) for box in boxes[0]]
        logits = np.where(np.array(self.alternatives)[order], 5, -5).astype(np.float32)
        return [(logits, np.array(self.quality, np.float32)[order]) for _ in photos]


class TestChoice:
    STILL_LIFE = flat_photo(RED, (30, 40, 90, 120))
    GARMENT, TROUSERS = (40, 30, 80, 90), (40, 90, 80, 150)

    def photo(self):
        photo = flat_photo(RED, self.GARMENT)
        photo[90:150, 40:80] = BLUE
        return photo

    def segment(self, scores, quality, boxes=None, masks=None):
        models = ScriptedModels(
            boxes or [self.TROUSERS, self.GARMENT],
            scores,
            masks or [[box_mask(self.TROUSERS)], [box_mask(self.GARMENT)]],
            quality,
        )
        task = SegmentationTask(self.STILL_LIFE, self.photo(), "shirt")
        return NetworkSegmenter(models).segment([task])[0]

    def test_colour_outweighs_a_slightly_better_box(self):
        # The detector's order is by score, so the scripted trousers come first.
        found = self.segment([0.55, 0.5], [[0.9], [0.9]])
        np.testing.assert_array_equal(found.mask, box_mask(self.GARMENT))
        assert found.reasons == ()
        assert found.confidence == pytest.approx(0.9)

    @pytest.mark.parametrize(
        ("part", "label", "word"),
        [
            (None, "suit", "suit"),
            ("upper", "suit", "top"),
            ("upper", "blazer", "blazer"),
            ("lower", "dress", "trousers"),
        ],
    )
    def test_a_part_decides_what_to_look_for(self, part, label, word):
        models = ScriptedModels([self.GARMENT], [0.9], [[box_mask(self.GARMENT)]], [[0.9]])
        segmenter = NetworkSegmenter(models, part=part)
        segmenter.segment([SegmentationTask(self.STILL_LIFE, self.photo(), label)])
        assert models.asked_for == [[word]]

    def test_a_small_box_at_the_edge_loses_to_one_in_the_middle(self):
        label = (2, 2, 12, 12)
        found = self.segment(
            [0.9, 0.4], [[0.9], [0.9]], [label, self.GARMENT], [[box_mask(label)], [box_mask(self.GARMENT)]]
        )
        np.testing.assert_array_equal(found.mask, box_mask(self.GARMENT))

    def test_of_the_alternatives_quality_and_colour_decide(self):
        both = box_mask(self.GARMENT) | box_mask(self.TROUSERS)
        alternatives = [[both, box_mask(self.GARMENT)]]
        found = self.segment([0.6], [[0.7, 0.7]], [self.GARMENT], alternatives)
        np.testing.assert_array_equal(found.mask, box_mask(self.GARMENT))
        found = self.segment([0.6], [[0.9, 0.3]], [self.GARMENT], alternatives)
        np.testing.assert_array_equal(found.mask, both)
        assert "box_overflow" in found.reasons

    def test_doubts_are_named_and_lower_the_confidence(self):
        found = self.segment([0.25, 0.001], [[0.9], [0.01]])
        assert set(found.reasons) == {"nothing_seen", "colour_disagrees"}
        assert found.confidence < 0.5

    def test_a_still_life_of_which_only_a_speck_stands_out_is_doubted(self, monkeypatch):
        monkeypatch.setattr(self, "STILL_LIFE", flat_photo(RED, (50, 70, 66, 92)), raising=False)
        found = self.segment([0.55, 0.5], [[0.9], [0.9]])
        assert found.reasons == ("still_life_unclear",)
        assert found.confidence < LEFT_OUT_BELOW

    @pytest.mark.parametrize(
        ("scores", "mask", "reason"),
        [
            ([0.29, 0.001], GARMENT, "nothing_seen"),
            ([0.29, 0.31], GARMENT, "weak_detection"),
            ([0.9, 0.001], TROUSERS, "colour_disagrees"),
        ],
    )
    def test_each_strong_doubt_alone_leaves_the_photo_out(self, scores, mask, reason):
        boxes = [mask, (2, 2, 8, 8)]
        found = self.segment(scores, [[1.0], [0.01]], boxes, [[box_mask(box)] for box in boxes])
        assert found.reasons == (reason,)
        assert found.confidence < LEFT_OUT_BELOW

    def test_nothing_found_is_empty_and_not_trusted(self):
        nothing = np.zeros((160, 120), bool)
        found = self.segment([0.9], [[0.9]], [self.GARMENT], [[nothing]])
        assert (found.mask.any(), found.confidence, found.reasons) == (False, 0.0, ("empty",))

    @given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 4))
    def test_a_grid_spans_the_photo_whatever_its_size(self, rows, columns, times):
        grid = np.full((rows, columns), -1, np.float32)
        grid[rows // 2 :] = 1
        mask = full_size(grid, (rows * times, columns * times))
        assert mask.shape == (rows * times, columns * times)
        assert abs(mask.mean() - (grid > 0).mean()) <= 1 / rows


def lab_of(rgb):
    return srgb_to_lab(np.full((50, 3), rgb, np.uint8))


class TestAgreement:
    @given(st.tuples(*[st.integers(0, 255)] * 3))
    def test_a_region_agrees_with_itself(self, colour):
        lab = lab_of(colour)
        assert colour_agreement(lab, lab) == pytest.approx(1, abs=1e-3)

    def test_red_and_blue_have_little_in_common(self):
        assert colour_agreement(lab_of(RED), lab_of(BLUE)) < 0.05

    def test_nothing_agrees_with_an_empty_sample(self):
        assert colour_agreement(lab_of(RED)[:0], lab_of(RED)) == 0

    def test_a_large_central_box_is_plausible_and_a_small_one_at_the_edge_is_not(self):
        assert plausible_box(np.array([30, 40, 90, 130]), (120, 160)) == pytest.approx(1)
        assert plausible_box(np.array([0, 0, 10, 12]), (120, 160)) < 0.05
