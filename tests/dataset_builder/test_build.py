"""Same bytes for any number of workers and on Ray; what is finished is not made again."""

import json
import os
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from file_digests import digests

from chromiq.dataset_builder.build import batched, build, build_on_ray, check_resources
from chromiq.dataset_builder.example import PairWork, build_pairs
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_builder.inputs.selection import garment_of
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_builder.pair_record import remove_recorded
from chromiq.dataset_builder.segmenters.small.weights import MULTICLASS
from chromiq.errors import UnsoundError, UsageError
from chromiq.photos.images import photo_size_wh, read_mask, read_photo, write_photo
from chromiq.records import GarmentLabel, GarmentMask
from chromiq.sample_catalogue.catalogue import write_catalogue

OPTIONS = BuildOptions(segmenter="classic", variants=2, held_out=0.3, size_wh=(256, 160))
MANIFEST = "manifest.jsonl"


def manifest(folder):
    return [json.loads(line) for line in (folder / MANIFEST).read_text().splitlines()]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """Five small drawn pairs with their exact masks."""
    folder = tmp_path_factory.mktemp("small") / "catalogue"
    write_catalogue(folder, pairs=5, size_wh=(120, 150))
    return folder


@pytest.fixture(scope="module")
def masks(catalogue):
    (folder,) = {path.parent for path in catalogue.rglob("on_model*.png") if "truth" in path.parts}
    return folder


@pytest.fixture(scope="module")
def built(catalogue, masks, tmp_path_factory):
    """Its dataset, by one worker; not to be written to."""
    folder = tmp_path_factory.mktemp("built") / "dataset"
    build(catalogue, folder, OPTIONS, masks=masks)
    return folder


def test_two_workers_write_the_same_bytes(catalogue, masks, built, tmp_path):
    build(catalogue, tmp_path / "dataset", OPTIONS, masks=masks, workers=2)
    assert digests(tmp_path / "dataset") == digests(built)


@pytest.mark.ray
@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install '.[ray]'")
def test_ray_writes_the_same_bytes(catalogue, masks, built, tmp_path):
    summary = build(catalogue, tmp_path / "dataset", OPTIONS, masks=masks, engine=build_on_ray, workers=1)
    assert summary.examples == 10
    assert digests(tmp_path / "dataset") == digests(built)


def test_what_a_cluster_does_not_have_is_not_waited_for():
    with pytest.raises(UsageError, match="4 workers need 4 CPUs, and the Ray cluster has 2"):
        check_resources({"CPU": 2.0}, 4, 0)
    with pytest.raises(UsageError, match="2 workers need 1 GPUs, and the Ray cluster has 0"):
        check_resources({"CPU": 2.0}, 2, 0.5)


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_the_cure_is_named(catalogue, masks, tmp_path):
    with pytest.raises(UsageError, match=r"^the ray engine needs .*; run: pip install 'chromiq\[ray\]'$"):
        build(catalogue, tmp_path / "dataset", OPTIONS, masks=masks, engine=build_on_ray)


