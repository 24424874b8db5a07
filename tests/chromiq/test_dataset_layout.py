"""The manifest and the build record; damaged lines are findings."""

import json
from dataclasses import asdict

import pytest
from manifest_examples import an_example

from chromiq.dataset_layout import (
    DatasetLayout,
    examine_manifest,
    read_build_record,
    read_examples,
    unfinished_findings,
    write_build_record,
    write_manifest,
)
from chromiq.errors import UnsoundError
from chromiq.records import Geometry

STITCHED = an_example(
    geometry=Geometry((8, 6), (0, 0, 4, 6), (4, 0, 8, 6), 0.5, 1.0), mask_reasons=("colour_disagrees",)
)


def test_examples_are_read_back(tmp_path):
    examples = (STITCHED, an_example(name="pair2", key="2", reference="reference/pair2.jpg"))
    write_manifest(tmp_path, examples)
    assert read_examples(tmp_path) == examples
    assert [json.loads(line)["name"] for line in (tmp_path / "manifest.jsonl").open()] == ["pair1", "pair2"]


def test_without_a_manifest_there_are_no_examples(tmp_path):
    assert read_examples(tmp_path) == ()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"target": None}, "target must be text"),
        ({"mask_confidence": "0.9"}, "mask_confidence must be a number"),
        ({"geometry": {"canvas_wh": [8, 6]}}, "geometry.still_life_xyxy is missing"),
        ({"geometry": {**asdict(STITCHED.geometry), "canvas_wh": [7, 6]}}, "not on a canvas of 7x6"),
        ({"control": "../../x.jpg"}, "'../../x.jpg' is outside the dataset"),
        ({"digests": {"/etc/passwd": ""}}, "'/etc/passwd' is outside the dataset"),
        ({"key": "/../../x"}, "'on_model/../../x' is outside the dataset"),
    ],
)
def test_a_damaged_line_is_a_finding_and_the_others_are_still_read(tmp_path, damage, message):
    lines = [{**asdict(STITCHED), **damage}, asdict(an_example())]
    (tmp_path / "manifest.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    examples, (finding,) = examine_manifest(tmp_path)
    assert examples == (an_example(),)
    assert finding.where == f"{tmp_path / 'manifest.jsonl'}: line 1"
    assert message in finding.message
    with pytest.raises(UnsoundError, match="line 1: not a training example") as caught:
        read_examples(tmp_path)
    assert caught.value.findings == (finding,)


def test_a_build_record_is_read_back_and_a_damaged_one_has_no_options(tmp_path):
    assert read_build_record(tmp_path) is None
    write_build_record(tmp_path, {"model": "kontext"})
    assert read_build_record(tmp_path) == {"model": "kontext"}
    DatasetLayout(tmp_path).build_record.write_text('{"model": "a"}', encoding="utf-8-sig")
    assert read_build_record(tmp_path) == {"model": "a"}
    for damaged in ("{", "[]"):
        DatasetLayout(tmp_path).build_record.write_text(damaged)
        assert read_build_record(tmp_path) == {}


def test_a_build_is_unfinished_until_its_manifest_is_written(tmp_path):
    assert unfinished_findings(tmp_path) == []
    write_build_record(tmp_path, {})
    assert [finding.code for finding in unfinished_findings(tmp_path)] == ["dataset.unfinished"]
    write_manifest(tmp_path, [])
    assert unfinished_findings(tmp_path) == []
