"""Clicks of SAM 2 in the mask editor: one edit that each click improves, and that is undone as one."""

import json

import numpy as np
import pytest
from studio_browser import served
from studio_client import client_of

from chromiq.correction.garment_work import GARMENT_MASKS
from chromiq.dataset_builder.segmenters.network.hub import HubModel, Runtime
from chromiq.photos.images import read_mask, read_photo

EDITOR = "document.querySelector('[data-mask-editor]')"
COUNT = f"{EDITOR}.editor.mask.count()"
STATUS = "document.querySelector('[data-part=\"status\"]').textContent"


@pytest.fixture(scope="module")
def sam2(tmp_path_factory):
    pytest.importorskip("transformers", reason="the model libraries are not installed")
    from tiny_hub_models import build_sam2, build_sam2_video

    root = tmp_path_factory.mktemp("sam2")
    return HubModel(str(build_sam2_video(root / "video", build_sam2(root / "image"))))


def found_by(sam2, photo, points_xy, is_inside):
    from chromiq.dataset_builder.segmenters.network.clicks import load_click_model

    model = load_click_model(sam2, Runtime.choose("cpu"))
    return model.mask(model.encode(read_photo(photo).rgb), points_xy, is_inside)


@pytest.mark.browser
@pytest.mark.models
def test_each_click_improves_one_edit_and_undo_takes_it_back(browser, made_shoot, sam2):
    photo = next((made_shoot / "photos").rglob("on_model1.*"))
    before = read_mask(made_shoot / "corrected" / GARMENT_MASKS / "on_model1.png")
    inside_xy, beside_xy = (60, 200), (150, 40)
    one = found_by(sam2, photo, [inside_xy], [True])
    both = found_by(sam2, photo, [inside_xy, beside_xy], [True, False])
    wanted = [int((before | each).sum()) for each in (one, both)]
    assert len({int(before.sum()), *wanted}) == 3
    with served(made_shoot, masker=sam2) as address:
        browser.screen(1000, 900)
        browser.enter(address)
        browser.visit(f"{browser.evaluate('location.pathname')}mask/1")
        browser.until(f"{EDITOR}.dataset.ready")
        browser.press("p")

        def click(point_xy, button, *modifiers):
            x, y = browser.evaluate(f"{EDITOR}.editor.view.toStage({point_xy[0]}, {point_xy[1]})")
            left, top = browser.at('[data-part="stage"]', 0, 0)
            browser.drag((left + x, top + y), button=button, modifiers=modifiers)

        click(inside_xy, "left")
        browser.until(f"Math.abs({COUNT} - {wanted[0]}) < 40")  # the pointer lies on pixels of the screen
        click(beside_xy, "right")
        browser.until(f"Math.abs({COUNT} - {wanted[1]}) < 40")
        assert browser.evaluate("document.querySelectorAll('[data-part=marks] circle').length") == 2
        browser.press("z", "Control")
        assert browser.evaluate(COUNT) == before.sum()
        assert browser.evaluate("document.querySelectorAll('[data-part=marks] circle').length") == 0
        for button, modifiers in (("right", ()), ("left", ("Alt",))):
            click(inside_xy, button, *modifiers)  # the first click of an edit: what it finds is taken away
            browser.until(f"Math.abs({COUNT} - {int((before & ~one).sum())}) < 40")
            browser.press("z", "Control")
            assert browser.evaluate(COUNT) == before.sum()
        assert browser.problems() == []


@pytest.mark.browser
def test_without_its_weights_the_button_says_how_to_get_them(browser, made_shoot, tmp_path):
    with served(made_shoot, masker=HubModel(str(tmp_path))) as address:
        browser.enter(address)
        browser.visit(f"{browser.evaluate('location.pathname')}mask/1")
        browser.until(f"{EDITOR}.dataset.ready")
        assert browser.evaluate("document.querySelector('[data-tool=click]').ariaDisabled") == "true"
        browser.click("[data-tool=click]")
        assert "hf download" in browser.evaluate(STATUS)
        assert browser.evaluate(f"{EDITOR}.editor.tool") == "brush"


@pytest.mark.parametrize(
    "clicks",
    [
        {},
        {"points": [], "is_inside": []},
        {"points": [[0.5, 0.5]], "is_inside": [True, False]},
        {"points": [[0.5, 1.5]], "is_inside": [True]},
        {"points": [["a", None]], "is_inside": [True]},
        {"points": [[float("nan"), 0.5]], "is_inside": [True]},
        {"points": np.full((65, 2), 0.5).tolist(), "is_inside": [True] * 65},
    ],
)
def test_what_are_no_clicks_on_the_photo_is_refused(made_shoot, clicks):
    client, address = client_of(made_shoot)
    sent = json.dumps(clicks)
    assert client.post(f"{address}/mask/1/clicks", content=sent).status_code == 400


def test_clicks_without_the_weights_are_refused_with_what_to_do(made_shoot, tmp_path):
    client, address = client_of(made_shoot, masker=HubModel(str(tmp_path)))
    answer = client.post(f"{address}/mask/1/clicks", json={"points": [[0.5, 0.5]], "is_inside": [True]})
    assert answer.status_code == 400
    assert "hf download" in answer.json()["error"]
