"""Crops: suggested on cloth alone, checked, drawn."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from chromiq.images import read_photo, write_mask, write_photo
from chromiq_cli.main import app
from evaluate.crop_suggest import suggest_crop


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
    assert read_photo(tmp_path / "sheet.png").rgb.shape == (380, 380, 3)
    crops["a"]["x"] = 0
    (tmp_path / "crops.json").write_text(json.dumps(crops))
    moved = CliRunner().invoke(app, check)
    assert [finding.code for finding in moved.exception.findings] == ["crops.mask"]
