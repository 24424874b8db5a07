"""What people do on the page, from one screen to the next, with a real mouse and keyboard."""

import csv
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import pyvips
from studio_browser import TOKEN, served
from studio_client import until

from chromiq.correction.batch import BatchInputs, correct_batch
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.photos.colour_space import named_space
from chromiq.photos.images import encode_lossless, read_photo, vips_image, write_mask, write_photo
from chromiq.sample_catalogue.catalogue import draw_pair

pytestmark = pytest.mark.browser
WIDTHS_PX = (1500, 390)


@pytest.fixture(scope="module")
def shoot(tmp_path_factory):
    """Four photos: one too blue, one with an inverted mask, one true, one with a name that is markup."""
    root = tmp_path_factory.mktemp("stories")
    names = {"1": "on_model1.png", "2": "on_model2.png", "3": "on_model3.png", "4": 'a<img src=x>"&.png'}
    rows = ["still_life,on_model,key"]
    for number, (key, name) in enumerate(names.items()):
        pair = draw_pair(number, size_wh=(240, 300))
        photo = pair.on_model
        if key in "124":
            shifted = np.clip(photo * np.array([0.75, 0.95, 1.2]), 0, 255).astype(np.uint8)
            photo = shifted if key == "2" else np.where(pair.on_model_mask[..., None], shifted, photo)
        write_photo(root / "photos" / f"still-life{key}.png", pair.still_life)
        write_photo(root / "photos" / name, photo)
        mask = ~pair.on_model_mask if key == "2" else pair.on_model_mask
        write_mask(root / "masks" / f"on_model{key}.png", mask)
        quoted = name.replace('"', '""')
        rows.append(f'still-life{key}.png,"{quoted}",{key}')
    (root / "photos" / "pairs.csv").write_text("\n".join(rows))
    inputs = BatchInputs(root / "photos" / "pairs.csv", masks=root / "masks")
    correct_batch(inputs, root / "corrected", ClassicSegmenter())
    return root


@pytest.fixture(scope="module")
def studio(shoot, browser):
    """The browser, logged in, and the address of the results."""
    with served(shoot) as address:
        browser.screen(1500, 950)
        browser.enter(address)
        yield browser, browser.evaluate("location.pathname")


def states(browser):
    return browser.evaluate(
        "[...document.querySelectorAll('.card')].map((card) => [card.dataset.key, card.dataset.state])"
    )


def decision(shoot, key):
    text = (shoot / "corrected" / "decisions.csv").read_text(encoding="utf-8-sig")
    return next(row for row in csv.DictReader(text.splitlines()) if row["key"] == key)


def rerun(shoot):
    inputs = BatchInputs(shoot / "photos" / "pairs.csv", masks=shoot / "masks")
    return {
        done.key: done for done in correct_batch(inputs, shoot / "corrected", ClassicSegmenter()).corrections
    }


def settled(browser, address):
    browser.until(f"fetch('{address}states').then((r) => r.json()).then((s) => !s.job.waiting.length)")


def test_all_photos_are_seen_doubtful_first_and_names_are_text(studio):
    browser, address = studio
    browser.visit(address)
    assert states(browser)[0] == ["2", "left alone"]
    assert (
        browser.evaluate("document.querySelector('[data-key=\"4\"] a').textContent") == 'a<img src=x>"&.png'
    )
    browser.until(
        "[...document.querySelectorAll('.card img')].every((image) => image.complete && image.naturalWidth)"
    )
    browser.click("[data-state=corrected].filter")
    assert browser.evaluate(
        "[...document.querySelectorAll('.card:not([hidden])')].map((c) => c.dataset.key).sort()"
    ) == ["1", "4"]
    assert browser.problems() == []


def test_photos_are_accepted_and_rejected_by_key_and_the_command_undoes_nothing(studio, shoot):
    browser, address = studio
    browser.visit(address)
    order = [key for key, _ in states(browser)]
    browser.press("ArrowRight")
    for _ in range(order.index("1")):
        browser.press("ArrowRight")
    before = browser.evaluate("document.activeElement.querySelector('.result').src")
    browser.press(" ")
    browser.until("document.activeElement.querySelector('.result').src.includes('/before')")
    browser.press(" ")
    assert browser.evaluate("document.activeElement.querySelector('.result').src") == before
    browser.press("a")
    until(lambda: decision(shoot, "1")["decision"] == "accept")
    browser.evaluate("document.querySelector('[data-key=\"4\"]').focus()")
    browser.press("x")
    until(lambda: decision(shoot, "4")["decision"] == "reject")
    settled(browser, address)
    accepted = (shoot / "corrected" / "on_model1.png").read_bytes()
    done = rerun(shoot)
    assert (done["1"].decision, done["4"].decision) == ("accept", "reject")
    assert (shoot / "corrected" / "on_model1.png").read_bytes() == accepted
    name = 'a<img src=x>"&.png'
    assert (shoot / "corrected" / name).read_bytes() == (shoot / "photos" / name).read_bytes()
    browser.until("document.querySelector('[data-key=\"4\"]').dataset.state === 'rejected'")


