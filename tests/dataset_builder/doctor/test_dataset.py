"""The doctor names every fault that the trainer would swallow."""

import json

import numpy as np
import pytest

from chromiq.dataset_builder.doctor.dataset import check_dataset
from chromiq.imaging.registration import fast_shift_px
from chromiq.photos.images import read_photo, write_mask, write_photo


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
        (lambda root: (root / "gt/pair1.txt").write_bytes(b"\xff\xfe"), "caption.encoding"),
        (lambda root: (root / "gt/pair1.txt").write_text("chromiq", "utf-8-sig"), "caption.encoding"),
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


def test_a_jpeg_that_ends_early_is_warned_about(dataset):
    path = dataset / "gt" / "pair2.jpg"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3] + b"\xff\xd9")
    assert "photo.damaged" in codes(dataset)


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
    assert "about 10 px" in finding.message


def test_shift_is_measured_to_a_pixel_and_blind_to_colour(built_dataset):
    rgb = read_photo(built_dataset / "gt" / "pair1.jpg").rgb
    other = np.roll(rgb, 5, axis=1)
    other = (other * np.array([0.8, 1.0, 0.9])).astype(np.uint8)
    assert fast_shift_px(rgb, other) == pytest.approx(5, abs=0.5)
    assert fast_shift_px(rgb, (rgb * 0.8).astype(np.uint8)) < 0.3


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
    assert codes(tmp_path) == ["dataset.folder"]


