"""The mask editor in Chromium: what is drawn is what is saved, pixel for pixel, and what the commands use."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import pyvips
import tifffile
from foreign_photos import exiftool, stored
from PIL import Image
from studio_browser import served

from chromiq.correction.garment_work import GARMENT_MASKS, read_record
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.report import WORK
from chromiq.correction.results import BatchRun, write_run
from chromiq.photos.images import photo_size_wh, read_mask, read_photo, write_mask, write_photo
from chromiq.records import PhotoPair
from chromiq.sample_catalogue.catalogue import draw_pair

pytestmark = pytest.mark.browser
STAGE = '[data-part="stage"]'
EDITOR = "document.querySelector('[data-mask-editor]')"
MASK = f"{EDITOR}.editor.mask"
DIGEST = (
    f"crypto.subtle.digest('SHA-256', {MASK}.data).then((digest) =>"
    " [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join(''))"
)
PAIR = draw_pair(0, size_wh=(200, 250))


def p3(path, rgb):
    image = pyvips.Image.new_from_array(rgb).copy(interpretation="srgb")
    image.icc_transform("p3", input_profile="srgb").write_to_file(str(path))


def deep(path, rgb):
    tifffile.imwrite(path, rgb.astype(np.uint16) * 257)


def cmyk(path, rgb):
    Image.fromarray(rgb).convert("CMYK").save(path)


def turned(path, rgb):
    Image.fromarray(stored(rgb, 6)).save(path, quality=95)
    exiftool(path, "-Orientation#=6")


# Suffix, size and how it is written; zoom steps and the screen's pixels per CSS pixel to draw at.
KINDS = {
    "small": (".jpg", (300, 500), write_photo, 0, 1),
    "turned": (".jpg", (210, 320), turned, 2, 2),
    "16 bit": (".tif", (320, 400), deep, 3, 1),
    "Display P3": (".png", (320, 400), p3, 1, 2),
    "CMYK": (".jpg", (320, 401), cmyk, 0, 2),
    "25 megapixels": (".jpg", (4096, 6144), write_photo, 4, 1),
}


def results_of(folder, name, suffix, size_wh, write):
    """A folder of results with the record of one photo of a kind, which was not corrected yet."""
    still_life, on_model = folder / "photos" / "still-life1.jpg", folder / "photos" / f"on_model1{suffix}"
    on_model.parent.mkdir(parents=True)
    write_photo(still_life, PAIR.still_life)
    write(on_model, cv2.resize(PAIR.on_model, size_wh, interpolation=cv2.INTER_LINEAR))
    results = folder / "results"
    (results / WORK / "corrections").mkdir(parents=True)
    pair = PhotoPair("1", still_life, on_model)
    outs = {"1": results / on_model.name}
    options = CorrectionOptions()
    write_run(BatchRun(results, on_model.parent, None, None, options, "classic", None, (pair,), outs))
    return on_model, results / GARMENT_MASKS / "on_model1.png"


def digest(mask):
    return hashlib.sha256(mask.astype(np.uint8) * 255).hexdigest()


def open_editor(browser, key="1"):
    path = browser.evaluate("location.pathname").split("/")[2]
    browser.visit(f"/f/{path}/mask/{key}")
    browser.until(f"{EDITOR}.dataset.ready")


def view(browser):
    """Where the photo lies on the stage: left, top, CSS pixels per pixel; and the stage's place."""
    scale, left, top = browser.evaluate(
        f"(({{scale, left, top}}) => [scale, left, top])({EDITOR}.editor.view)"
    )
    stage = browser.at(STAGE, 0, 0)
    return lambda x, y: (stage[0] + left + x * scale, stage[1] + top + y * scale)


def wait_saved(browser):
    return browser.until(
        "(text => text.startsWith('saved') || text.startsWith('not saved:') ? text : '')"
        "(document.querySelector('[data-part=\"status\"]').textContent)"
    )


