"""The report: what it says, what it must never do, how it behaves in a browser, in print, without scripts."""

import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from chromium import CHROMIUM, Page

from chromiq.evaluate.report import Chart, show, write_report
from chromiq.evaluate.score.crops import Crop
from chromiq.evaluate.score.scores import ImageSet, score_folders
from chromiq.imaging.masks import outline_path
from chromiq.photos.images import encode_image, write_mask, write_photo

NASTY = '"><script>alert(1)</script>&amp;'
SIZE_HW = (60, 90)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Three photos; the control is far off, `better` near, and only inside a square in the middle."""
    root = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    inside = np.zeros(SIZE_HW, bool)
    inside[20:40, 30:60] = True
    for number, strength in (("1", 10), ("2", 40), ("10", 20)):
        truth = rng.integers(60, 160, (*SIZE_HW, 3), dtype=np.uint8)
        for column, share in (("gt", 0), ("control", 1), ("better", 0.25)):
            shifted = truth.copy()
            shifted[inside] += np.uint8(strength * share)
            write_photo(root / column / f"{number}.png", shifted)
        write_mask(root / "masks" / f"{number}.png", inside)
    return root


@pytest.fixture(scope="module")
def page_path(images):
    columns = {"control": images / "control", NASTY: images / "better"}
    shown = ImageSet(images / "gt", columns, masks=images / "masks")
    path = images / "report.html"
    chart = Chart(encode_image(np.zeros((1, 1, 3), np.uint8), "PNG"), NASTY)
    write_report(path, score_folders(shown), shown, title=f"T {NASTY}", notes=[NASTY], charts=[chart])
    return path


def scored(root, *, images=3, register=False, **more):
    """The text of a report on the uncorrected photos and those nearer to the truth, and its scores."""
    more.setdefault("columns", {"control": root / "control", "better": root / "better"})
    shown = ImageSet(root / "gt", **more)
    scores = score_folders(shown, register=register)[:images]
    write_report(root / "r.html", scores, shown)
    return (root / "r.html").read_text(), scores


class Reader(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data):
        self.texts.append(data.strip())


def test_what_users_wrote_is_shown_as_text(page_path):
    reader = Reader(page_path.read_text())
    assert reader.tags.count("script") == 1
    assert reader.texts.count(NASTY) >= 4
    assert f"T {NASTY}" in reader.texts
    assert ("figure", "data-name", NASTY) in reader.attributes


def test_nothing_is_fetched_and_every_picture_is_inside(page_path):
    reader = Reader(page_path.read_text())
    sources = [value for _, name, value in reader.attributes if name in ("src", "href", "srcset", "action")]
    assert sources
    assert all(source.startswith(("data:image/", "#image-", "#words")) for source in sources)
    assert "link" not in reader.tags
    (policy,) = [
        value for _, name, value in reader.attributes if name == "content" and "default-src" in value
    ]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    assert not [name for _, name, _ in reader.attributes if name == "style" or name.startswith("on")]


def test_the_worst_comes_first_in_the_gallery_and_nature_in_the_table(page_path):
    text = page_path.read_text()
    assert re.findall(r'<article class="card" id="([^"]+)"', text) == ["image-2", "image-3", "image-1"]
    assert re.findall(r'<th scope="row"><a href="#image-\d">(\w+)</a>', text) == ["1", "2", "10"]


def test_the_headline_names_the_best_and_its_interval(page_path, images):
    (said,) = re.findall(r'<p class="headline">(.*?)</p>', page_path.read_text())
    _, scores = scored(images, masks=images / "masks")
    mean = np.mean([score.differences["better"].mean for score in scores])
    change = mean - np.mean([score.differences["control"].mean for score in scores])
    assert f"{NASTY} with {mean:.2f}, {change:+.2f} against uncorrected (95 % interval -" in unescape(said)
    assert "chance" not in said


def test_the_headline_admits_that_nothing_helped(images):
    text, _ = scored(images, columns={"control": images / "better", "generated": images / "control"})
    assert "nothing did better than leaving the colour as it was" in text


def test_one_column_alone_will_do(images):
    text, _ = scored(images, columns={"mine": images / "better"})
    assert "Lowest mean dE00 over 3 images: mine with" in text
    assert "95 % interval" not in text


def test_one_image_has_no_interval(images):
    text, _ = scored(images, images=1)
    assert "against uncorrected (no interval from 1 image); that could be chance." in text
    assert "<td>no interval from 1 image</td><td>1</td><td>0</td>" in text
    assert "95 % interval -" not in text


def test_kinds_of_garment_have_their_own_averages(images):
    kinds = {"1": "dress <i>", "2": "shirt", "10": "shirt"}
    text, scores = scored(images, masks=images / "masks", garments=kinds)
    mean = np.mean([score.differences["better"].mean for score in scores if score.name != "1"])
    row = rf'<th scope="row">shirt</th><td>2</td><td>[\d.]+</td><td>{mean:.3f}</td>'
    assert re.search(row, text)
    assert "dress &lt;i&gt;" in text


def test_the_summary_says_what_the_differences_are_made_of(page_path, images):
    columns = ("control", "better")
    _, scores = scored(images, masks=images / "masks")
    table = page_path.read_text().split("What the differences are made of")[1].split("</table>")[0]
    labels = re.findall(r"<th scope=\"col\"[^>]*>([^<]+)</th>", table)[1:]
    rows = [re.findall(r"<td>([^<]+)</td>", row) for row in table.split("<tr")[2:]]
    shown = [dict(zip(labels, row, strict=True)) for row in rows]
    for cells, column in zip(shown, columns, strict=True):
        found = [score.differences[column] for score in scores]
        for label, name in {"95 % below": "p95", "lightness": "lightness", "hue": "hue"}.items():
            assert cells[label] == f"{np.mean([getattr(each, name) for each in found]):.2f}"
    assert shown[0]["leak"] == "–"
    share = np.mean([score.differences["better"].leak_over_1 for score in scores])
    assert shown[1]["over 1"] == f"{100 * share:.1f}%"
    assert "L*" not in labels


def test_a_resized_image_is_shown_as_it_was_measured(images, tmp_path):
    import cv2

    smooth = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (120, 180, 3), dtype=np.uint8), (0, 0), 3
    )
    small = cv2.resize(smooth, (168, 112), interpolation=cv2.INTER_AREA)
    write_photo(tmp_path / "gt" / "1.png", smooth)
    write_photo(tmp_path / "generated" / "1.png", small)
    text, _ = scored(tmp_path, columns={"generated": tmp_path / "generated"}, register=True)
    assert '<th scope="col">right by</th>' in text


def test_crops_and_masks_are_marked_where_they_are():
    assert outline_path(Crop(x=8, y=4, width=10, height=6).xyxy, 1.0) == "M8,4 L18,4 L18,10 L8,10 Z"
    mask = np.zeros((40, 50), bool)
    mask[10:30, 20:45] = True
    points = {tuple(map(float, pair)) for pair in re.findall(r"([\d.]+),([\d.]+)", outline_path(mask, 2.0))}
    assert points == {(40, 20), (40, 58), (88, 58), (88, 20)}
    assert outline_path(np.zeros((4, 4), bool), 1.0) == ""


def test_a_hundred_of_the_hardest_photos_stay_under_25_mb():
    noise = np.random.default_rng(0).integers(0, 256, (400, 664, 3), dtype=np.uint8)
    allowed = 20_000_000 * 3 // 4 // (100 * 9)
    panel = show(noise, dict.fromkeys("abcd", noise[::-1]), allowed)
    uris = [panel.truth, *(uri for result in panel.results for uri in (result.source, result.heat))]
    assert len(uris) == 9
    assert 100 * sum(map(len, uris)) < 20_500_000


def test_the_slider_starts_where_the_images_differ():
    truth = np.full((20, 100, 3), 128, np.uint8)
    other = truth.copy()
    other[:, 70:80] = 90
    assert show(truth, {"a": other}, 100_000).cut_pct == pytest.approx(75, abs=1)
    assert show(truth, {"a": truth}, 100_000).cut_pct == 50


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    page = Page(tmp_path_factory.mktemp("profile"))
    yield page
    page.close()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
class TestInChromium:
    def test_it_opens_without_a_complaint_or_a_request(self, browser, page_path):
        browser.open(page_path)
        requested = [
            event["params"]["request"]["url"]
            for event in browser.events
            if event["method"] == "Network.requestWillBeSent"
        ]
        assert [url for url in requested if not url.startswith("data:")] == [page_path.as_uri()]
        loud = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        assert [event for event in browser.events if event["method"] in loud] == []
        assert browser.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")

    def test_the_slider_is_moved_by_the_keyboard_and_uncovers_the_picture(self, browser, page_path):
        browser.open(page_path)
        browser.evaluate("document.querySelector('.compare input').focus()")
        cut = "parseFloat(document.querySelector('.compare').style.getPropertyValue('--cut'))"
        before = browser.evaluate(cut)
        browser.key("ArrowRight", 39)
        assert browser.evaluate(cut) == before + 1
        browser.key("End", 35)
        assert browser.evaluate(cut) == 100
        clip = "getComputedStyle(document.querySelector('.compare .before')).clipPath"
        assert "calc(0%)" in browser.evaluate(clip) or "0%" in browser.evaluate(clip)
        said = browser.evaluate("document.querySelector('.compare input').getAttribute('aria-valuetext')")
        assert said == "100 % uncorrected"

    def test_it_compares_the_control_with_the_best_and_any_two_when_asked(self, browser, page_path):
        browser.open(page_path)
        label = "document.querySelector('.compare input').getAttribute('aria-label')"
        assert browser.evaluate(label) == f"uncorrected on the left, {NASTY} on the right"
        browser.evaluate(
            "(() => { const select = document.querySelector('.tools select'); select.value = '0';"
            " select.dispatchEvent(new Event('change')); })()"
        )
        assert browser.evaluate(label) == f"the truth on the left, {NASTY} on the right"
        sources = browser.evaluate(
            "[document.querySelector('.compare .before').src"
            " === document.querySelector('figure[data-name] img').src,"
            " document.querySelector('.viewer > div:last-child .caption').textContent]"
        )
        assert sources == [True, f"where {NASTY} differs from the truth"]

    def test_a_phone_scrolls_down_only(self, browser, page_path):
        browser.size(360, 700, mobile=True)
        browser.open(page_path)
        assert browser.evaluate("document.documentElement.scrollWidth") <= 360
        browser.send("Emulation.clearDeviceMetricsOverride")

    def test_without_scripts_the_table_and_all_pictures_show(self, browser, page_path):
        browser.send("Emulation.setScriptExecutionDisabled", value=True)
        browser.open(page_path)
        browser.send("Emulation.setScriptExecutionDisabled", value=False)
        shown = browser.evaluate(
            "[...document.querySelectorAll('.card img, table')].filter((n) => n.checkVisibility()).length"
        )
        assert shown == 3 * (1 + 2 * 2) + 3 + 3
        assert browser.evaluate("document.querySelectorAll('.viewer').length") == 0

    def test_print_shows_all_pictures_and_no_tools(self, browser, page_path):
        browser.open(page_path)
        browser.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        browser.send("Emulation.setEmulatedMedia", media="print")
        pictures = "[...document.querySelectorAll('figure[data-name] img')].every((n) => n.checkVisibility())"
        tools = "[...document.querySelectorAll('.viewer, .tools')].some((n) => n.checkVisibility())"
        assert browser.evaluate(pictures)
        assert not browser.evaluate(tools)
        browser.send("Emulation.setEmulatedMedia", media="")
        assert browser.pdf().startswith(b"%PDF")
