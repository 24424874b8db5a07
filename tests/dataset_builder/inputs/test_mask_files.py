"""Masks leave as COCO and come back the same, from our own files and from those of other programs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import supervision as sv
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from typer.testing import CliRunner

from chromiq.dataset_builder.build import build as build_dataset
from chromiq.dataset_builder.inputs.mask_files import (
    GivenMasks,
    mask_paths,
    no_mask_finding,
    read_coco,
    write_coco,
)
from chromiq.dataset_builder.options import BuildOptions
from chromiq.errors import UnsoundError
from chromiq.photos.images import read_mask, write_mask
from chromiq.records import GarmentMask, PhotoPair
from chromiq.sample_catalogue.catalogue import write_catalogue
from chromiq_cli.verbs import app

PAIR = PhotoPair("7", Path("shop/still-life7.jpg"), Path("shop/on_model7.jpg"))
SQUARE = [[2.0, 2.0, 9.0, 2.0, 9.0, 9.0, 2.0, 9.0]]


def document(*annotations, file_name="on_model7.jpg", categories=("shirt",)):
    """A COCO file of one image, 20 px wide and 12 px high, as other programs write it."""
    return {
        "info": {"contributor": "somebody"},
        "licenses": [],
        "images": [{"id": 5, "file_name": file_name, "width": 20, "height": 12, "coco_url": ""}],
        "categories": [{"id": n, "name": name, "supercategory": ""} for n, name in enumerate(categories, 1)],
        "annotations": [
            {"id": n, "image_id": 5, "category_id": 1, "iscrowd": 0, "bbox": [0, 0, 1, 1], "attributes": {}}
            | annotation
            for n, annotation in enumerate(annotations, 1)
        ],
    }


@pytest.fixture
def coco(tmp_path):
    def write(*annotations, **named):
        path = tmp_path / "coco.json"
        path.write_text(json.dumps(document(*annotations, **named)), encoding="utf-8")
        return path

    return write


@settings(max_examples=60, deadline=None)
@given(mask=arrays(bool, st.tuples(st.integers(1, 30), st.integers(1, 30))).filter(np.any))
def test_every_mask_returns_with_every_pixel(tmp_path_factory, mask):
    path = tmp_path_factory.mktemp("coco") / "coco.json"
    write_coco(path, Path("shop/pairs.csv"), [(PAIR, "shirt", GarmentMask(mask, 0.8))])
    masks = read_coco(path, [PAIR])
    np.testing.assert_array_equal(masks.by_key["7"].read(), mask)
    assert masks.unused == ()


def test_supervision_reads_what_is_written(tmp_path):
    masks = [np.zeros((12, 20), bool) for _ in range(2)]
    masks[0][3:8, 4:15] = True
    masks[0][5, 6] = False  # a hole
    masks[1][1:3, 1:3] = masks[1][7:9, 12:18] = True  # two parts
    pairs = [PhotoPair(key, tmp_path / "s.png", tmp_path / f"on_model{key}.png") for key in "12"]
    for pair, mask in zip(pairs, masks, strict=True):
        write_mask(pair.on_model, mask)  # any picture of this size
    found = [
        (pair, name, GarmentMask(mask, 1.0))
        for pair, name, mask in zip(pairs, ("shirt", "dress"), masks, strict=True)
    ]
    write_coco(tmp_path / "coco.json", tmp_path, found)
    dataset = sv.DetectionDataset.from_coco(str(tmp_path), str(tmp_path / "coco.json"), force_masks=True)
    assert dataset.classes == ["shirt", "dress"]
    for number, (path, _, detections) in enumerate(dataset):
        assert Path(path).name == f"on_model{number + 1}.png"
        assert detections.class_id.tolist() == [number]
        np.testing.assert_array_equal(detections.mask[0], masks[number])
        rows, columns = np.nonzero(masks[number])
        edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert detections.xyxy[0].tolist() == edges


@pytest.mark.parametrize(
    ("segmentations", "pixels"),
    [
        ([SQUARE], 64),  # corners are pixels of the garment
        ([[[2, 2, 9, 2, 9, 9, 2, 9], [12, 2, 13, 2, 13, 3, 12, 3]]], 68),  # one object of two polygons
        ([SQUARE, [[12, 2, 13, 2, 13, 3, 12, 3]]], 68),  # two annotations
        ([{"counts": [14, 3, 223], "size": [12, 20]}], 3),
        ([{"counts": sv.mask_to_rle(np.eye(12, 20, dtype=bool), compressed=True), "size": [12, 20]}], 12),
    ],
)
def test_what_others_write_is_read(coco, segmentations, pixels):
    path = coco(*({"segmentation": segmentation} for segmentation in segmentations))
    masks = read_coco(path, [PAIR]).by_key
    assert masks["7"].read().sum() == pixels


def test_images_find_their_pairs_by_path_or_key(coco):
    twins = [PhotoPair(key, Path("s.jpg"), Path(f"shop/{key}/front.jpg")) for key in ("a", "b")]
    for name, key in (("b/front.jpg", "b"), ("shop\\a\\front.jpg", "a"), ("images/on_modelb.png", "b")):
        assert list(read_coco(coco({"segmentation": SQUARE}, file_name=name), twins).by_key) == [key]
    masks = read_coco(coco({"segmentation": SQUARE}, file_name="c/front.jpg"), twins)
    assert masks == GivenMasks({}, ("c/front.jpg",))
    with pytest.raises(UnsoundError) as caught:
        read_coco(coco({"segmentation": SQUARE}, file_name="front.jpg"), twins)
    assert "front.jpg: fits several photos" in str(caught.value.findings[0])


def test_a_category_that_the_file_does_not_list_is_a_fault(coco):
    with pytest.raises(UnsoundError) as caught:
        read_coco(coco({"segmentation": SQUARE, "category_id": 9}), [PAIR])
    assert "annotation of category 9, which the file does not list" in str(caught.value.findings[0])


def test_of_several_categories_the_garments_own_counts(coco):
    other = {"segmentation": [[12, 2, 13, 2, 13, 3, 12, 3]], "category_id": 2}
    path = coco({"segmentation": SQUARE}, other, categories=("shirt", "Trousers"))
    with pytest.raises(UnsoundError) as caught:
        read_coco(path, [PAIR])
    assert "several categories (Trousers, shirt)" in str(caught.value.findings[0])
    trousers = PhotoPair("7", PAIR.still_life, PAIR.on_model, "trousers")
    assert read_coco(path, [trousers]).by_key["7"].read().sum() == 4


@pytest.mark.parametrize(
    "segmentation",
    [
        {"counts": [1, 2], "size": [12, 20]},
        {"counts": [-240, 480], "size": [12, 20]},
        {"counts": "~~~", "size": [12, 20]},
        {"counts": "", "size": [12, 20]},
        [[1, 2, 3]],
        [[1, 2, 3, 4]],
        [[1e300, 0, 5, 5, 5, 0]],
    ],
)
def test_a_mask_that_cannot_be_decoded_is_a_finding(coco, segmentation):
    masks = read_coco(coco({"segmentation": segmentation}), [PAIR]).by_key
    with pytest.raises(UnsoundError) as caught:
        masks["7"].read()
    assert "on_model7.jpg: annotation 1 cannot be decoded" in str(caught.value.findings[0])


@pytest.mark.parametrize(
    "text", ["", "[]", '{"images": []}', '{"images": 3, "annotations": [], "categories": []}']
)
def test_another_file_is_a_finding(tmp_path, text):
    path = tmp_path / "coco.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnsoundError, match="cannot be read as COCO"):
        read_coco(path, [PAIR])


def test_of_two_masks_that_differ_in_case_alone_each_photo_gets_its_own(tmp_path):
    for name in ("A.png", "a.png", "b.PNG"):
        (tmp_path / name).touch()
    if (tmp_path / "B.png").exists():
        pytest.skip("the disk takes A.png and a.png for one file")
    pairs = [PhotoPair(str(n), Path("s.jpg"), Path(f"shop/{name}.jpg")) for n, name in enumerate("AaB")]
    assert [path.name for path in mask_paths(pairs, tmp_path).values()] == ["A.png", "a.png", "b.PNG"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A catalogue of two pairs, and the dataset built from it, with its masks as COCO."""
    catalogue, dataset = (tmp_path_factory.mktemp(name) for name in ("catalogue", "dataset"))
    write_catalogue(catalogue, pairs=2, size_wh=(112, 140))
    command = ["build", str(catalogue), "--out", str(dataset), "--segmenter", "classic", "--workers", "1"]
    options = ["--keep-doubtful", "--no-colour-check", "--export-masks", "coco", "--size", "192x128"]
    assert CliRunner().invoke(app, [*command, *options]).exit_code == 0
    return catalogue, dataset


