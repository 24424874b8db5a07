"""SAM 2 asked by clicks: a tiny random model of the real class, run by the code for the published one."""

import cv2
import numpy as np
import pytest

from chromiq.dataset_builder.segmenters.network.clicks import Clicks
from chromiq.dataset_builder.segmenters.network.hub import HubModel, load_model
from chromiq.sample_catalogue.catalogue import draw_pair

pytestmark = pytest.mark.models
PHOTO = draw_pair(0, size_wh=(96, 120)).on_model


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    pytest.importorskip("transformers", reason="the model libraries are not installed")
    from tiny_hub_models import build_sam2, build_sam2_video

    root = tmp_path_factory.mktemp("clicks")
    return HubModel(str(build_sam2_video(root / "sam2", build_sam2(root / "sam2-image"))))


@pytest.fixture(scope="module")
def clicks(source):
    return Clicks(source, "cpu")


@pytest.fixture(scope="module")
def model(source):
    from transformers import Sam2Model

    return load_model(Sam2Model, source, "cpu")


def in_one_pass(model, points_xy, is_inside):
    """Logits ``(M, h, w)`` and scores of the model itself, which encodes the photo again for each click."""
    import torch

    side_px = 128
    square = cv2.resize(PHOTO, (side_px, side_px)).astype(np.float32) / 255
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = torch.from_numpy(((square - mean) / std).astype(np.float32)).permute(2, 0, 1)[None]
    points = torch.tensor(points_xy, dtype=torch.float32) * torch.tensor([side_px / 96, side_px / 120])
    with torch.inference_mode():
        out = model(
            pixel_values=pixels,
            input_points=points[None, None],
            input_labels=torch.tensor(is_inside).long()[None, None],
            multimask_output=len(is_inside) == 1,
        )
    return out.pred_masks[0, 0].numpy(), out.iou_scores[0, 0].numpy()


@pytest.mark.parametrize(
    ("points_xy", "is_inside"), [([(30.5, 40.5)], [True]), ([(30.5, 40.5), (70.0, 90.0)], [True, False])]
)
def test_the_mask_is_the_one_that_the_model_itself_trusts_most(model, clicks, points_xy, is_inside):
    logits, scores = in_one_pass(model, points_xy, is_inside)
    assert len(scores) == (3 if len(is_inside) == 1 else 1)
    wanted = cv2.resize(logits[scores.argmax()], (96, 120)) > 0
    found = clicks.mask(PHOTO, points_xy, is_inside)
    assert found.shape == (120, 96)
    assert found.dtype == bool
    assert (found != wanted).mean() < 0.02  # the photo was resized by another library


def test_a_click_beside_the_thing_is_not_one_on_it(model, clicks):
    points_xy = [(30.5, 40.5), (70.0, 90.0)]
    on_it, beside_it = (in_one_pass(model, points_xy, labels)[0] for labels in ([True, True], [True, False]))
    assert np.abs(on_it - beside_it).max() > 1e-6
    found = clicks.mask(PHOTO, points_xy, [True, False])
    assert np.array_equal(found, clicks.mask(PHOTO, np.array(points_xy), np.array([True, False])))


def test_clicks_in_pixels_of_the_photo_become_pixels_of_the_model(model, clicks, monkeypatch):
    asked = []
    forward = type(model).forward
    monkeypatch.setattr(
        type(model), "forward", lambda self, **inputs: asked.append(inputs) or forward(self, **inputs)
    )
    large = cv2.resize(PHOTO, (192, 480))
    found = clicks.mask(large, [(96, 120), (0, 480)], [True, False])
    assert found.shape == (480, 192)
    assert asked[0]["input_points"].tolist() == [[[[64.0, 32.0], [0.0, 128.0]]]]
    assert asked[0]["input_labels"].tolist() == [[[1, 0]]]


def test_a_photo_is_encoded_once(model, clicks, monkeypatch):
    encoded = []
    encode = type(model).get_image_embeddings
    monkeypatch.setattr(
        type(model),
        "get_image_embeddings",
        lambda self, pixels: encoded.append(pixels) or encode(self, pixels),
    )
    first, second = PHOTO.copy(), PHOTO[:, ::-1].copy()
    for photo in (first, first, second, first):
        clicks.mask(photo, [(30, 40)], [True])
    assert len(encoded) == 3
