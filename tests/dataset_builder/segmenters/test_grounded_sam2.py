"""Grounding DINO and SAM 2 as loaded from folders, and how their answers are judged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromiq.errors import AccessError, UsageError
from dataset_builder.segmenters import SegmentationTask
from dataset_builder.segmenters.agreement import colour_agreement, plausible_box
from dataset_builder.segmenters.grounded_sam2 import GroundedSam2Segmenter, decide_label
from dataset_builder.segmenters.hub_models import Detections, HubModel, phrase_columns, weights_available

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


def seen(*rows):
    scores = np.array(rows, np.float32)
    return Detections(xyxy=np.zeros((len(rows), 4), np.float32), scores=scores)


class ScriptedModels:
    """Stands for trained weights: boxes, masks and scores as a test wants them."""

    def __init__(self, boxes, scores, masks, quality):
        self.boxes, self.scores, self.alternatives, self.quality = boxes, scores, masks, quality

    def detect(self, photos, phrases):
        return [
            Detections(np.array(self.boxes, np.float32), np.array(self.scores, np.float32)[:, None])
            for _ in photos
        ]

    def masks(self, photos, boxes):
        return [(np.array(self.alternatives), np.array(self.quality, np.float32)) for _ in photos]


class TestDecideLabel:
    WORDS = ("shirt", "trousers", "jacket", "pants")

    def test_the_best_word_over_both_photos_wins(self):
        label = decide_label(self.WORDS, seen([0.3, 0.1, 0.8, 0.1]), seen([0.2, 0.1, 0.7, 0.1]))
        assert (label.name, label.source, label.runner_up) == ("jacket", "grounding-dino", None)
        assert label.score == pytest.approx((0.8 + 0.5 * 0.7) / 1.5)

    def test_synonyms_fold_into_one_word(self):
        label = decide_label(self.WORDS, seen([0.4, 0.1, 0.1, 0.7]), seen([0.1, 0.1, 0.1, 0.1]))
        assert label.name == "trousers"

    def test_the_on_model_photo_overrules_a_close_call_and_the_second_is_recorded(self):
        label = decide_label(self.WORDS, seen([0.50, 0, 0.52, 0]), seen([0.6, 0, 0.5, 0]))
        assert (label.name, label.runner_up) == ("shirt", "jacket")

    def test_all_boxes_count_not_the_first(self):
        assert (
            decide_label(self.WORDS, seen([0.2, 0, 0.3, 0], [0.9, 0, 0, 0]), seen([0, 0, 0, 0])).name
            == "shirt"
        )


class TestChoice:
    STILL_LIFE = flat_photo(RED, (30, 40, 90, 120))
    GARMENT, TROUSERS = (40, 30, 80, 90), (40, 90, 80, 150)

    def photo(self):
        photo = flat_photo(RED, self.GARMENT)
        photo[90:150, 40:80] = BLUE
        return photo

    def segment(self, scores, quality):
        models = ScriptedModels(
            [self.TROUSERS, self.GARMENT],
            scores,
            [[box_mask(self.TROUSERS)], [box_mask(self.GARMENT)]],
            quality,
        )
        task = SegmentationTask(self.STILL_LIFE, self.photo(), "shirt")
        return GroundedSam2Segmenter(models).segment([task])[0]

    def test_colour_outweighs_a_slightly_better_box(self):
        # The detector's order is by score, so the scripted trousers come first.
        found = self.segment([0.55, 0.5], [[0.9], [0.9]])
        np.testing.assert_array_equal(found.mask, box_mask(self.GARMENT))
        assert found.reasons == ()
        assert found.confidence == pytest.approx(0.9)

    def test_doubts_are_named_and_lower_the_confidence(self):
        found = self.segment([0.25, 0.001], [[0.9], [0.01]])
        assert set(found.reasons) == {"weak_detection", "colour_disagrees"}
        assert found.confidence < 0.5


class TestAgreement:
    @given(st.tuples(*[st.integers(0, 255)] * 3))
    def test_a_region_agrees_with_itself(self, colour):
        photo, mask = flat_photo(colour, (10, 10, 60, 60)), box_mask((10, 10, 60, 60))
        assert colour_agreement(photo, mask, photo, mask) == pytest.approx(1, abs=1e-3)

    def test_red_and_blue_have_little_in_common(self):
        mask = box_mask((10, 10, 60, 60))
        red, blue = flat_photo(RED, (10, 10, 60, 60)), flat_photo(BLUE, (10, 10, 60, 60))
        assert colour_agreement(red, mask, blue, mask) < 0.05

    def test_nothing_agrees_with_an_empty_mask(self):
        photo = flat_photo(RED, (10, 10, 60, 60))
        assert colour_agreement(photo, box_mask((0, 0, 0, 0)), photo, box_mask((10, 10, 60, 60))) == 0

    def test_a_large_central_box_is_plausible_and_a_small_one_at_the_edge_is_not(self):
        assert plausible_box(np.array([30, 40, 90, 130]), (120, 160)) == pytest.approx(1)
        assert plausible_box(np.array([0, 0, 10, 12]), (120, 160)) < 0.05


@pytest.mark.models
class TestRealClasses:
    @pytest.fixture(scope="class")
    def folders(self, tmp_path_factory):
        pytest.importorskip("transformers", reason="the model libraries are not installed")
        from tiny_hub_models import build_grounding_dino, build_sam2

        root = tmp_path_factory.mktemp("hub")
        return build_grounding_dino(root / "dino"), build_sam2(root / "sam2")

    @pytest.fixture(scope="class")
    def models(self, folders):
        from dataset_builder.segmenters.hub_models import load_hub_models

        return load_hub_models(*(HubModel(str(folder)) for folder in folders), device="cpu")

    def test_masks_have_the_photos_size_and_order(self, models):
        still_life = flat_photo(RED, (30, 40, 90, 120))
        photos = [flat_photo(RED, (40, 30, 80, 90)), flat_photo(BLUE, (40, 30, 80, 90), size_wh=(90, 200))]
        tasks = [
            SegmentationTask(still_life, photo, label)
            for photo, label in zip(photos, ("shirt", "dress"), strict=True)
        ]
        found = GroundedSam2Segmenter(models).segment(tasks)
        assert [item.mask.shape for item in found] == [(160, 120), (200, 90)]
        alone = GroundedSam2Segmenter(models).segment(tasks[1:])
        np.testing.assert_array_equal(found[1].mask, alone[0].mask)

    def test_labels_come_from_the_vocabulary(self, models):
        pair = (flat_photo(RED, (30, 40, 90, 120)), flat_photo(RED, (40, 30, 80, 90)))
        label = GroundedSam2Segmenter(models, vocabulary=("skirt", "gilet")).label([pair])[0]
        assert label.name in {"skirt", "gilet"}
        assert 0 <= label.score <= 1

    def test_detections_are_inside_the_photo_with_a_score_per_phrase(self, models):
        photo = flat_photo(RED, (30, 40, 90, 120))
        found = models.detect([photo], ["shirt", "trousers", "zip-top"])[0]
        assert found.scores.shape == (len(found.xyxy), 3)
        assert (found.xyxy >= 0).all()
        assert (found.xyxy <= [120, 160, 120, 160]).all()

    def test_phrases_keep_their_columns_apart(self, models):
        tokenizer = models.processor.tokenizer
        ids = tokenizer("shirt. skirt. dress.")["input_ids"]
        assert phrase_columns(ids, tokenizer, 3) == [[1], [3], [5]]
        with pytest.raises(UsageError, match="wanted 2 garment words"):
            phrase_columns(ids, tokenizer, 2)

    def test_a_folder_without_weights_is_an_access_error_with_a_way_out(self, tmp_path, folders, monkeypatch):
        from dataset_builder.segmenters.hub_models import load_hub_models

        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(AccessError, match="--segmenter classic"):
            load_hub_models(HubModel(str(folders[0])), HubModel(str(tmp_path)))
        assert weights_available(*(HubModel(str(folder)) for folder in folders))
        assert not weights_available(HubModel(str(tmp_path)))
