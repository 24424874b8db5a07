"""What is chosen for single pairs of a dataset: the next build follows it and remakes nothing else."""

import json
import os
import shutil

import numpy as np
import pytest
from file_digests import digests
from PIL import Image

from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.inputs.selection import read_selection, write_selection
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_layout import BuildSource, read_build_source
from chromiq.errors import UnsoundError
from chromiq.files import write_json
from chromiq.photos.images import photo_size_wh, read_mask, write_mask

OPTIONS = BuildOptions(segmenter="classic", size_wh=(192, 128), variants=2)


@pytest.fixture(scope="module")
def built(catalogue, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "dataset"
    build(catalogue, folder, OPTIONS, keep_doubtful=True)
    return folder


@pytest.fixture
def dataset(built, tmp_path):
    return shutil.copytree(built, tmp_path / "dataset")


def again(catalogue, dataset):
    return build(catalogue, dataset, OPTIONS, keep_doubtful=True)


def files(dataset):
    return {
        path.relative_to(dataset).as_posix(): path.stat().st_mtime_ns
        for folder in ("gt", "control", "masks", "held_out")
        for path in (dataset / folder).rglob("*")
        if path.is_file()
    }


def test_an_excluded_pair_leaves_the_dataset_and_the_others_as_they_were(catalogue, dataset):
    before = files(dataset)
    write_selection(dataset, {"2": "exclude"})
    summary = again(catalogue, dataset)
    assert (summary.examples, summary.resumed) == (4, 2)
    after = files(dataset)
    assert not [name for name in after if "pair2" in name]
    assert after == {name: time for name, time in before.items() if "pair2" not in name}


def test_a_held_out_pair_moves_and_comes_back(catalogue, dataset):
    before = files(dataset)
    write_selection(dataset, {"2": "held_out"})
    assert again(catalogue, dataset).resumed == 2
    moved = {f"held_out/{name}" if "/pair2" in name else name for name in before}
    assert set(files(dataset)) == moved
    write_selection(dataset, {})
    assert again(catalogue, dataset).resumed == 2
    assert set(files(dataset)) == set(before)


def test_a_mask_drawn_in_the_dataset_comes_before_those_given(catalogue, dataset, tmp_path):
    width_px, height_px = photo_size_wh(next((catalogue).rglob("on_model2.jpg")))
    drawn, given = (np.zeros((height_px, width_px), bool) for _ in range(2))
    drawn[30:80, 20:70] = given[20:60, 30:60] = True
    write_mask(dataset / "own_masks" / "on_model2.png", drawn)
    assert again(catalogue, dataset).resumed == 2
    assert np.array_equal(read_mask(dataset / "garment_masks" / "on_model2.png"), drawn)
    write_mask(tmp_path / "masks" / "on_model2.png", given)
    assert build(catalogue, dataset, OPTIONS, keep_doubtful=True, masks=tmp_path / "masks").resumed == 3
    (dataset / "own_masks" / "on_model2.png").unlink()
    build(catalogue, dataset, OPTIONS, keep_doubtful=True, masks=tmp_path / "masks")
    assert np.array_equal(read_mask(dataset / "garment_masks" / "on_model2.png"), given)


def test_a_mask_edited_where_the_build_wrote_it_stays(catalogue, dataset):
    path = dataset / "garment_masks" / "on_model2.png"
    edited = read_mask(path)
    edited[: len(edited) // 2] = False
    write_mask(path, edited)
    assert again(catalogue, dataset).resumed == 2
    assert again(catalogue, dataset).resumed == 3
    for folder in ("garment_masks", "own_masks"):
        np.testing.assert_array_equal(read_mask(dataset / folder / "on_model2.png"), edited)


def half_of_mask(dataset, folder="garment_masks"):
    """The upper half of pair 2's mask as the build wrote it, for an edit."""
    mask = read_mask(dataset / folder / "on_model2.png")
    mask[len(mask) // 2 :] = False
    return mask


def die(*arguments):
    raise KeyboardInterrupt


def test_what_a_build_wrote_before_it_was_killed_is_no_edit(catalogue, dataset, tmp_path, monkeypatch):
    """Nor is it after several killed builds, each with other masks and labels."""
    untouched = digests(dataset)
    whole = read_mask(dataset / "garment_masks" / "on_model2.png")
    for rows, word in ((50, "gown"), (60, "tunic")):
        given = whole.copy()
        given[rows:] = False
        write_mask(tmp_path / "masks" / "on_model2.png", given)
        write_json(tmp_path / "garments.json", {"still-life2.jpg": word})
        with monkeypatch.context() as patch:
            patch.setattr("chromiq.dataset_builder.example.write_record", die)
            with pytest.raises(KeyboardInterrupt):
                build(
                    catalogue,
                    dataset,
                    OPTIONS,
                    keep_doubtful=True,
                    masks=tmp_path / "masks",
                    garments=tmp_path / "garments.json",
                )
        assert np.array_equal(read_mask(dataset / "garment_masks" / "on_model2.png"), given)
        assert f"the {word} color" in (dataset / "gt" / "pair2.txt").read_text()
    assert again(catalogue, dataset).resumed == 2
    assert digests(dataset) == untouched
    assert not (dataset / "own_masks").exists()


@pytest.mark.parametrize("newer", ["own_masks", "garment_masks"])
def test_of_an_edited_mask_and_an_own_one_the_newer_is_used(newer, catalogue, dataset):
    masks = {"own_masks": half_of_mask(dataset), "garment_masks": ~half_of_mask(dataset)}
    for age, (folder, mask) in enumerate(sorted(masks.items(), key=lambda item: item[0] != newer)):
        write_mask(dataset / folder / "on_model2.png", mask)
        os.utime(dataset / folder / "on_model2.png", (1_700_000_000 - age, 1_700_000_000 - age))
    edited, own = (str(dataset / folder / "on_model2.png") for folder in ("garment_masks", "own_masks"))
    overruled = [each for each in again(catalogue, dataset).findings if each.code == "masks.overruled"]
    assert [(each.where, own in each.message) for each in overruled] == (
        [(edited, True)] if newer == "own_masks" else []
    )
    for folder in masks:
        np.testing.assert_array_equal(read_mask(dataset / folder / "on_model2.png"), masks[newer])
    assert "masks.overruled" not in {each.code for each in again(catalogue, dataset).findings}


@pytest.mark.parametrize(
    ("edit", "code"), [(lambda mask: mask[:-3], "mask.size"), (lambda mask: mask & False, "mask.empty")]
)
def test_an_edited_mask_that_cannot_be_used_replaces_no_own_mask(edit, code, catalogue, dataset):
    own, edited = (dataset / folder / "on_model2.png" for folder in ("own_masks", "garment_masks"))
    write_mask(own, half_of_mask(dataset))
    before = own.read_bytes()
    write_mask(edited, edit(half_of_mask(dataset)))
    os.utime(own, (1_700_000_000, 1_700_000_000))
    with pytest.raises(UnsoundError) as caught:
        again(catalogue, dataset)
    assert [(each.code, each.where) for each in caught.value.findings] == [(code, str(edited))]
    assert own.read_bytes() == before


def test_an_edited_mask_in_colour_is_reported(catalogue, dataset):
    path = dataset / "garment_masks" / "on_model2.png"
    red = np.zeros((*read_mask(path).shape, 3), np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).save(path)
    with pytest.raises(UnsoundError) as caught:
        again(catalogue, dataset)
    assert [(each.code, each.where) for each in caught.value.findings] == [("mask.colour", str(path))]


def test_a_mask_that_a_disk_fault_damaged_is_found_again(catalogue, dataset):
    path = dataset / "garment_masks" / "on_model2.png"
    sound = path.read_bytes()
    path.write_bytes(bytes(len(sound)))
    again(catalogue, dataset)
    assert path.read_bytes() == sound
    assert not (dataset / "own_masks").exists()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[]", "selection.form"),
        ('{"1": "maybe"}', "selection.choice"),
        ("{", "selection.unreadable"),
        ('{"1": "exclude", "2": "exclude", "3": "exclude"}', "selection.all"),
    ],
)
def test_a_selection_that_means_nothing_stops_the_build_before_it_writes(catalogue, dataset, text, code):
    (dataset / "selection.json").write_text(text)
    before = files(dataset)
    with pytest.raises(UnsoundError) as caught:
        again(catalogue, dataset)
    assert [finding.code for finding in caught.value.findings] == [code]
    assert files(dataset) == before


def test_a_choice_for_no_pair_is_reported(catalogue, dataset):
    write_selection(dataset, {"7": "exclude"})
    assert "selection.unknown" in {finding.code for finding in again(catalogue, dataset).findings}


def test_choices_survive_writing_and_reading(tmp_path):
    write_selection(tmp_path, {"9": "train", "10": "exclude"})
    assert read_selection(tmp_path) == {"9": "train", "10": "exclude"}
    write_selection(tmp_path, {})
    assert read_selection(tmp_path) == json.loads((tmp_path / "selection.json").read_text()) == {}


def test_the_source_of_a_build_is_recorded(catalogue, built):
    assert read_build_source(built) == BuildSource(str(catalogue), keep_doubtful=True)
    assert read_build_source(catalogue) is None
