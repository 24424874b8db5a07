"""Where a garment is worn: a word decides; without one outline, frame and colours do."""

import numpy as np
import pytest
from places import REAL, REAL2

from chromiq.dataset_builder.segmenters.classic.kind import has_legs, kind_of_word
from chromiq.dataset_builder.segmenters.classic.segmenter import Look
from chromiq.photos.images import read_photo
from chromiq.sample_catalogue.catalogue import draw_pair


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("trousers", "lower"),
        ("Skirt", "lower"),
        ("dress", "full"),
        ("jacket", "upper"),
        ("T-shirt", "upper"),
        ("shirts", "upper"),
        ("shirt dress", "full"),
        ("dress shirt", "upper"),
        ("N.Y. jacket", "upper"),
        ("two-piece", None),
        ("", None),
    ],
)
def test_the_last_word_that_tells_decides(label, kind):
    assert kind_of_word(label) == kind


@pytest.mark.parametrize("index", range(24))
def test_drawn_garments_without_a_label_are_named_by_kind(index):
    drawn = draw_pair(index, size_wh=(160, 200))
    label = Look(drawn.still_life, drawn.on_model).label
    alike = {"jumper": "shirt", "jacket": "shirt", "gilet": "shirt"}
    assert kind_of_word(label.name) == kind_of_word(drawn.garment)
    assert label.name == alike.get(drawn.garment, drawn.garment)
    assert label.source == "silhouette"
    assert 0 < label.score < 1


def test_a_top_with_the_outline_of_a_skirt_is_found_where_its_colour_is_worn():
    """A neck as wide as the shoulders has a waist's outline; head, frame and colours say it is a top."""
    drawn = draw_pair(0, size_wh=(448, 560))
    assert drawn.garment == "shirt"
    rows, columns = np.nonzero(drawn.still_life_mask)
    cloth = np.median(drawn.on_model[drawn.on_model_mask], axis=0).astype(np.uint8)
    trapezium = np.full_like(drawn.still_life, 250)
    for offset, row in enumerate(range(rows.min(), rows.max())):
        half_px = 70 + offset // 12
        middle = (columns.min() + columns.max()) // 2
        trapezium[row, middle - half_px : middle + half_px] = cloth
    look = Look(trapezium, drawn.on_model)
    assert look.kind.terms["outline"]["lower"] > -2
    assert look.kind.kind == "upper"


def test_legs_are_seen_in_the_outline():
    drawn = [draw_pair(index, size_wh=(224, 280)) for index in range(4)]
    by_garment = {pair.garment: pair.still_life_mask for pair in drawn}
    assert has_legs(by_garment["trousers"])
    assert not has_legs(by_garment["dress"])


def test_the_gap_between_the_sleeves_of_a_jumper_is_not_one_between_legs():
    outline = np.zeros((300, 200), bool)
    outline[20:220, 50:150] = True
    outline[20:290, 20:48] = outline[20:290, 152:180] = True
    assert not has_legs(outline)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real photos in ../shared/real")
def test_the_kind_on_real_photos():
    kinds = dict.fromkeys((11, 27, 28, 33, 58), "lower") | {3: "full"}
    for path in (REAL / "pairs").glob("still-life*.jpg"):
        key = int(path.stem.removeprefix("still-life"))
        on_model = read_photo(REAL / "pairs" / f"on_model{key}.jpg").rgb
        assert Look(read_photo(path).rgb, on_model).kind.kind == kinds.get(key, "upper"), path.name


@pytest.mark.real
@pytest.mark.skipif(not REAL2.is_dir(), reason="needs the real photos in ../shared/real2")
def test_tops_of_other_shops_are_tops():
    wrong = []
    for path in sorted(REAL2.glob("*/still-life/*.jpg")):
        on_model = read_photo(path.parents[1] / "on-model" / path.name).rgb
        if Look(read_photo(path).rgb, on_model).kind.kind != "upper":
            wrong.append(path.name)
    assert len(wrong) <= 1, wrong
