"""Crops: suggested on cloth alone, checked, drawn."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from chromiq.dataset_builder.canvas.loss_mask import encoded_loss_mask
from chromiq.errors import UnsoundError
from chromiq.evaluate.score.crop_suggest import suggest_crop
from chromiq.evaluate.score.crops import (
    Crop,
    crop_findings,
    crop_mask_findings,
    crop_seam_findings,
    is_panel_mask,
    read_crops,
)
from chromiq.photos.images import read_mask, read_photo, write_mask, write_photo
from chromiq.records import Geometry
from chromiq_cli.verbs import app


@pytest.fixture
def garment():
    """Blue cloth on white: a black seam across, skin at the right, deep shadow below."""
    rgb = np.full((240, 300, 3), 255, np.uint8)
    mask = np.zeros((240, 300), bool)
    mask[20:220, 20:280] = True
    rgb[mask] = (60, 90, 160)
    rgb[20:220, 110:114] = (15, 20, 40)
    rgb[20:220, 240:280] = (224, 172, 140)
    rgb[180:220, 20:240] = (15, 25, 50)
    noise = np.random.default_rng(0).integers(-3, 4, rgb.shape)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8), mask


def test_the_crop_is_cloth_and_nothing_else(garment):
    rgb, mask = garment
    crop = suggest_crop(rgb, mask)
    left, top, right, bottom = crop.xyxy
    assert crop.width == crop.height >= 100
    assert left >= 110
    assert right <= 244
    assert 20 < top < bottom <= 184
    assert mask[top:bottom, left:right].all()


@pytest.mark.parametrize("upright", [True, False])
def test_a_placket_fainter_than_the_weave_is_not_crossed(upright):
    """A line darker by less than the cloth's own noise, with buttons on it, a third of the way across."""
    rng = np.random.default_rng(1)
    cloth = rng.normal(120, 6, (400, 400, 1)).repeat(3, axis=2)
    cloth[:, 132:135] -= 8
    for y in range(40, 400, 80):
        cloth[y : y + 9, 129:138] = 60
    rgb = np.clip(cloth if upright else cloth.transpose(1, 0, 2), 0, 255).astype(np.uint8)
    crop = suggest_crop(rgb, np.ones((400, 400), bool))
    first = crop.x if upright else crop.y
    assert first >= 130
    assert crop.width > 200


def test_no_garment_no_crop(garment):
    rgb, mask = garment
    assert suggest_crop(rgb, np.zeros_like(mask)) is None
    thin = np.zeros_like(mask)
    thin[50:60] = True
    assert suggest_crop(rgb, thin) is None


def test_suggested_crops_pass_their_check_and_moved_ones_do_not(garment, tmp_path):
    rgb, mask = garment
    for name in ("a", "b"):
        write_photo(tmp_path / "gt" / f"{name}.png", rgb)
    write_mask(tmp_path / "masks" / "a.png", mask)
    folders = ["--gt", str(tmp_path / "gt"), "--masks", str(tmp_path / "masks")]
    done = CliRunner().invoke(app, ["crops", "suggest", *folders, "--out", str(tmp_path / "crops.json")])
    assert done.exit_code == 3
    crops = json.loads((tmp_path / "crops.json").read_text())
    assert list(crops) == ["a"]
    check = ["crops", "check", str(tmp_path / "crops.json"), *folders, "--out", str(tmp_path / "sheet.png")]
    assert CliRunner().invoke(app, check).exit_code == 0
    assert read_photo(tmp_path / "sheet.png").rgb.shape == (369, 388, 3)
    crops["a"]["x"] = 0
    (tmp_path / "crops.json").write_text(json.dumps(crops))
    moved = CliRunner().invoke(app, check)
    assert [finding.code for finding in moved.exception.findings] == ["crops.mask"]


@pytest.mark.parametrize("style", ["half", "panel"])
def test_masks_of_a_panel_are_refused_by_name(garment, tmp_path, style):
    rgb, mask = garment
    geometry = Geometry((300, 240), (0, 0, 130, 240), (130, 0, 270, 240), 1.0, 1.0)
    for name in ("a", "b", "c"):
        write_photo(tmp_path / "gt" / f"{name}.png", rgb)
        (tmp_path / "masks").mkdir(exist_ok=True)
        (tmp_path / "masks" / f"{name}.png").write_bytes(encoded_loss_mask(style, geometry, mask))
    write_mask(tmp_path / "masks" / "c.png", mask)
    folders = ["--gt", str(tmp_path / "gt"), "--masks", str(tmp_path / "masks")]
    done = CliRunner().invoke(app, ["crops", "suggest", *folders, "--out", str(tmp_path / "crops.json")])
    (found,) = done.exception.findings
    first = tmp_path / "masks" / "a.png"
    assert (found.code, found.where) == ("crops.panel_mask", f"2 masks, the first {first}")
    assert "built with `loss_mask` garment" in found.hint
    assert not (tmp_path / "crops.json").exists()
    (tmp_path / "crops.json").write_text('{"a": {"x": 200, "y": 30, "width": 30, "height": 30}}')
    check = ["crops", "check", str(tmp_path / "crops.json"), *folders, "--out", str(tmp_path / "sheet.png")]
    drawn = CliRunner().invoke(app, check)
    assert [finding.code for finding in drawn.exception.findings] == ["crops.panel_mask"]


