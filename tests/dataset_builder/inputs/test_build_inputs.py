"""Labels and masks given to a build are checked before anything is written."""

import json

import numpy as np
import pytest
from PIL import Image

from chromiq.dataset_builder.inputs.build_inputs import check_inputs
from chromiq.dataset_builder.options import BuildOptions
from chromiq.errors import UnsoundError
from chromiq.sample_catalogue.catalogue import write_catalogue

WIDTH_PX, HEIGHT_PX = 120, 150


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    write_catalogue(folder, pairs=2, size_wh=(WIDTH_PX, HEIGHT_PX))
    return folder


@pytest.fixture
def masks(tmp_path):
    """A folder of masks; a garment in the middle unless given otherwise."""
    (tmp_path / "masks").mkdir()

    def draw(name="on_model1.png", *, size_wh=(WIDTH_PX, HEIGHT_PX), level=255, around=0):
        mask = np.full(size_wh[::-1], around, np.uint8)
        mask[40:100, 30:90] = level
        Image.fromarray(mask).save(tmp_path / "masks" / name)
        return tmp_path / "masks"

    return draw


def found(caught_or_inputs):
    return [
        (finding.code, finding.got) for finding in caught_or_inputs.findings if "untagged" not in finding.code
    ]


def test_given_masks_and_labels_go_to_their_pairs(photos, masks, tmp_path):
    (tmp_path / "garments.json").write_text(json.dumps({"still-life2.jpg": "red dress"}))
    inputs = check_inputs(photos, BuildOptions(), garments=tmp_path / "garments.json", masks=masks())
    assert [pair.garment for pair in inputs.pairs] == [None, "red dress"]
    assert inputs.masks == {"1": tmp_path / "masks" / "on_model1.png"}
    assert found(inputs) == []


@pytest.mark.parametrize(
    ("drawing", "code", "got"),
    [
        ({"size_wh": (WIDTH_PX, HEIGHT_PX - 1)}, "mask.size", "120x149"),
        ({"level": 0}, "mask.empty", "all black"),
        ({"level": 127}, "mask.empty", "all black"),
        ({"level": 128, "around": 255}, "mask.full", "all white"),
    ],
)
def test_a_mask_that_cannot_be_is_reported_and_its_pair_may_be_left_out(photos, masks, drawing, code, got):
    with pytest.raises(UnsoundError) as caught:
        check_inputs(photos, BuildOptions(), masks=masks(**drawing))
    assert found(caught.value) == [(code, got)]
    inputs = check_inputs(photos, BuildOptions(), masks=masks(**drawing), skip_bad=True)
    assert [pair.key for pair in inputs.pairs] == ["2"]
    assert found(inputs) == [(code, got)]


def test_a_mask_that_is_no_picture_is_reported(photos, masks):
    folder = masks()
    (folder / "on_model2.png").write_bytes(b"not a mask")
    with pytest.raises(UnsoundError) as caught:
        check_inputs(photos, BuildOptions(), masks=folder)
    assert [code for code, _ in found(caught.value)] == ["photo.unreadable"]


def test_what_fits_no_pair_is_a_warning(photos, masks, tmp_path):
    (tmp_path / "garments.json").write_text(json.dumps({f"other{n}.jpg": "shirt" for n in range(7)}))
    folder = masks("on_model_1.png")
    inputs = check_inputs(photos, BuildOptions(), garments=tmp_path / "garments.json", masks=folder)
    assert found(inputs) == [("inputs.unused", None)] * 2
    labels, drawn = (finding.message for finding in inputs.findings if finding.code == "inputs.unused")
    listed = "other0.jpg, other1.jpg, other2.jpg, other3.jpg, other4.jpg, ..."
    assert labels == f"7 entries match no pair: {listed}"
    assert drawn == "1 entry matches no pair: on_model_1.png"
    assert {finding.severity for finding in inputs.findings} == {"warning"}


def test_a_folder_of_masks_that_holds_none_is_reported(photos, tmp_path):
    """A typing error in its path would else go unseen, and the garments be found again."""
    inputs = check_inputs(photos, BuildOptions(), masks=tmp_path)
    assert [(finding.code, finding.severity) for finding in inputs.findings] == [("masks.none", "warning")]
    assert inputs.findings[0].where == str(tmp_path)


def test_labels_and_masks_that_cannot_be_read_stop_a_build_even_of_sound_pairs(photos, tmp_path):
    (tmp_path / "garments.json").write_text("[]")
    with pytest.raises(UnsoundError) as caught:
        check_inputs(
            photos,
            BuildOptions(),
            garments=tmp_path / "garments.json",
            masks=tmp_path / "none",
            skip_bad=True,
        )
    assert [code for code, _ in found(caught.value)] == ["garments.form", "masks.missing"]


def test_variants_whose_names_another_pair_has_are_reported(photos, tmp_path):
    for key in ("1", "1-v2"):
        for role in ("still-life", "on_model"):
            (tmp_path / f"{role}{key}.jpg").write_bytes((photos / f"{role}1.jpg").read_bytes())
    assert len(check_inputs(tmp_path, BuildOptions()).pairs) == 2
    with pytest.raises(UnsoundError) as caught:
        check_inputs(tmp_path, BuildOptions(variants=2))
    assert found(caught.value) == [("pair.name_taken", None)]
    assert "on_model1.jpg" in str(caught.value.findings[-1])


def test_a_pair_too_wide_for_the_published_canvas_is_reported(photos, tmp_path):
    (tmp_path / "still-life1.jpg").write_bytes((photos / "still-life1.jpg").read_bytes())
    Image.new("RGB", (1500, 100), "grey").save(tmp_path / "on_model1.png")
    with pytest.raises(UnsoundError) as caught:
        check_inputs(tmp_path, BuildOptions(geometry="published"))
    (fault,) = [finding for finding in caught.value.findings if finding.severity == "error"]
    assert fault.where == str(tmp_path / "on_model1.png")
