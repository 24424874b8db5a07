"""The doctor names every fault that the trainer would swallow."""

import numpy as np
import pytest

from chromiq.images import read_photo, write_mask, write_photo
from dataset_builder.doctor import check_dataset, shift_px


def codes(root):
    return [finding.code for finding in check_dataset(root)]


def test_a_built_dataset_is_sound(built_dataset):
    assert check_dataset(built_dataset) == []


def test_held_out_examples_are_not_trained_on(built_dataset):
    assert (built_dataset / "held_out" / "gt" / "pair4.jpg").is_file()
    assert not (built_dataset / "gt" / "pair4.jpg").exists()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda root: (root / "control/pair1.jpg").unlink(), "dataset.control"),
        (lambda root: (root / "masks/pair1.png").unlink(), "dataset.mask"),
        (lambda root: (root / "gt/pair1.txt").unlink(), "caption.missing"),
        (lambda root: (root / "gt/pair1.txt").write_text("\n"), "caption.empty"),
        (lambda root: (root / "gt/pair1.txt").write_bytes(b"\xff\xfe"), "caption.missing"),
        (lambda root: (root / "gt/pair1.jpg").write_text("no photo"), "photo.unreadable"),
        (lambda root: (root / "control/pair1.jpg").write_bytes(b""), "photo.empty"),
        (lambda root: (root / "manifest.jsonl").write_text("{\n"), "manifest.line"),
    ],
)
def test_one_fault_is_found(dataset, spoil, code):
    spoil(dataset)
    assert code in codes(dataset)


def test_a_cut_off_photo_is_found(dataset):
    path = dataset / "gt" / "pair2.jpg"
    path.write_bytes(path.read_bytes()[:2000])
    assert "photo.truncated" in codes(dataset)


def test_masks_black_white_inverted_and_of_another_size(dataset):
    path = dataset / "masks" / "pair1.png"
    good = read_photo(path).rgb[..., 0]
    for mask, code in (
        (np.zeros_like(good), "mask.black"),
        (np.full_like(good, 255), "mask.white"),
        (255 - good, "mask.inverted"),
        (good[:-16], "mask.size"),
    ):
        write_mask(path, mask)
        assert codes(dataset) == [code]


def test_a_shifted_control_is_found_and_how_far(dataset):
    path = dataset / "control" / "pair1.jpg"
    rgb = read_photo(path).rgb
    write_photo(path, np.roll(rgb, (6, 8), axis=(0, 1)))
    (finding,) = check_dataset(dataset)
    assert finding.code == "control.shifted"
    assert "about 10 px" in finding.got


def test_shift_is_measured_to_a_pixel_and_blind_to_colour(built_dataset):
    rgb = read_photo(built_dataset / "gt" / "pair1.jpg").rgb
    other = np.roll(rgb, 5, axis=1)
    other = (other * np.array([0.8, 1.0, 0.9])).astype(np.uint8)
    assert shift_px(rgb, other) == pytest.approx(5, abs=0.5)
    assert shift_px(rgb, (rgb * 0.8).astype(np.uint8)) < 0.3


def test_a_control_equal_to_its_target_is_only_a_warning(dataset):
    (dataset / "control/pair1.jpg").write_bytes((dataset / "gt/pair1.jpg").read_bytes())
    (finding,) = check_dataset(dataset)
    assert (finding.code, finding.severity) == ("control.same", "warning")


def test_all_faults_come_at_once(dataset):
    (dataset / "control/pair1.jpg").unlink()
    (dataset / "masks/pair2.png").unlink()
    (dataset / "gt/pair3.txt").unlink()
    found = codes(dataset)
    assert {"dataset.control", "dataset.mask", "caption.missing"} <= set(found)
    assert found.count("manifest.missing") == 3


def test_orphans_and_twins(dataset):
    photo = (dataset / "gt/pair1.jpg").read_bytes()
    (dataset / "control/pair9.jpg").write_bytes(photo)
    (dataset / "gt/PAIR1.jpg").write_bytes(photo)
    assert {"control.orphan", "dataset.twins"} <= set(codes(dataset))


def test_no_masks_at_all(dataset):
    for path in (dataset / "masks").iterdir():
        path.unlink()
    (dataset / "masks").rmdir()
    assert "dataset.masks" in codes(dataset)


def test_a_folder_that_is_no_dataset(tmp_path):
    assert codes(tmp_path)[:2] == ["dataset.masks", "dataset.folder"]