def test_a_padded_panel_is_known_by_its_dataset_and_a_drawn_rectangle_is_a_garment(tmp_path):
    mask = np.zeros((240, 300), bool)
    mask[20:220, 140:280] = True
    folders = [tmp_path / "dataset" / "masks", tmp_path / "dataset" / "held_out" / "masks"]
    for folder in folders:
        write_mask(folder / "a.png", mask)
        assert not is_panel_mask(mask, folder / "a.png")
    (tmp_path / "dataset" / "manifest.jsonl").touch()
    for folder in folders:
        assert is_panel_mask(mask, folder / "a.png")
    assert not is_panel_mask(mask, tmp_path / "dataset" / "own_masks" / "a.png")


def test_garment_loss_masks_are_garment_masks(garment, tmp_path):
    geometry = Geometry((300, 240), (0, 0, 130, 240), (130, 0, 270, 240), 1.0, 1.0)
    path = tmp_path / "masks" / "a.png"
    path.parent.mkdir()
    (tmp_path / "manifest.jsonl").touch()
    path.write_bytes(encoded_loss_mask("garment", geometry, garment[1]))
    assert not is_panel_mask(read_mask(path), path)
    assert not is_panel_mask(np.zeros((240, 300), bool), path)


def test_a_crops_file_is_read(tmp_path):
    path = tmp_path / "crops.json"
    path.write_text('{"pair1": {"x": 700, "y": 310, "width": 160, "height": 90}}')
    (crop,) = read_crops(path).values()
    assert crop.xyxy == (700, 310, 860, 400)


def test_every_fault_of_a_crops_file_is_reported_at_once(tmp_path):
    path = tmp_path / "crops.json"
    entry = {"x": 1, "y": 1, "width": 5, "height": 5}
    bad = {"a": {**entry, "width": 0}, "b": {**entry, "x": "left" * 50}, "c": {**entry, "depth": 3}}
    path.write_text(json.dumps(bad))
    with pytest.raises(UnsoundError, match=r"crops\.json") as caught:
        read_crops(path)
    found = {finding.where: finding for finding in caught.value.findings}
    assert set(found) == {"crops.json: a.width", "crops.json: b.x", "crops.json: c.depth"}
    assert {(finding.code, finding.hint) for finding in found.values()} == {
        ("crops.form", "Correct the entry.")
    }
    assert found["crops.json: a.width"].message == "must be greater than 0, got 0"
    assert found["crops.json: a.width"].got == "0"
    assert found["crops.json: b.x"].got == "'" + ("left" * 50)[:79]


@pytest.mark.parametrize("text", ["[]", "{"])
def test_a_file_that_is_not_a_table_of_crops_is_reported_as_a_whole(tmp_path, text):
    path = tmp_path / "crops.json"
    path.write_text(text)
    with pytest.raises(UnsoundError) as caught:
        read_crops(path)
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("crops.form", "crops.json: the file")
    assert text in finding.got


def test_a_missing_crops_file_is_an_error(tmp_path):
    with pytest.raises(UnsoundError, match=r"no\.json") as caught:
        read_crops(tmp_path / "no.json")
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("crops.unreadable", str(tmp_path / "no.json"))
    assert "(no such file or directory)" in finding.message


@pytest.mark.parametrize(("size_wh", "inside"), [((30, 50), True), ((29, 50), False), ((30, 49), False)])
def test_a_crop_ends_within_its_image(size_wh, inside):
    outside = f"the crop ends at 30,50, outside the image of {size_wh[0]}x{size_wh[1]}"
    found = crop_findings(Crop(x=10, y=20, width=20, height=30), size_wh, "a")
    assert [finding.message for finding in found] == ([] if inside else [outside])


@pytest.mark.parametrize("beside", [2, 3])
def test_two_percent_of_a_crop_may_be_outside_the_garment(beside):
    mask = np.zeros((40, 60), bool)
    mask[20:30, 35:45] = True
    mask[20, 35 : 35 + beside] = False
    found = crop_mask_findings(Crop(x=35, y=20, width=10, height=10), mask, "a")
    bad = ["97% of the crop is garment, less than 98%"]
    assert [finding.message for finding in found] == ([] if beside == 2 else bad)


@pytest.mark.parametrize(
    ("panel", "clear"),
    [
        ((10, 20, 30, 50), True),
        ((11, 20, 30, 50), False),
        ((10, 21, 30, 50), False),
        ((10, 20, 29, 50), False),
        ((10, 20, 30, 49), False),
    ],
)
def test_a_crop_must_be_inside_the_on_model_photo(panel, clear):
    across = f"the crop (10, 20, 30, 50) is not inside the on-model photo {panel}"
    found = crop_seam_findings(Crop(x=10, y=20, width=20, height=30), panel, "a")
    assert [finding.message for finding in found] == ([] if clear else [across])


def test_images_without_a_crop_are_listed_in_order(tmp_path, chromiq):
    for number in range(1, 13):
        write_photo(tmp_path / "gt" / f"pair{number}.png", np.full((32, 32, 3), 200, np.uint8))
    (tmp_path / "masks").mkdir()
    paths = ("--gt", tmp_path / "gt", "--masks", tmp_path / "masks", "--out", tmp_path / "crops.json")
    result = chromiq("crops", "suggest", *paths)
    assert result.code == 3
    skipped = [line.split(":")[0] for line in result.err.splitlines() if ": skipped: " in line]
    assert skipped == [f"pair{number}" for number in range(1, 13)]