def save(browser):
    browser.press("s", "Control")
    return wait_saved(browser)


def capsule(box, start, end, radius_px):
    """``(H, W)`` bool for a box of rows and columns: pixels whose centre is at most so far from a line."""
    y, x = np.mgrid[box] + 0.5
    along, across = np.subtract(end, start)
    length = max(along**2 + across**2, 1e-12)
    share = np.clip(((x - start[0]) * along + (y - start[1]) * across) / length, 0, 1)
    return np.hypot(x - start[0] - share * along, y - start[1] - share * across) <= radius_px


def specks(size_wh):
    """A mask of noise, coarser for a large photo."""
    step = max(1, size_wh[0] // 400)
    noise = np.random.default_rng(5).random((-(-size_wh[1] // step), -(-size_wh[0] // step))) < 0.5
    return noise.repeat(step, axis=0).repeat(step, axis=1)[: size_wh[1], : size_wh[0]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_is_opened_drawn_on_saved_and_opened_again_without_a_pixel_lost(browser, tmp_path, kind):
    suffix, size_wh, write, zoom, scale = KINDS[kind]
    photo, file = results_of(tmp_path, "shoot", suffix, size_wh, write)
    assert photo_size_wh(photo) == size_wh
    before = specks(size_wh)
    write_mask(file, before)
    browser.screen(1000, 900, scale)
    with served(tmp_path) as address:
        browser.enter(address)
        open_editor(browser)
        assert browser.evaluate(DIGEST) == digest(before)
        for _ in range(zoom):
            browser.press("+")
        browser.evaluate(f"{EDITOR}.querySelector('[data-part=size]').value = 17")
        to_screen = view(browser)
        start = (size_wh[0] / 2 + 3.25, size_wh[1] / 2 - 7.5)
        end = (start[0] + 20, start[1] + 9)
        browser.drag(to_screen(*start), to_screen(*end))
        drawn = browser.evaluate(DIGEST)
        assert drawn != digest(before)
        assert save(browser).startswith("saved")
        saved = read_mask(file)
        assert drawn == digest(saved)
        # A pointer lies on a pixel of the screen, so the line may be a little off, by less than two of these.
        slack_px = 2 / (browser.evaluate(f"{EDITOR}.editor.view.scale") * scale)
        middle = (round(size_wh[1] / 2), round(size_wh[0] / 2))
        box = tuple(slice(max(0, at - 60), at + 60) for at in middle)
        surely = capsule(box, start, end, max(0, 8.5 - slack_px))
        perhaps = capsule(box, start, end, 8.5 + slack_px)
        assert np.array_equal(saved[box][surely | ~perhaps], (before[box] | surely)[surely | ~perhaps])
        saved[box] = before[box]
        assert np.array_equal(saved, before)
        browser.visit(browser.evaluate("location.pathname"))
        browser.until(f"{EDITOR}.dataset.ready")
        assert browser.evaluate(DIGEST) == drawn
        assert browser.problems() == []


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """One photo of 300x400 with its exact mask, and the studio over it."""
    folder = tmp_path_factory.mktemp("results")
    _, file = results_of(folder, "shoot", ".png", (300, 400), write_photo)
    with served(folder) as address:
        yield SimpleNamespace(folder=folder, address=address, file=file)


@pytest.fixture
def editor(browser, results):
    """The editor over an exact mask, all of the photo in sight."""
    mask = cv2.resize(PAIR.on_model_mask.astype(np.uint8), (300, 400), interpolation=cv2.INTER_NEAREST) > 0
    write_mask(results.file, mask)
    browser.screen(1000, 900)
    browser.enter(results.address)
    open_editor(browser)
    return SimpleNamespace(mask=mask, to_screen=view(browser), file=results.file)


def held(browser):
    """The mask that the editor holds."""
    count = browser.evaluate(f"{MASK}.count()")
    return SimpleNamespace(digest=browser.evaluate(DIGEST), count=count)


def test_strokes_are_undone_and_redone_one_by_one(browser, editor):
    states = [held(browser).digest]
    for row, button in ((40, "left"), (300, "right"), (120, "left")):
        browser.drag(editor.to_screen(20, row), editor.to_screen(280, row + 30), button=button)
        states.append(held(browser).digest)
    assert len(set(states)) == 4
    for state in reversed(states[:-1]):
        browser.press("z", "Control")
        assert held(browser).digest == state
    for state in states[1:]:
        browser.press("z", "Control", "Shift")
        assert held(browser).digest == state


def test_the_lasso_takes_in_what_it_goes_round_and_with_the_right_button_takes_it_away(browser, editor):
    corners = [(20, 20), (80, 20), (80, 60), (20, 60)]
    browser.press("l")
    browser.drag(*(editor.to_screen(*corner) for corner in corners))
    expected = editor.mask.copy()
    expected[20:60, 20:80] = True
    assert abs(held(browser).count - expected.sum()) <= 200  # the pointer is on pixels of the screen
    browser.drag(*(editor.to_screen(*corner) for corner in corners), button="right")
    assert held(browser).count <= editor.mask.sum()


def test_fill_closes_a_hole_and_nothing_else(browser, editor):
    middle = tuple(np.argwhere(cv2.erode(editor.mask.astype(np.uint8), np.ones((61, 61)))).mean(axis=0))[::-1]
    browser.press("]")
    browser.drag(editor.to_screen(*middle), button="right")
    assert held(browser).count < editor.mask.sum()
    browser.press("f")
    browser.drag(editor.to_screen(*middle))
    assert held(browser).digest == digest(editor.mask)


def test_grow_takes_cloth_of_like_colour_and_stops_at_the_background(browser, editor, results):
    photo = read_photo(next(results.folder.rglob("on_model1.png"))).rgb.astype(float)
    inside = cv2.erode(editor.mask.astype(np.uint8), np.ones((21, 21))) > 0
    off = np.abs(cv2.blur(photo, (5, 5)) - np.median(photo[inside], axis=0)).sum(axis=2)
    row, column = np.unravel_index(np.where(inside, off, np.inf).argmin(), off.shape)
    browser.evaluate(f"{MASK}.polygon([[0, 0], [300, 0], [300, 400], [0, 400]], 0); {MASK}.commit()")
    browser.press("g")
    browser.drag(editor.to_screen(column + 0.5, row + 0.5))
    assert 0.5 * editor.mask.sum() < held(browser).count < 1.1 * editor.mask.sum()


def test_smooth_removes_specks_and_keeps_the_rest(browser, editor):
    browser.evaluate(f"{EDITOR}.querySelector('[data-part=size]').value = 1")
    browser.drag(editor.to_screen(20.5, 20.5))
    assert held(browser).count > editor.mask.sum()
    browser.press("s")
    assert browser.evaluate(f"{MASK}.data[20 * 300 + 20]") == 0
    assert abs(held(browser).count - editor.mask.sum()) < 0.01 * editor.mask.sum()


def test_a_mask_that_is_not_the_garment_is_reported_before_it_is_saved(browser, editor):
    before = editor.file.read_bytes()
    browser.press("i")
    text = browser.until("document.querySelector('[data-part=\"doubts\"]').innerText")
    assert "covers the background" in text
    assert editor.file.read_bytes() == before
    browser.press("i")
    browser.until(
        "!document.querySelector('[data-part=\"doubts\"]').innerText.includes('covers the background')"
    )


def test_the_keyboard_alone_draws_and_saves(browser, editor):
    browser.evaluate("document.querySelector('#main').focus()")
    for _ in range(40):
        browser.press("Tab")
        if browser.evaluate("document.activeElement.dataset.part") == "stage":
            break
    assert browser.evaluate("document.activeElement.getAttribute('aria-label')").startswith(
        "Mask on on_model1"
    )
    for _ in range(12):
        browser.press("ArrowUp", "Shift")
    browser.press("Enter")
    for _ in range(20):
        browser.press("ArrowRight")
    browser.press("Enter")
    drawn = held(browser)
    assert drawn.count > editor.mask.sum()
    assert save(browser).startswith("saved")
    assert digest(read_mask(editor.file)) == drawn.digest


def test_the_corrected_photo_is_shown_without_a_tint_and_the_original_on_request(browser, editor, results):
    decisions = results.folder / "results" / "decisions.csv"
    decisions.write_text("key,decision,target_lab\n1,force,60; 40; 30\n")
    try:
        assert save(browser).startswith("saved; corrected")
        shown = "document.querySelector('[data-part=\"photo\"]')"
        browser.until(f"{shown}.complete && {shown}.src.startsWith('blob:')")
        assert browser.evaluate(f"{EDITOR}.editor.view.style") == "outline"
        pixel = browser.evaluate(
            f"(() => {{ const canvas = new OffscreenCanvas(300, 400), context = canvas.getContext('2d');"
            f" context.drawImage({shown}, 0, 0); return [...context.getImageData(150, 200, 1, 1).data]; }})()"
        )
        assert pixel[0] > pixel[2] + 30  # the target is red, the garment was blue
        browser.press("v")
        assert browser.evaluate(f"{shown}.src").endswith("/photo")
    finally:
        decisions.unlink()


def test_a_mask_changed_elsewhere_is_not_replaced_unasked(browser, editor):
    write_mask(editor.file, ~editor.mask)
    browser.press("b")
    browser.drag(editor.to_screen(100, 100), editor.to_screen(150, 100))
    assert "changed elsewhere" in save(browser)
    assert np.array_equal(read_mask(editor.file), ~editor.mask)
    browser.evaluate("document.querySelector('[data-part=\"status\"]').textContent = ''")
    assert save(browser).startswith("saved")
    assert digest(read_mask(editor.file)) == held(browser).digest


def test_every_control_has_a_name_and_nothing_is_asked_of_another_host(browser, editor, results):
    nameless = browser.evaluate(
        "[...document.querySelectorAll('main button, main input')].filter((node) =>"
        " !(node.getAttribute('aria-label') || node.textContent || node.title).trim()).length"
    )
    assert nameless == 0
    assert all(url.startswith((results.address, "blob:")) for url in browser.requests())
    assert browser.evaluate("document.documentElement.scrollWidth") <= 1000
    browser.screen(390, 844)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_mask_drawn_on_the_page_is_seen_there_and_used_by_the_command(browser, shoot, chromiq):
    results = shoot / "corrected"
    before = read_record(results, "1")
    with served(shoot) as address:
        browser.screen(1000, 900)
        browser.enter(address)
        open_editor(browser)
        to_screen = view(browser)
        browser.evaluate(f"{EDITOR}.querySelector('[data-part=size]').value = 40")
        browser.drag(to_screen(60, 150), to_screen(150, 150), to_screen(150, 220), button="right")
        drawn = held(browser).digest
        assert save(browser).startswith("saved")
        states = browser.evaluate("location.pathname").split("/mask/")[0] + "/states"
        browser.until(f"fetch('{states}').then((got) => got.json()).then((all) => !all.job.waiting.length)")
    before_run = read_record(results, "1")
    assert digest(read_mask(results / GARMENT_MASKS / "on_model1.png")) == drawn
    assert before_run["correction"]["mask_confidence"] == 1.0 != before["correction"]["mask_confidence"]
    assert before_run["correction"]["colours"]["before"] != before["correction"]["colours"]["before"]
    chromiq("correct", "--batch", shoot / "photos", "--out", results)
    assert read_record(results, "1")["image"] == before_run["image"]
    assert digest(read_mask(Path(results / GARMENT_MASKS / "on_model1.png"))) == drawn
