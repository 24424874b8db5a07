"""The mask editor's requests: what is refused, and that nothing is written then."""

import json
import multiprocessing

import numpy as np
import pytest
from studio_browser import served
from studio_client import client_of, finish

from chromiq.correction.garment_work import GARMENT_MASKS
from chromiq.correction.report import WORK
from chromiq.dataset_builder.segmenters.network.clicks import Clicks
from chromiq.dataset_builder.segmenters.network.hub import HubModel
from chromiq.files import folder_lock
from chromiq.photos.images import encode_mask, photo_size_wh, read_mask, read_photo

EDITOR = "document.querySelector('[data-mask-editor]')"
COUNT = f"{EDITOR}.editor.mask.count()"
STATUS = "document.querySelector('[data-part=\"status\"]').textContent"


def mask_like(shoot, value=False):
    width_px, height_px = photo_size_wh(next((shoot / "photos").rglob("on_model1.*")))
    return np.full((height_px, width_px), value)


@pytest.fixture
def put(page):
    client, address = page

    def send(data, **headers):
        return client.put(f"{address}/mask/1.png", content=data, headers=headers)

    return send


def test_a_mask_of_another_size_or_kind_is_refused_and_the_file_stays(shoot, put):
    file = shoot / "corrected" / GARMENT_MASKS / "on_model1.png"
    before = file.read_bytes()
    good = encode_mask(mask_like(shoot))
    for data in (
        encode_mask(mask_like(shoot)[1:]),
        b"GIF89a",
        b"",
        good[:60],
        good.replace(b"IDAT", b"IDAX"),
    ):
        answer = put(data)
        assert answer.status_code == 422, data[:8]
        assert answer.json()["error"]
    assert file.read_bytes() == before


def test_a_saved_mask_comes_back_and_its_tag_changes(page, shoot, put):
    client, address = page
    before = client.get(f"{address}/mask/1.png").headers["etag"]
    mask = mask_like(shoot)
    mask[40:200, 60:160] = True
    answer = put(encode_mask(mask), **{"if-match": before})
    assert answer.status_code == 200
    assert answer.headers["etag"] != before
    assert answer.headers["etag"] == client.get(f"{address}/mask/1.png").headers["etag"]
    assert client.get(f"{address}/mask/1.png").content == encode_mask(mask)
    assert np.array_equal(read_mask(shoot / "corrected" / GARMENT_MASKS / "on_model1.png"), mask)
    assert put(encode_mask(~mask), **{"if-match": before}).status_code == 412


def test_a_mask_for_a_photo_on_which_none_was_found_is_kept_by_the_command(page, shoot, put, chromiq):
    client, address = page
    results = shoot / "corrected"
    file, record = results / GARMENT_MASKS / "on_model1.png", results / WORK / "corrections" / "1.json"
    file.unlink()
    record.write_text(json.dumps({**json.loads(record.read_text()), "mask": None}))
    mask = mask_like(shoot)
    mask[100:180, 80:140] = True
    assert put(encode_mask(mask)).status_code == 200
    finish(client, address)
    chromiq("correct", "--batch", shoot / "photos", "--out", results)
    assert np.array_equal(read_mask(file), mask)
    assert "garment_masks/on_model1.png" in (results / "decisions.csv").read_text()
    assert json.loads(record.read_text())["correction"]["mask_confidence"] == 1.0


def hold(folder, held, release):
    with folder_lock(folder, "chromiq correct"):
        held.set()
        release.wait(30)


def test_a_command_at_work_keeps_masks_out(shoot, put):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(shoot / "corrected", held, release))
    process.start()
    try:
        assert held.wait(30)
        answer = put(encode_mask(mask_like(shoot, True)))
        assert answer.status_code == 423
        assert "chromiq correct" in answer.json()["error"]
    finally:
        release.set()
        process.join()
    assert put(encode_mask(mask_like(shoot, True))).status_code == 200


def test_photos_outside_the_folders_that_were_opened_are_not_shown(page, shoot):
    client, address = page
    client.app.state.workplace.roots = (shoot / "corrected",)
    assert client.get(f"{address}/mask/1.png").status_code == 403
    assert client.put(f"{address}/mask/1.png", content=b"x").status_code == 403


@pytest.mark.parametrize(
    "path", ["mask/9", "mask/9.png", "mask/..%2f1.png", "mask/1/tile/99/0", "mask/1/other"]
)
def test_what_is_not_there_is_not_found(page, path):
    client, address = page
    assert client.get(f"{address}/mask/{path}").status_code == 404


def test_the_verdict_on_a_mask_names_the_rule_and_what_to_do(page, shoot):
    client, address = page
    answer = client.post(f"{address}/mask/1/check", content=encode_mask(mask_like(shoot, True)))
    doubts = {doubt["code"]: doubt for doubt in answer.json()["doubts"]}
    assert answer.json()["answer"] == "left_alone"
    assert "invert it" in doubts["mask.background"]["hint"]


def test_tiles_are_the_photo_s_own_pixels(page, shoot):
    import cv2

    from chromiq.photos.images import read_photo

    client, address = page
    data = client.get(f"{address}/mask/1/tile/0/0").content
    tile = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    photo = read_photo(next((shoot / "photos").rglob("on_model1.*"))).rgb
    assert np.array_equal(tile, photo[:512, :512])


@pytest.fixture(scope="module")
def sam2(tmp_path_factory):
    pytest.importorskip("transformers", reason="the model libraries are not installed")
    from tiny_hub_models import build_sam2, build_sam2_video

    root = tmp_path_factory.mktemp("sam2")
    return HubModel(str(build_sam2_video(root / "video", build_sam2(root / "image"))))


def found_by(sam2, photo, points_xy, is_inside):
    return Clicks(sam2, "cpu").mask(read_photo(photo).rgb, points_xy, is_inside)


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
    assert answer.json()["error"].endswith(f" after: pip install 'chromiq[models]' && hf download {tmp_path}")