def test_a_build_reads_the_masks_that_another_exported(exported, tmp_path):
    catalogue, first = exported
    masks = tmp_path / "second" / "coco.json"
    masks.parent.mkdir()
    shutil.copy(first / "coco.json", masks)

    def build():
        options = BuildOptions(segmenter="classic", size_wh=(192, 128))
        return build_dataset(catalogue, tmp_path / "second", options, masks=masks)

    assert build().examples == 2
    for key in ("1", "2"):
        read_back, before = (
            read_mask(dataset / f"garment_masks/on_model{key}.png")
            for dataset in (tmp_path / "second", first)
        )
        np.testing.assert_array_equal(read_back, before)
    content = json.loads(masks.read_text(encoding="utf-8"))
    content["annotations"][1]["segmentation"] = [[20, 20, 60, 20, 60, 90, 20, 90]]
    masks.write_text(json.dumps(content), encoding="utf-8")
    assert build().resumed == 1  # only the pair whose mask is another
    assert read_mask(tmp_path / "second/garment_masks/on_model2.png").sum() == 41 * 71


def test_masks_of_another_size_stop_a_build_before_it_writes(exported, tmp_path):
    catalogue, dataset = exported
    content = json.loads((dataset / "coco.json").read_text(encoding="utf-8"))
    content["annotations"][0]["segmentation"] = SQUARE
    content["images"][0]["width"] += 1
    masks = tmp_path / "coco.json"
    masks.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UnsoundError) as caught:
        build_dataset(catalogue, tmp_path / "second", BuildOptions(segmenter="classic"), masks=masks)
    faults = [finding for finding in caught.value.findings if finding.severity == "error"]
    assert [(finding.code, finding.got) for finding in faults] == [("mask.size", "113x140")]
    assert faults[0].where.endswith("coco.json: on_model1.jpg")
    assert not (tmp_path / "second").exists()


def test_correct_reads_them_too(exported, tmp_path):
    catalogue, dataset = exported
    masks = shutil.copy(dataset / "coco.json", tmp_path)
    command = ["correct", "--batch", str(catalogue), "--out", str(tmp_path), "--segmenter", "classic"]
    result = CliRunner().invoke(app, [*command, "--masks", str(masks), "--json"])
    assert [item["mask_confidence"] for item in json.loads(result.stdout)["corrections"]] == [1.0, 1.0]


def test_how_masks_in_a_folder_are_called_is_said(tmp_path):
    assert "subfolders like theirs" in no_mask_finding(tmp_path).hint


def test_a_coco_file_of_other_photos_is_refused_with_what_file_name_means(coco):
    hint = no_mask_finding(coco({"segmentation": SQUARE}, file_name="images/other.jpg")).hint
    assert hint == "Give each image the path of its photo, or on_modelN.png, as file_name."