def manifest_without(root, *fields):
    """Rewrite the manifest with each example changed by a function."""
    lines = [json.loads(line) for line in (root / "manifest.jsonl").read_text().splitlines()]
    for line in lines:
        for field in fields:
            field(line)
    (root / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_colour_error_too_small_to_see_is_found(dataset):
    path = dataset / "control" / "pair1.jpg"
    target = read_photo(dataset / "gt" / "pair1.jpg").rgb
    barely = target.copy()
    barely[..., 2] = np.clip(barely[..., 2].astype(int) + 1, 0, 255)
    write_photo(path, barely, quality=100)
    (finding,) = check_dataset(dataset)
    assert (finding.code, finding.where, finding.severity) == ("control.noop", str(path), "error")


def test_an_error_that_hardly_touches_the_garment_is_found_without_a_manifest(dataset):
    (dataset / "manifest.jsonl").unlink()
    target = read_photo(dataset / "gt" / "pair1.jpg").rgb
    speck = target.copy()
    speck[400:420, 900:920] = 255 - speck[400:420, 900:920]
    write_photo(dataset / "control" / "pair1.jpg", speck, quality=100)
    assert "control.noop" in codes(dataset)


def test_what_was_left_true_on_purpose_is_no_fault(dataset):
    (dataset / "control/pair1.jpg").write_bytes((dataset / "gt/pair1.jpg").read_bytes())

    def left_true(line):
        if line["name"] == "pair1":
            line["degradation"] |= {"kind": "identity", "asked_delta_e": 0.0}

    manifest_without(dataset, left_true)
    assert codes(dataset) == []


def test_a_change_outside_the_garment_is_found(dataset):
    path = dataset / "control" / "pair1.jpg"
    control = read_photo(path).rgb.copy()
    control[20:120, 700:800] = (40, 200, 90)  # background above the shoulder
    write_photo(path, control)
    (finding,) = check_dataset(dataset)
    assert finding.code == "control.outside"
    assert finding.where == str(path)


def test_a_held_out_garment_that_is_trained_on_is_found(dataset):
    rgb = read_photo(dataset / "gt" / "pair1.jpg").rgb
    kept = dataset / "held_out"
    write_photo(kept / "gt" / "pair9.jpg", rgb, quality=70)
    write_photo(kept / "control" / "pair9.jpg", read_photo(dataset / "control" / "pair1.jpg").rgb, quality=70)
    (kept / "gt" / "pair9.txt").write_text("chromiq Change the shirt color on the right to match the left")
    (kept / "masks" / "pair9.png").write_bytes((dataset / "masks" / "pair1.png").read_bytes())
    (finding,) = check_dataset(dataset)
    assert finding.code == "held_out.duplicate"
    assert "pair9" in finding.where
    assert "pair1.jpg" in finding.message


def test_a_caption_without_the_trigger_is_found(dataset):
    path = dataset / "gt" / "pair2.txt"
    path.write_text("Change the shirt color")
    (finding,) = check_dataset(dataset)
    assert (finding.code, finding.where) == ("caption.trigger", str(path))
    for path in [*(dataset / "gt").glob("*.txt"), *(dataset / "held_out/gt").glob("*.txt")]:
        path.write_text("Change the shirt color")
    (finding,) = check_dataset(dataset)
    assert (finding.severity, finding.message) == (
        "warning",
        "no caption contains the trigger word 'chromiq'",
    )


def test_pictures_the_trainer_would_cut_are_reported_once_with_how_much(dataset):
    for role in ("gt", "control"):
        for path in (dataset / role).glob("*.jpg"):
            write_photo(path, read_photo(path).rgb[:-10])
    for path in (dataset / "masks").glob("*.png"):
        write_mask(path, read_photo(path).rgb[:-10, :, 0])
    (finding,) = (finding for finding in check_dataset(dataset) if finding.code == "image.cropped")
    assert "3 of 1328x790" in finding.where
    assert "at 1328x784, with 6 of 790 rows cut off" in finding.message


def test_a_mask_of_a_kind_the_trainer_does_not_look_for(dataset):
    path = dataset / "masks" / "pair1.png"
    write_photo(path.with_suffix(".tif"), read_photo(path).rgb)
    path.unlink()
    assert "dataset.suffix" in codes(dataset)


def test_controls_that_collide_in_their_own_folder(dataset):
    write_photo(dataset / "control" / "Pair1.png", read_photo(dataset / "control" / "pair1.jpg").rgb)
    assert "dataset.twins" in codes(dataset)


def test_photos_apart_are_not_taken_for_one_another(dataset):
    assert "held_out.duplicate" not in codes(dataset)


@pytest.mark.parametrize(
    "geometry",
    [
        {"on_model_xyxy": [10**30] * 4, "canvas_wh": [10**30] * 2},
        {"canvas_wh": [None, None]},
        {"on_model_xyxy": [0.5, 0, 5, 5]},
        {"on_model_xyxy": [0, 0, 9, 5], "canvas_wh": [8, 8]},
    ],
)
def test_a_manifest_whose_photo_is_not_on_the_canvas(dataset, geometry):
    manifest_without(dataset, lambda line: line["geometry"].update(geometry))
    assert codes(dataset).count("manifest.line") == 4


@pytest.mark.parametrize(
    "spoilt",
    [
        {"target": "../../etc/passwd"},
        {"digests": {"/etc/passwd": ""}},
        {"key": "/../../x"},
        {"target": 5},
    ],
)
def test_a_manifest_that_names_files_outside_the_dataset(dataset, spoilt):
    manifest_without(dataset, lambda line: line.update(spoilt))
    codes = [finding.code for finding in check_dataset(dataset)]
    assert codes.count("manifest.line") == 4


def test_a_manifest_of_another_picture_is_no_crash(dataset):
    """A photo of one pixel on a canvas of thousands is nothing on the small picture that is looked at."""
    tiny = {"on_model_xyxy": [0, 0, 1, 1], "canvas_wh": [30_000, 10]}
    manifest_without(dataset, lambda line: line["geometry"].update(tiny))
    assert "manifest.line" not in [finding.code for finding in check_dataset(dataset)]


def test_a_build_that_has_not_ended_is_no_dataset_yet(dataset):
    """Half of it would train silently, as every example that is there is sound."""
    (dataset / "manifest.jsonl").unlink()
    assert codes(dataset) == ["dataset.unfinished"]
    (dataset / ".chromiq" / "build.json").unlink()  # as made by hand
    assert codes(dataset) == []