def test_only_what_was_spoilt_is_made_again(catalogue, masks, built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "dataset")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("pair*.*")}
    spoilt = folder / manifest(folder)[0]["control"]
    spoilt.write_bytes(b"")
    summary = build(catalogue, folder, OPTIONS, masks=masks)
    assert (summary.resumed, summary.segmenter) == (4, None)  # each mask was given
    assert digests(folder) == digests(built)
    touched = {path.stem for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert touched == {"pair1", "pair1-v2"}


def test_masks_are_found_again_once_more_weights_are_there(
    catalogue, masks, tmp_path, monkeypatch, all_small_weights
):
    files = all_small_weights()
    weights = tmp_path / "weights"
    weights.mkdir()
    monkeypatch.setenv("CHROMIQ_WEIGHTS", str(weights))
    options, garments = replace(OPTIONS, segmenter="mediapipe", variants=1), masks.parent / "garments.json"

    def resumed():
        found = build(catalogue, tmp_path / "found", options, garments=garments, keep_doubtful=True)
        given = build(catalogue, tmp_path / "given", options, garments=garments, masks=masks)
        return found.resumed, given.resumed

    third = files.pop(MULTICLASS.name)
    for name, file in files.items():
        (weights / name).symlink_to(file)
    assert resumed() == (0, 0)
    (weights / MULTICLASS.name).symlink_to(third)
    assert resumed() == (0, 5)
    assert resumed() == (5, 5)


def test_other_options_are_refused_in_the_same_folder(catalogue, masks, built):
    before = digests(built)
    with pytest.raises(UsageError, match="variants was 2 and is 1"):
        build(
            catalogue, built, BuildOptions(segmenter="classic", held_out=0.3, size_wh=(256, 160)), masks=masks
        )
    assert digests(built) == before


def test_the_manifest_tells_what_was_asked_and_what_came_out(built, catalogue):
    lines = manifest(built)
    assert len(lines) == 10
    for line in lines:
        error = line["degradation"]
        assert error["reached_delta_e"] == pytest.approx(error["asked_delta_e"], rel=0.05)
        assert error["parameters"]["strength"] > 0
        assert line["geometry"]["canvas_wh"] == [256, 160] == list(photo_size_wh(built / line["target"]))
        true, off = (read_photo(built / line[role]).rgb for role in ("target", "control"))
        left, top, right, bottom = line["geometry"]["on_model_xyxy"]
        assert np.abs(true[:, :left].astype(int) - off[:, :left]).mean() < 1
        panel = read_mask(built / line["mask"])
        assert panel[top:bottom, left:right].all()
        assert panel.sum() == (bottom - top) * (right - left)
        assert line["caption"] == (built / line["target"]).with_suffix(".txt").read_text()
        photo = catalogue / f"on_model{line['key']}.jpg"
        mask = read_mask(built / f"garment_masks/on_model{line['key']}.png")
        assert mask.shape[::-1] == photo_size_wh(photo)
    kinds = {line["key"]: set() for line in lines}
    for line in lines:
        kinds[line["key"]].add(line["degradation"]["kind"])
    assert all(len(kind) == 2 for kind in kinds.values())


def test_a_garment_is_wholly_trained_on_or_wholly_held_out(built):
    splits = {}
    for line in manifest(built):
        splits.setdefault(line["key"], set()).add(line["split"])
        assert line["target"].startswith("held_out/") == (line["split"] == "held_out")
    assert all(len(split) == 1 for split in splits.values())
    assert {"train"} in splits.values()
    assert {"held_out"} in splits.values()


def test_that_nothing_was_held_out_is_said(catalogue, masks, tmp_path):
    options = replace(OPTIONS, held_out=0.001)
    findings = build(catalogue, tmp_path / "dataset", options, masks=masks).findings
    assert [finding.message for finding in findings if finding.code == "held_out.none"] == [
        "none of 5 pairs was drawn to be held out"
    ]


def test_photos_of_one_garment_share_a_split(tmp_path):
    rows = "still_life,on_model,key\nstill-life7.jpg,front.jpg,7-front\nstill-life7.jpg,back.jpg,7-back\n"
    for name in ("still-life7", "front", "back"):
        write_photo(tmp_path / f"{name}.jpg", np.full((80, 80, 3), 128, np.uint8))
    (tmp_path / "pairs.csv").write_text(rows)
    pairs = find_pairs(tmp_path / "pairs.csv").pairs
    assert [pair.key for pair in pairs] == ["7-back", "7-front"]
    assert {garment_of(pair) for pair in pairs} == {"7"}


def test_a_share_is_left_true_and_said_to_be(catalogue, masks, tmp_path):
    options = BuildOptions(segmenter="classic", variants=4, identity_share=0.5, size_wh=(128, 128))
    build(catalogue, tmp_path, options, masks=masks)
    lines = manifest(tmp_path)
    true = [line for line in lines if line["degradation"]["kind"] == "identity"]
    assert 4 <= len(true) <= 16
    for line in lines:
        same = (tmp_path / line["target"]).read_bytes() == (tmp_path / line["control"]).read_bytes()
        assert same == (line in true)


def test_models_with_references_get_photos_as_they_are(catalogue, masks, tmp_path):
    build(catalogue, tmp_path, BuildOptions("qwen-image-edit-2509", segmenter="classic"), masks=masks)
    for line in manifest(tmp_path):
        assert line["geometry"] is line["mask"] is None
        still_life = read_photo(catalogue / f"still-life{line['key']}.jpg").rgb
        reference = read_photo(tmp_path / line["reference"]).rgb
        assert np.abs(reference.astype(int) - still_life).mean() < 3
        assert Path(line["reference"]).name == Path(line["control"]).name == Path(line["target"]).name
        assert photo_size_wh(tmp_path / line["control"]) == (120, 150)
    assert (tmp_path / "preview_sheet.jpg").is_file()


def test_an_edited_caption_stays_however_often_its_example_is_made_again(catalogue, masks, tmp_path):
    options = BuildOptions(segmenter="classic", size_wh=(128, 80))
    build(catalogue, tmp_path, options, masks=masks)
    (edited, *others) = manifest(tmp_path)
    path = (tmp_path / edited["target"]).with_suffix(".txt")
    path.write_text("chromiq Make the blouse as blue as on the left\n")
    for lost in (None, edited["control"], edited["target"]):
        if lost:
            (tmp_path / lost).unlink()
        build(catalogue, tmp_path, options, masks=masks)
        (line, *rest) = manifest(tmp_path)
        assert line["caption"] == path.read_text() == "chromiq Make the blouse as blue as on the left"
        assert rest == others


def test_an_edited_caption_that_is_not_utf_8_is_reported_and_an_empty_one_written_again(
    catalogue, masks, tmp_path
):
    options = BuildOptions(segmenter="classic", size_wh=(128, 80))
    build(catalogue, tmp_path, options, masks=masks)
    whole = digests(tmp_path)
    path = (tmp_path / manifest(tmp_path)[0]["target"]).with_suffix(".txt")
    path.write_bytes("chromiq été".encode("latin-1"))
    with pytest.raises(UnsoundError) as caught:
        build(catalogue, tmp_path, options, masks=masks)
    (fault,) = caught.value.findings
    assert (fault.code, fault.where) == ("caption.unreadable", str(path))
    assert "not text in UTF-8, from byte 9 on" in fault.message
    assert path.read_bytes() == "chromiq été".encode("latin-1")
    path.write_text(" \n")
    build(catalogue, tmp_path, options, masks=masks)
    assert digests(tmp_path) == whole


def test_captions_are_drawn_from_the_templates_given_by_seed(catalogue, masks, tmp_path):
    templates = ("{trigger} Match the {garment}.", "{trigger} Recolor the {garment} on the {side}.")
    drawn = {}
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        options = BuildOptions(
            segmenter="classic", captions=templates, seed=seed, variants=3, size_wh=(128, 128)
        )
        build(catalogue, folder, options, masks=masks)
        lines = manifest(folder)
        for line in lines:
            label = line["label"]["name"]
            wanted = [text.format(trigger="chromiq", garment=label, side="right") for text in templates]
            assert line["caption"] in wanted
            assert (folder / line["target"]).with_suffix(".txt").read_text() == line["caption"]
        drawn[seed] = ["Recolor" in line["caption"] for line in lines]
    assert {*drawn[0]} == {True, False}
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("style", ["garment", "panel"])
def test_models_with_references_get_loss_masks_when_asked(style, catalogue, masks, tmp_path):
    options = BuildOptions("qwen-image-edit-2509", segmenter="classic", loss_mask=style)
    build(catalogue, tmp_path, options, masks=masks)
    for line in manifest(tmp_path):
        weights = read_photo(tmp_path / line["mask"]).rgb[..., 0]
        assert weights.shape == read_photo(tmp_path / line["target"]).rgb.shape[:2]
        assert (weights.min(), weights.max()) == ((51, 255) if style == "garment" else (255, 255))
    from chromiq.dataset_builder.doctor.dataset import check_dataset

    assert [finding for finding in check_dataset(tmp_path) if finding.code.startswith("mask")] == []


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        (BuildOptions("qwen-image-edit-2509", loss_mask="half"), "Use garment or panel"),
        (BuildOptions(captions=("Match the {garment}",)), "has no {trigger}"),
        (BuildOptions(size_wh=(1000, 800)), "multiples of 16.* 992x800"),
        (BuildOptions(size_wh=(48, 48)), "between 64 and 8192"),
        (BuildOptions(size_wh=(1328, 800), geometry="published"), "has its own"),
        (BuildOptions("qwen-image-edit-2509", size_wh=(1328, 800)), "sees photos as they are"),
        (BuildOptions("sdxl"), "unknown model"),
        (BuildOptions(identity_share=1.5), "identity_share"),
    ],
)
def test_options_that_make_no_dataset(options, reported, catalogue, tmp_path):
    with pytest.raises(UsageError, match=reported):
        build(catalogue, tmp_path / "dataset", options)
    assert not (tmp_path / "dataset").exists()