def test_left_alone_is_overruled_and_the_strength_is_seen_before_it_is_saved(studio, shoot):
    browser, address = studio
    browser.visit(f"{address}photo/2")
    browser.until("document.querySelectorAll('#worn img').length >= 3")
    assert browser.evaluate("document.querySelector('#state').textContent") == "left alone"
    original = (shoot / "corrected" / "on_model2.png").read_bytes()
    browser.click("[data-decision=force]")
    browser.until("document.querySelector('#state').textContent === 'corrected'")
    settled(browser, address)
    assert (shoot / "corrected" / "on_model2.png").read_bytes() != original
    assert rerun(shoot)["2"].decision == "force"
    browser.evaluate("document.querySelector('#strength').focus()")
    browser.press("ArrowRight")
    browser.until("document.querySelector('#strength-shown').value === '105 %'")
    until(lambda: decision(shoot, "2")["strength"] == "1.05")
    settled(browser, address)


def test_a_target_colour_is_picked_with_the_eyedropper(studio, shoot):
    browser, address = studio
    browser.visit(f"{address}photo/1")
    browser.until("document.querySelector('#still img')?.naturalWidth")
    browser.click(".lab")
    browser.type("50")
    browser.press("Enter")
    browser.until("document.querySelector('#job').textContent === 'a target colour needs L*, a* and b*'")
    browser.evaluate("document.activeElement.blur()")
    browser.press("p")
    browser.click("#still")
    until(lambda: decision(shoot, "1")["target_lab"] != "")
    lab = [float(part) for part in decision(shoot, "1")["target_lab"].split(";")]
    assert decision(shoot, "1")["decision"] == ""  # what was accepted was another result
    settled(browser, address)
    browser.until("document.querySelector('#apart').textContent.includes('L*')")
    shown = browser.evaluate(
        "[...document.querySelectorAll('[data-row=still_life] td')].slice(1, 4)"
        ".map((cell) => Number(cell.textContent))"
    )
    assert np.allclose(shown, lab, atol=0.11)
    assert np.allclose(rerun(shoot)["1"].colours.after, lab, atol=1.5)
    browser.click("#no-target")
    until(lambda: decision(shoot, "1")["target_lab"] == "")
    settled(browser, address)


def test_what_another_tab_decides_appears(studio, shoot):
    browser, address = studio
    browser.visit(f"{address}photo/3")
    wishes = "{method: 'POST', body: JSON.stringify({strength: 0.7, target_lab: [50, 20, -10]})}"
    assert browser.evaluate(f"fetch('{address}decision/3', {wishes}).then((answer) => answer.status)") == 200
    browser.until("document.querySelector('#strength').value === '70'")
    browser.until(
        "[...document.querySelectorAll('.lab')].map((each) => each.value).join() === '50.0,20.0,-10.0'"
    )
    assert browser.evaluate("document.querySelector('#strength-shown').value") == "70 %"
    assert decision(shoot, "3")["strength"] == "0.7"
    settled(browser, address)


def test_a_note_is_kept(studio, shoot):
    browser, address = studio
    browser.visit(f"{address}photo/1")
    browser.click("#note")
    browser.type("Ärmel prüfen")
    browser.press("Tab")
    until(lambda: decision(shoot, "1")["note"] == "Ärmel prüfen")


def test_files_of_a_studio_are_paired_by_pattern_while_one_types(studio, shoot):
    browser, _ = studio
    for name in ("A-1_flat", "A-1_front", "A-1_front_b", "A-2_flat", "A-2_front", "logo"):
        role = "on_model1" if "front" in name else "still-life1"
        write_photo(shoot / "monday" / f"{name}.png", read_photo(shoot / "photos" / f"{role}.png").rgb)
    browser.visit("/open")
    browser.evaluate("document.querySelector('#source').select()")
    browser.type(str(shoot / "monday"))
    for field, pattern in (("still_life", "{sku}_flat*"), ("on_model", "{sku}_front*")):
        browser.click(f"#{field}")
        browser.type(pattern)
    browser.until(
        "document.querySelector('#summary').textContent.startsWith('3 photos of 2 garments; 1 file without')"
    )
    assert browser.evaluate("document.querySelector('#leftover li').textContent") == "logo.png"
    assert "--pattern '{sku}_flat*'" in browser.evaluate("document.querySelector('#command').textContent")
    assert not browser.evaluate("document.querySelector('#start').disabled")


