"""A pair with a doubtful mask waits for the user: left out, kept or masked by hand, through any restart."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from chromiq.dataset_builder.build import build as build_dataset
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.errors import UnsoundError
from chromiq.photos.images import read_mask, read_photo
from chromiq.sample_catalogue.catalogue import write_catalogue
from chromiq_cli.verbs import app

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalogue")
    write_catalogue(folder, pairs=2, size_wh=(224, 280))
    return folder


def judge(monkeypatch, judged):
    """Let `judged` change what the segmenter makes of each task: (task, mask) -> mask."""
    segment = ClassicSegmenter.segment
    monkeypatch.setattr(
        ClassicSegmenter,
        "segment",
        lambda self, tasks: [
            judged(task, found) for task, found in zip(tasks, segment(self, tasks), strict=True)
        ],
    )


@pytest.fixture
def doubt_of_pair_1(monkeypatch, catalogue):
    doubt_pair_1(monkeypatch, catalogue)


def doubt_pair_1(monkeypatch, catalogue):
    """Whatever is found on the photo of pair 1 is trusted by 0.2 only, and on that of pair 2 by 0.9."""
    photo = read_photo(catalogue / "on_model1.jpg").rgb

    def judged_otherwise(task, found):
        if np.array_equal(task.on_model, photo):
            return replace(found, confidence=0.2, reasons=("touches_skin",))
        return replace(found, confidence=0.9)

    judge(monkeypatch, judged_otherwise)


def build(catalogue, dataset, *options):
    command = ["build", str(catalogue), "--out", str(dataset), "--segmenter", "classic", "--workers", "1"]
    result = RUNNER.invoke(app, [*command, "--size", "256x160", "--json", *map(str, options)])
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture(scope="module")
def built_once(catalogue, tmp_path_factory):
    """The first build with the doubt: its folder, not to be written to, exit code and document."""
    folder = tmp_path_factory.mktemp("once") / "d"
    with pytest.MonkeyPatch.context() as patch:
        doubt_pair_1(patch, catalogue)
        return folder, *build(catalogue, folder)


@pytest.fixture
def left_out(built_once, tmp_path):
    """A copy of that folder."""
    return shutil.copytree(built_once[0], tmp_path / "d")


def files(dataset):
    hidden = (".chromiq/records", ".chromiq/colours", ".lock")  # kept from earlier builds
    return {
        path.relative_to(dataset).as_posix(): path.read_bytes()
        for path in sorted(dataset.rglob("*"))
        if path.is_file() and not path.relative_to(dataset).as_posix().startswith(hidden)
    }


def doubts(document):
    return [item for item in document["findings"] if item["code"] == "mask.doubtful"]


def test_it_is_left_out_and_laid_out_for_review(built_once):
    folder, code, document = built_once
    assert code == 3
    assert document["examples"] == 1
    (doubt,) = doubts(document)
    assert doubt["where"].endswith("on_model1.jpg")
    assert doubt["severity"] == "error"
    assert "0.20" in doubt["message"]
    assert "covers colours of skin" in doubt["message"]
    assert "Remove from the mask" in doubt["hint"]
    assert "--keep-doubtful" in doubt["hint"]
    assert "a better mask" in doubt["hint"]
    assert not (folder / "gt/pair1.jpg").exists()
    assert (folder / "gt/pair2.jpg").is_file()
    assert sorted(path.name for path in (folder / "review").iterdir()) == [
        "on_model1.jpg",
        "on_model1.png",
    ]
    assert read_mask(folder / "review/on_model1.png").shape == (280, 224)
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["2"]


def test_a_restart_redoes_nothing_and_keeps_the_doubt(doubt_of_pair_1, left_out, catalogue):
    before = files(left_out)
    code, document = build(catalogue, left_out)
    assert (code, document["resumed_pairs"], len(doubts(document))) == (3, 2, 1)
    assert files(left_out) == before
    (left_out / "review/on_model1.jpg").unlink()
    code, document = build(catalogue, left_out)
    assert (code, document["resumed_pairs"]) == (3, 1)
    assert files(left_out) == before


def test_it_can_be_kept_and_left_out_again(doubt_of_pair_1, left_out, catalogue):
    before = files(left_out)
    code, document = build(catalogue, left_out, "--keep-doubtful")
    assert (code, document["examples"], document["resumed_pairs"]) == (0, 2, 1)
    assert [doubt["severity"] for doubt in doubts(document)] == ["warning"]
    assert (left_out / "review/on_model1.jpg").is_file()
    assert (left_out / "gt/pair1.jpg").is_file()
    code, _ = build(catalogue, left_out)
    assert code == 3
    assert files(left_out) == before


@pytest.mark.parametrize("options", [(), ("--keep-doubtful",)])
def test_where_nothing_is_found_the_other_pairs_are_built(monkeypatch, catalogue, tmp_path, options):
    photo = read_photo(catalogue / "on_model1.jpg").rgb

    def finds_nothing(task, found):
        if np.array_equal(task.on_model, photo):
            return replace(found, mask=np.zeros_like(found.mask), confidence=0.0, reasons=("empty",))
        return replace(found, confidence=0.9)

    judge(monkeypatch, finds_nothing)
    for resumed in (0, 2):
        code, document = build(catalogue, tmp_path / "d", *options)
        assert (code, document["examples"], document["resumed_pairs"]) == (3, 1, resumed)
        (doubt,) = doubts(document)
        assert "no garment was found" in doubt["message"]
        assert "Draw the mask" in doubt["hint"]
        assert (tmp_path / "d/review/on_model1.jpg").is_file()


def test_a_mask_given_by_a_person_is_used_instead(doubt_of_pair_1, left_out, catalogue, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    shutil.copy(catalogue / "truth/garment_masks/on_model1.png", masks)
    code, document = build(catalogue, left_out, "--masks", masks)
    assert (code, document["examples"], doubts(document)) == (0, 2, [])
    assert not list((left_out / "review").iterdir())
    np.testing.assert_array_equal(
        read_mask(left_out / "garment_masks/on_model1.png"), read_mask(masks / "on_model1.png")
    )


def test_when_nothing_is_left_the_build_fails_and_says_why(doubt_of_pair_1, catalogue, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("still-life1.jpg", "on_model1.jpg"):
        shutil.copy(catalogue / name, alone)
    with pytest.raises(UnsoundError) as caught:
        build_dataset(alone, tmp_path / "d", BuildOptions(segmenter="classic"))
    assert [finding.code for finding in caught.value.findings] == ["mask.doubtful"]
    assert "is below 0.5" in caught.value.findings[0].message
    assert (tmp_path / "d/review/on_model1.jpg").is_file()


def test_one_that_is_likely_right_is_kept_but_laid_out_too(monkeypatch, catalogue, tmp_path):
    judge(monkeypatch, lambda task, found: replace(found, confidence=0.7, reasons=("holes",)))
    code, document = build(catalogue, tmp_path / "d")
    assert (code, document["examples"]) == (0, 2)
    assert [doubt["severity"] for doubt in doubts(document)] == ["warning", "warning"]
    assert (tmp_path / "d/review/on_model2.jpg").is_file()
    before = files(tmp_path / "d")
    code, document = build(catalogue, tmp_path / "d")
    assert (code, document["resumed_pairs"], len(doubts(document))) == (0, 2, 2)
    assert files(tmp_path / "d") == before