def test_a_missing_profile_is_said_once(tmp_path):
    from PIL import Image

    for name in ("still-life1", "on_model1", "still-life2", "on_model2"):
        Image.new("RGB", (80, 80), "grey").save(tmp_path / f"{name}.jpg")
    (finding,) = find_pairs(tmp_path, decode=True).findings
    assert (finding.code, finding.severity) == ("photo.untagged", "warning")
    assert finding.where.startswith("4 photos, the first ")
    assert "read as sRGB" in finding.message


def test_nothing_is_written_when_a_photo_is_broken(catalogue, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for path in catalogue.glob("*.jpg"):
        os.link(path, source / path.name)
    (source / "on_model3.jpg").unlink()
    whole = (catalogue / "on_model3.jpg").read_bytes()
    (source / "on_model3.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(UnsoundError) as error:
        build(source, tmp_path / "dataset", OPTIONS)
    assert [finding.code for finding in error.value.findings] == ["photo.truncated"]
    assert not (tmp_path / "dataset").exists()


class Rounding:
    """Stands for a model whose sums, and with them its masks, depend on how many photos it sees at once."""

    name = "rounding"

    def __init__(self):
        self.seen = []

    def label(self, photo_pairs):
        return [GarmentLabel("shirt", "grounding-dino")] * len(photo_pairs)

    def segment(self, tasks):
        self.seen.append(len(tasks))
        masks = [np.zeros(task.on_model.shape[:2], bool) for task in tasks]
        for mask in masks:
            mask[40 : 70 + len(tasks), 30:90] = True
        return [GarmentMask(mask, 0.9) for mask in masks]


def test_garments_are_found_in_batches_whatever_is_finished_already(catalogue, tmp_path):
    segmenter, folder = Rounding(), tmp_path / "dataset"
    options = replace(OPTIONS, segmenter="grounded-sam2")
    works = [PairWork(pair, folder, options, None) for pair in find_pairs(catalogue).pairs]

    def built_in_batches():
        return [
            result.resumed for batch in batched(works) for result in build_pairs(batch, lambda: segmenter)
        ]

    assert built_in_batches() == [False] * 5
    assert segmenter.seen == [4, 1]
    whole = digests(folder)
    remove_recorded(folder, works[1].pair.key)
    assert built_in_batches() == [True, False, True, True, True]
    assert segmenter.seen == [4, 1, 4]
    assert digests(folder) == whole