def test_photos_dropped_on_the_page_are_copied_and_paired(studio, shoot, tmp_path):
    browser, _ = studio
    files = []
    for name in ("still-life7.png", "on_model7.png"):
        files.append(str(tmp_path / name))
        write_photo(tmp_path / name, read_photo(shoot / "photos" / name.replace("7", "1")).rgb)
    browser.visit("/open")
    folder = Path(browser.evaluate("document.querySelector('#drop').dataset.folder"))
    x, y = browser.at("#drop")
    data = {"items": [], "files": files, "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.send("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)
    browser.until("document.querySelector('#summary').textContent === '1 photo of 1 garment'")
    assert browser.evaluate("document.querySelector('#source').value") == str(folder)
    for file in map(Path, files):
        assert (folder / file.name).read_bytes() == file.read_bytes()
    assert browser.problems() == []


def test_finished_photos_are_delivered_with_a_proof_sheet_that_prints(studio, shoot):
    browser, address = studio
    browser.visit(f"{address}photo/1")
    browser.press("a")
    until(lambda: decision(shoot, "1")["decision"] == "accept")
    settled(browser, address)
    browser.visit(f"{address}deliver")
    browser.until("!document.querySelector('#to-folder').disabled")
    browser.click("#to-folder")
    until(lambda: (shoot / "corrected-delivery" / "proof_sheet.html").is_file())
    assert (shoot / "corrected-delivery" / "on_model1.png").is_file()
    browser.visit(f"{address}deliver/proof_sheet?state=accepted")
    assert browser.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    assert browser.problems() == []
    assert browser.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("scale", [1, 2])
