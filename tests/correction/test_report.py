"""The page of a batch in a browser: readable, self-contained, doubtful photos first."""

import csv
import re
import shutil

import numpy as np
import pytest
from chromium import CHROMIUM, Page

from chromiq.correction.batch import BatchInputs, correct_batch
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.photos.images import read_mask, write_mask

_FAULTS = {"Log.entryAdded", "Runtime.exceptionThrown"}
_MOVE = """(() => {
  const slider = document.querySelector(".slider input[type=range]");
  slider.value = 80;
  slider.dispatchEvent(new Event("input"));
  return slider.parentElement.style.getPropertyValue("--cut");
})()"""


@pytest.fixture(scope="module")
def report(drawn_pairs, tmp_path_factory):
    """One photo with an inverted mask, called by markup, and one that is right, in a subfolder."""
    catalogue = shutil.copytree(drawn_pairs, tmp_path_factory.mktemp("report"), dirs_exist_ok=True)
    name = 'on_model<b>"1&.png'
    (catalogue / "pairs" / "on_model1.png").rename(catalogue / "pairs" / name)
    (catalogue / "pairs" / "shoot").mkdir()
    (catalogue / "pairs" / "on_model2.png").rename(catalogue / "pairs" / "shoot" / "on_model2.png")
    table = catalogue / "pairs" / "pairs.csv"
    quoted = name.replace('"', '""')
    table.write_text(
        f'still_life,on_model,key\nstill-life1.png,"{quoted}",1\nstill-life2.png,shoot/on_model2.png,2\n'
    )
    mask = read_mask(catalogue / "masks" / "on_model1.png")
    write_mask(catalogue / "masks" / "on_model1.png", ~mask)
    inputs = BatchInputs(table, masks=catalogue / "masks")
    return correct_batch(inputs, catalogue / "out", ClassicSegmenter()).report


def test_it_says_why_and_what_to_do_most_doubtful_first(report):
    text = report.read_text(encoding="utf-8")
    names = re.findall(r"<h2>(.*?) <span", text)
    assert names == ["on_model&lt;b&gt;&#34;1&amp;.png", "shoot/on_model2.png"]
    assert "The mask covers the background (100% of it)." in text
    assert "If it is inverted, invert it" in text
    assert 'href="#what-to-do"' in text
    assert text.count("left alone") >= 2


def test_it_needs_nothing_from_elsewhere(report):
    text = report.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sources
    assert all(source.startswith(("data:image/", "#photo-", "#what-to-do")) for source in sources)
    assert not re.search(r"style=|onclick|https?://", text)


def test_the_table_has_the_same_figures(report):
    rows = list(csv.DictReader((report.parent / "report.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert [row["result"] for row in rows] == ["left alone", "left alone"]
    assert float(rows[1]["de00_before"]) == float(rows[1]["de00_after"])
    assert np.isfinite([float(rows[1][name]) for name in ("still_life_L", "before_a", "h_apart_deg")]).all()


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_slider_works_at_both_widths(report, tmp_path):
    page = Page(tmp_path / "profile")
    try:
        for width_px in (1500, 390):
            page.size(width_px, 900, mobile=width_px < 500)
            page.open(report)
            assert page.evaluate("document.documentElement.scrollWidth") <= width_px
            assert page.evaluate("document.querySelectorAll('.slider input[type=range]').length") == 2
            assert page.evaluate(_MOVE) == "80%"
        faults = [event for event in page.events if event.get("method") in _FAULTS]
        assert faults == []
    finally:
        page.close()