def test_pixels_on_the_screen_are_those_of_the_file(studio, shoot, scale):
    browser, address = studio
    browser.screen(1500, 950, scale=scale)
    browser.visit(f"{address}photo/4")
    browser.until("[...document.querySelectorAll('.frame img')].every((image) => image.naturalWidth)")
    browser.press("z")
    browser.until("document.querySelector('#scale').textContent === '1:1'")
    for frame, layer, photo in (
        ("#still", "still", shoot / "photos" / "still-life4.png"),
        ("#worn", "after", shoot / "corrected" / 'a<img src=x>"&.png'),
    ):
        left, top = browser.evaluate(
            f"(() => {{ const image = document.querySelector('{frame} .layer.{layer} > img');"
            "const box = image.getBoundingClientRect(); return [box.left, box.top]; })()"
        )
        rgb = read_photo(photo).values
        shot = cv2.imdecode(np.frombuffer(browser.shot(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        height_px, width_px = rgb.shape[:2]
        near = [
            shot[row : row + height_px, column : column + width_px].astype(int)
            for row in range(round(top * scale) - 1, round(top * scale) + 2)  # where a browser rounds to
            for column in range(round(left * scale) - 1, round(left * scale) + 2)
        ]
        assert min(np.abs(shown - rgb).max() for shown in near) <= 1
    browser.screen(1500, 950)


def test_display_p3_keeps_its_colours_on_the_screen(browser, tmp_path, monkeypatch):
    """The corner of a photo whose numbers are Display P3, as the browser paints it on a P3 canvas."""
    pair = draw_pair(0, size_wh=(160, 200))
    for name, rgb in (("still-life1.png", pair.still_life), ("on_model1.png", pair.on_model)):
        image = vips_image(rgb)
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", named_space("Display P3", "").profile)
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(encode_lossless(image, "PNG"))
    correct_batch(BatchInputs(tmp_path / "photos"), tmp_path / "corrected", ClassicSegmenter())
    monkeypatch.setattr(
        browser, "address", "", raising=False
    )  # put back: the next test returns to its own studio
    with served(tmp_path) as address:
        browser.enter(address)
        at = browser.evaluate("location.pathname")
        shown = browser.evaluate(
            f"fetch('{at}picture/1/still_life').then((answer) => answer.blob())"
            ".then(createImageBitmap).then((image) => {"
            "const context = new OffscreenCanvas(160, 200).getContext('2d', { colorSpace: 'display-p3' });"
            "context.drawImage(image, 0, 0); return [...context.getImageData(0, 0, 160, 200).data]; })"
        )
    shown = np.array(shown).reshape(200, 160, 4)[..., :3]
    assert np.abs(shown - pair.still_life).max() <= 1


def test_every_screen_fits_both_widths_in_both_schemes_and_asks_for_nothing_outside(studio):
    browser, address = studio
    for path in (address, f"{address}photo/1", f"{address}deliver", "/open"):
        for width_px in WIDTHS_PX:
            for dark in (False, True):
                browser.screen(width_px, 900, dark=dark)
                browser.visit(path)
                browser.until("document.readyState === 'complete'")
                assert browser.evaluate("document.documentElement.scrollWidth") <= width_px, path
                outside = [
                    url
                    for url in browser.requests()
                    if not url.startswith((browser.address, "blob:", "data:"))
                ]
                assert outside == []
                assert browser.problems() == []
    browser.screen(1500, 950)


def test_everything_that_can_be_used_has_a_name_and_is_reached_by_tab(studio):
    browser, address = studio
    for path in (address, f"{address}photo/1", f"{address}deliver", "/open"):
        browser.visit(path)
        browser.until("[...document.images].every((image) => image.naturalWidth)")
        tree = browser.send("Accessibility.getFullAXTree")["nodes"]
        used = {"button", "link", "slider", "textbox", "checkbox", "spinbutton", "combobox", "image", "img"}
        unnamed = [
            browser.send("DOM.describeNode", backendNodeId=node["backendDOMNodeId"])["node"].get("attributes")
            for node in tree
            if not node["ignored"] and node["role"]["value"] in used and not node.get("name", {}).get("value")
        ]
        # What Chromium draws in the place of a picture that is still on its way is its own.
        unnamed = [attributes for attributes in unnamed if "icon icon-generic" not in (attributes or [])]
        assert unnamed == [], path
        seen = set()
        for _ in range(60):
            browser.press("Tab")
            seen.add(
                browser.evaluate(
                    "document.activeElement.id || document.activeElement.textContent.trim().slice(0, 30)"
                )
            )
        wanted = browser.evaluate(
            "[...document.querySelectorAll('main button, main input, main textarea')]"
            ".filter((each) => each.offsetParent && each.tabIndex >= 0 && !each.matches(':disabled'))"
            ".map((each) => each.id || each.textContent.trim().slice(0, 30))"
        )
        assert set(wanted) - seen <= {"", "pick"}, path


def test_the_command_line_serves_until_ctrl_c(shoot, tmp_path):
    main = "from chromiq_cli.main import main; main()"
    server = subprocess.Popen(
        [sys.executable, "-c", main, "studio", str(shoot), "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    address = server.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    assert TOKEN not in address
    children = subprocess.run(["ps", "--ppid", str(server.pid), "-o", "pid="], capture_output=True, text=True)
    server.send_signal(2)
    assert server.wait(20) == 130
    for child in children.stdout.split():
        until(lambda child=child: subprocess.run(["ps", "-p", child], capture_output=True).returncode)


def test_a_picture_that_cannot_be_had_says_why_and_one_on_its_way_that_it_loads(studio, shoot):
    browser, address = studio
    browser.visit(address)
    result = shoot / "corrected" / "on_model1.png"
    states = f"fetch('{address}states').then((answer) => answer.json())"
    browser.until(f"{states}.then((found) => !found.job.waiting.length)")  # else it is written again
    content = result.read_bytes()
    result.unlink()
    try:
        browser.visit(f"{address}photo/1")
        browser.until("document.querySelector('.layer.after').dataset.note?.includes('not there')")
        browser.until("!document.querySelector('.layer.before').dataset.note")
        slow = "{name: 'slow', picture: '/static/icon.svg'}"
        viewer = f"new Viewer(frame, {{size: [1, 1], preview: [1, 1]}}, [{slow}])"
        made = f"const frame = document.createElement('div'); {viewer}; return frame.firstChild.dataset.note"
        start = f"(async () => {{ const {{ Viewer }} = await import('/static/viewer.js'); {made}; }})()"
        assert "loading" in browser.evaluate(start)
    finally:
        result.write_bytes(content)


def test_tiles_in_sight_stay_however_many_they_are(studio):
    browser, address = studio
    browser.visit(address)
    view = "{left: -%d, top: 0, width: %d, height: 4000, scale: 1, ratio: 1}"
    lines = [
        "const { Tiles } = await import('/static/tiles.js')",
        "const layer = document.createElement('div')",
        "const tiles = new Tiles(layer, [60000, 4000], 100, () => '/static/icon.svg')",
        "const pause = () => new Promise((done) => setTimeout(done, 200))",
        f"tiles.placed({view % (0, 6000)}); await pause(); const first = [...layer.children]",
        f"tiles.placed({view % (1, 6000)}); await pause(); const second = [...layer.children]",
        f"tiles.placed({view % (30000, 500)}); await pause()",
        "return [first.length, second.every((tile, at) => tile === first[at]), layer.childElementCount]",
    ]
    assert browser.evaluate(f"(async () => {{ {'; '.join(lines)} }})()") == [96, True, 64]
