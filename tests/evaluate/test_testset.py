"""A test set is corrected where its own records say, and measured inside the garment."""

import json
import shutil
import unicodedata
from dataclasses import replace
from functools import partial
from unittest.mock import MagicMock, Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st
from safetensors.numpy import save
from skimage.color import deltaE_ciede2000, rgb2lab

from chromiq.colour import delta_e_map
from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.canvas.stitch import exact_geometry
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.dataset_builder.segmenters.doubts import limited
from chromiq.dataset_layout import DatasetLayout
from chromiq.errors import AccessError, UnsoundError, UsageError
from chromiq.evaluate import compare_methods, sweep
from chromiq.evaluate.compare_methods import Methods, evaluate_testset, named_folders
from chromiq.evaluate.generate.images import GenerateOptions
from chromiq.evaluate.testset import (
    Trial,
    TrialSet,
    canvas_mask,
    correct_trial,
    find_trial_garment,
    read_testset,
)
from chromiq.photos.images import read_mask, read_photo, write_mask, write_photo
from chromiq.records import GarmentMask
from chromiq.toolkit_configs.runs.record import RunRecord, now, write_record


def test_a_datasets_held_out_garments_are_its_test_set(built_dataset):
    (trial,) = read_testset(built_dataset)
    assert trial.name == "pair4"
    assert trial.control == built_dataset / "held_out" / "control" / "pair4.jpg"
    assert trial.garment_mask == built_dataset / "garment_masks" / "on_model4.png"


@pytest.mark.parametrize(
    ("form", "mask"), [("NFC", "on_modelé.png"), ("NFD", "on_modelé.png"), ("NFC", "ON_MODELÉ.PNG")]
)
def test_a_garment_mask_is_found_in_any_unicode_form_and_case(form, mask, tmp_path):
    stem, mask = (unicodedata.normalize(form, text) for text in ("é", mask))
    layout = DatasetLayout(tmp_path)
    for path in (layout.truth(stem), layout.control(stem), layout.reference(stem)):
        write_photo(path.with_suffix(".png"), np.zeros((64, 64, 3), np.uint8))
    write_mask(layout.garment_masks / mask, np.ones((64, 64), bool))
    (trial,) = read_testset(tmp_path)
    assert trial.garment_mask == layout.garment_masks / mask


def test_the_mask_on_the_canvas_has_the_garments_share_of_its_panel(built_dataset):
    (trial,) = read_testset(built_dataset)
    on_canvas, on_photo = canvas_mask(trial), read_mask(trial.garment_mask)
    left, top, right, bottom = trial.geometry.on_model_xyxy
    assert on_canvas[:, :left].sum() == on_canvas[:, right:].sum() == 0
    assert on_canvas[top:bottom, left:right].mean() == pytest.approx(on_photo.mean(), rel=0.02)


@given(
    photos_wh=st.tuples(*[st.tuples(st.integers(100, 1500), st.integers(100, 1500))] * 2),
    canvas_wh=st.tuples(st.integers(64, 400), st.integers(64, 400)),
)
@tried(max_examples=25)
def test_the_mask_of_a_photo_that_build_scaled_is_taken(tmp_path_factory, photos_wh, canvas_wh):
    folder = tmp_path_factory.mktemp("scaled")
    control, mask = folder / "control.png", folder / "mask.png"
    write_photo(control, np.zeros((*canvas_wh[::-1], 3), np.uint8))
    write_mask(mask, np.ones(photos_wh[1][::-1], bool))
    geometry = exact_geometry(*photos_wh, canvas_wh)
    left, top, right, bottom = geometry.on_model_xyxy
    on_canvas = canvas_mask(Trial("pair1", control, control, None, geometry, mask))
    assert on_canvas[top:bottom, left:right].all()
    assert on_canvas.sum() == (right - left) * (bottom - top)


def test_a_mask_that_only_some_images_have_is_asked_for(built_dataset, tmp_path, monkeypatch):
    (trial,) = read_testset(built_dataset)
    unknown = replace(trial, name="other", garment_mask=None)
    for module in (compare_methods, sweep):
        monkeypatch.setattr(module, "read_testset", lambda _: TrialSet((trial, unknown), None))
    monkeypatch.setattr(sweep, "read_status", Mock())
    for measure, settings in (
        (compare_methods.evaluate_testset, ClassicSegmenter()),
        (partial(sweep.measure_checkpoints, tmp_path), None),
    ):
        with pytest.raises(UnsoundError, match="other: has no garment mask, but"):
            measure(built_dataset, tmp_path / "out", settings)
        assert not (tmp_path / "out").exists()
    assert TrialSet((unknown,), None).masks == {}


def test_an_empty_mask_is_refused_first_by_the_name_of_the_users_file(dataset, tmp_path, monkeypatch):
    (trial,) = read_testset(dataset)
    write_mask(trial.garment_mask, np.zeros_like(read_mask(trial.garment_mask)))
    monkeypatch.setattr(sweep, "read_status", Mock())
    for measure, settings in (
        (compare_methods.evaluate_testset, ClassicSegmenter()),
        (partial(sweep.measure_checkpoints, tmp_path), None),
    ):
        with pytest.raises(UnsoundError) as caught:
            measure(dataset, tmp_path / "out", settings)
        (finding,) = caught.value.findings
        assert (finding.code, finding.where) == ("mask.empty", str(trial.garment_mask))
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("model", "size_wh", "shape", "needs"),
    [("kontext", (576, 352), (352, 576), "281x352"), ("qwen-image-edit-2509", None, (700, 560), "224x280")],
)
def test_a_mask_of_another_size_is_refused_even_if_all_are(
    built_dataset, tmp_path, model, size_wh, shape, needs
):
    options = BuildOptions(model=model, segmenter="classic", held_out=0.3, seed=4, size_wh=size_wh)
    build(built_dataset.parent / "catalogue", tmp_path / "dataset", options)
    (trial,) = read_testset(tmp_path / "dataset")
    write_mask(trial.garment_mask, np.ones(shape, bool))
    with pytest.raises(UnsoundError) as caught:
        evaluate_testset(tmp_path / "dataset", tmp_path / "out", ClassicSegmenter())
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("mask.size", str(trial.garment_mask))
    assert (finding.got, finding.wanted) == (f"{shape[1]}x{shape[0]}", needs)
    assert not (tmp_path / "out").exists()


def test_a_stitched_test_set_is_refused_for_a_model_that_takes_references(
    built_dataset, tmp_path, monkeypatch
):
    lora = tmp_path / "a.safetensors"
    lora.write_bytes(save({"transformer.x.lora_A.weight": np.ones((2, 2))}))
    options, out = GenerateOptions(model="qwen-image-edit-2509"), tmp_path / "out"
    for name in ("read_status", "run_job"):
        monkeypatch.setattr(sweep, name, MagicMock())
    with pytest.raises(UnsoundError, match="there is no reference/"):
        evaluate_testset(built_dataset, out, ClassicSegmenter(), Methods([lora], options=options))
    with pytest.raises(UnsoundError, match="there is no reference/"):
        sweep.measure_checkpoints(tmp_path, built_dataset, out, options)
    assert not out.exists()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("{", "run.json: cannot be read"),
        (RunRecord("r", "smoke", "done", 1, now(), now(), 9, "gone.yaml", "", "", {}, ""), "gone.yaml: "),
    ],
)
def test_a_lora_whose_run_cannot_be_read_is_evaluated_with_a_warning(
    built_dataset, tmp_path, monkeypatch, chromiq, record, reason
):
    lora = tmp_path / "a.safetensors"
    lora.write_bytes(save({"transformer.x.lora_A.weight": np.ones((2, 2))}))
    if isinstance(record, str):
        (tmp_path / "run.json").write_text(record)
    else:
        write_record(tmp_path, record)
    (trial,) = read_testset(built_dataset)
    monkeypatch.setattr(  # stands for a network that changes nothing
        TrialSet,
        "generate",
        lambda _, out, *rest: write_photo(out / "pair4.png", read_photo(trial.control).rgb),
    )
    words = ("evaluate", built_dataset, "--lora", lora, "--segmenter", "classic", "--out", tmp_path / "out")
    code, _, reported = chromiq(*words)
    assert code == 0
    (warning,) = [line for line in reported.splitlines() if line.startswith("warning: ")]
    assert warning.startswith(f"warning: {tmp_path}: its run cannot be read, so whether it was trained on")
    assert reason in warning
    assert "its run cannot be read" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.models
def test_a_missing_base_model_is_reported_before_anything_is_found(built_dataset, tmp_path):
    pytest.importorskip("diffusers")
    lora, found = tmp_path / "a.safetensors", Mock()
    lora.write_bytes(save({"transformer.x.lora_A.weight": np.ones((2, 2))}))
    methods = Methods([lora], options=GenerateOptions(checkpoint=str(tmp_path)))
    (tmp_path / "run.json").write_text("{")  # of a run that is not known then
    with pytest.raises(AccessError, match=r"model_index\.json"):
        evaluate_testset(built_dataset, tmp_path / "out", found, methods)
    assert not found.mock_calls
    assert not (tmp_path / "out" / "masks").exists()


def test_evaluation_moves_colour_to_the_truth_and_nothing_outside_the_panel(built_dataset, tmp_path):
    options = BuildOptions(segmenter="classic", held_out=0.3, seed=4, size_wh=(576, 352))
    build(built_dataset.parent / "catalogue", tmp_path / "dataset", options)
    result = evaluate_testset(tmp_path / "dataset", tmp_path / "out", ClassicSegmenter())
    (score,) = result.scores
    assert score.name == "pair3"
    assert score.differences["transfer"].mean < 0.8 * score.differences["control"].mean
    (trial,) = read_testset(tmp_path / "dataset")
    before = read_photo(trial.control).rgb
    after = read_photo(tmp_path / "out" / "transfer" / "pair3.png").rgb
    left, _, right, _ = trial.geometry.on_model_xyxy
    assert np.array_equal(before[:, :left], after[:, :left])
    assert np.array_equal(before[:, right:], after[:, right:])
    document = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert document["average"]["transfer_vs_truth"] == score.differences["transfer"].mean
    assert result.report.read_text().startswith("<!doctype html>")


def test_crops_win_over_masks(dataset, tmp_path):
    (trial,) = read_testset(dataset)
    left, top, right, bottom = trial.geometry.on_model_xyxy
    x, y = (left + right) // 2, (top + bottom) // 2
    crops = {"pair4": {"x": x, "y": y, "width": 20, "height": 20}}
    (dataset / "held_out" / "crops.json").write_text(json.dumps(crops))
    (score,) = evaluate_testset(dataset, tmp_path / "out", ClassicSegmenter()).scores
    truth, control = (
        rgb2lab(read_photo(path).rgb[y : y + 20, x : x + 20]) for path in (trial.truth, trial.control)
    )
    expected = deltaE_ciede2000(truth, control).mean()
    assert score.differences["control"].mean == pytest.approx(expected, abs=1e-3)
    assert score.differences["transfer"].leak_mean is not None


def test_models_that_see_a_reference_are_corrected_too(built_dataset, tmp_path):
    options = BuildOptions(model="qwen-image-edit-2509", segmenter="classic", held_out=0.3, seed=4)
    build(built_dataset.parent / "catalogue", tmp_path / "dataset", options)
    (trial,) = read_testset(tmp_path / "dataset")
    assert trial.geometry is None
    truth, control = read_photo(trial.truth).rgb, read_photo(trial.control).rgb
    corrected, reason = correct_trial(find_trial_garment(trial, ClassicSegmenter()))
    mask = canvas_mask(trial)
    assert reason == ""
    far, near = (float(delta_e_map(truth, picture)[mask].mean()) for picture in (control, corrected))
    assert near < far


@pytest.mark.parametrize(
    ("reasons", "held"),
    [
        (("colour_disagrees",), False),
        (("colour_disagrees", "holes"), False),
        (("colour_disagrees", "no_head"), True),
    ],
)
def test_colours_that_disagree_excuse_no_other_strong_reason(built_dataset, reasons, held):
    class Doubting(ClassicSegmenter):
        def segment(self, tasks):
            found = np.ones(tasks[0].on_model.shape[:2], bool)
            return [GarmentMask(found, limited(0.97, reasons), reasons, self.name)]

    (trial,) = read_testset(built_dataset)
    assert bool(find_trial_garment(trial, Doubting()).doubt) == held


def test_faults_of_a_test_set_come_all_at_once(tmp_path):
    rgb = np.full((96, 160, 3), 200, np.uint8)
    for name in ("a", "b"):
        write_photo(tmp_path / "gt" / f"{name}.png", rgb)
    write_photo(tmp_path / "control" / "a.png", rgb)
    with pytest.raises(UnsoundError) as caught:
        read_testset(tmp_path)
    assert [finding.code for finding in caught.value.findings] == ["testset.geometry", "testset.control"]


def test_a_still_life_that_only_some_images_have_is_asked_for(tmp_path):
    for folder, names in (("gt", "ab"), ("control", "ab"), ("reference", "a")):
        for name in names:
            write_photo(tmp_path / folder / f"{name}.png", np.full((1120, 1792, 3), 200, np.uint8))
    with pytest.raises(UnsoundError, match=r"b\.png: no still-life of this name\. Add it to reference/"):
        read_testset(tmp_path)


def test_a_still_life_of_no_image_changes_nothing(built_dataset, tmp_path):
    shutil.copytree(built_dataset, tmp_path / "dataset")
    layout = DatasetLayout(tmp_path / "dataset").testset
    layout.references.mkdir()
    write_photo(layout.references / "another.png", np.zeros((8, 8, 3), np.uint8))
    (trial,) = read_testset(tmp_path / "dataset")
    assert trial.reference is None
    assert trial.geometry == read_testset(built_dataset).trials[0].geometry


def test_a_broken_manifest_is_named(dataset):
    (dataset / "manifest.jsonl").write_text("[]\n")
    with pytest.raises(UnsoundError, match=r"manifest\.jsonl"):
        read_testset(dataset)


@pytest.mark.parametrize(
    ("name", "from_seam_px", "codes"),
    [
        ("pair4", -5, ["crops.seam"]),
        ("pair4", 10_000, ["crops.seam", "crops.bounds"]),
        ("pair4", 1, ["crops.mask"]),
        ("pair9", 1, ["score.empty", "crops.image"]),
    ],
)
def test_crops_that_cannot_be_measured_are_refused_first(dataset, tmp_path, name, from_seam_px, codes):
    (trial,) = read_testset(dataset)
    left, top, *_ = trial.geometry.on_model_xyxy
    crops = {name: {"x": left + from_seam_px, "y": top + 1, "width": 20, "height": 20}}
    (dataset / "held_out" / "crops.json").write_text(json.dumps(crops))
    with pytest.raises(UnsoundError) as caught:
        evaluate_testset(dataset, tmp_path / "out", ClassicSegmenter())
    assert [finding.code for finding in caught.value.findings] == codes
    assert not (tmp_path / "out").exists()


def test_images_made_elsewhere_stand_beside_transfer_and_their_hybrid(built_dataset, tmp_path):
    """A rival's outputs, cut smaller as a pipeline cuts them: the truth itself."""
    (trial,) = read_testset(built_dataset)
    truth = read_photo(trial.truth).rgb
    write_photo(tmp_path / "rival" / "pair4.png", truth[:-16, :-16])
    outputs = {"rival": tmp_path / "rival"}
    with pytest.raises(UnsoundError) as caught:
        evaluate_testset(built_dataset, tmp_path / "out", ClassicSegmenter(), Methods(outputs=outputs))
    assert [finding.code for finding in caught.value.findings] == ["score.size"]
    assert "register" in str(caught.value.findings[0])
    assert not (tmp_path / "out").exists()
    (score,) = evaluate_testset(
        built_dataset, tmp_path / "out", ClassicSegmenter(), Methods(outputs=outputs, register=True)
    ).scores
    assert list(score.differences) == ["control", "transfer", "rival", "rival-hybrid"]
    assert score.differences["rival"].mean == 0
    assert score.differences["rival"].resized_from == f"{truth.shape[1] - 16}x{truth.shape[0] - 16}"
    assert score.differences["rival-hybrid"].mean < 0.8 * score.differences["control"].mean
    (tmp_path / "rival" / "pair4.png").rename(tmp_path / "rival" / "pair5.png")
    with pytest.raises(UnsoundError) as caught:
        evaluate_testset(built_dataset, tmp_path / "out", ClassicSegmenter(), Methods(outputs=outputs))
    assert [finding.code for finding in caught.value.findings] == ["score.missing"]


@pytest.mark.parametrize(
    "words", [["rival"], ["=x"], ["a/b=x"], ["control=x"], ["a=x", "a=y"], ["a-hybrid=x"]]
)
def test_outputs_that_have_no_name_of_their_own_are_refused(words):
    with pytest.raises(UsageError, match=r"^`outputs`: "):
        named_folders(words)


@pytest.mark.models
def test_two_loras_stand_beside_transfer_and_their_hybrids(built_dataset, tmp_path):
    pytest.importorskip("diffusers")
    from tiny_lora import write_lora

    from chromiq.toolkit_configs.smoke_engine.tiny_checkpoint import build_tiny_kontext

    build_tiny_kontext(tmp_path / "tiny")
    loras = []
    for run in ("x", "y"):
        (tmp_path / run).mkdir()
        loras.append(write_lora(tmp_path / run / "lab.safetensors", ["transformer_blocks.0.attn.to_q"]))
    options = GenerateOptions(checkpoint=str(tmp_path / "tiny"), steps=1)
    seen = []
    result = evaluate_testset(
        built_dataset,
        tmp_path / "out",
        ClassicSegmenter(),
        Methods(loras=loras, options=options),
        on_progress=lambda done, total: seen.append((done, total)),
    )
    (score,) = result.scores
    columns = ["control", "transfer", "lab", "lab-hybrid", "lab-2", "lab-2-hybrid"]
    assert list(score.differences) == columns
    # The garment, five columns made, scores and report.
    assert list(dict.fromkeys(seen)) == [(number, 8) for number in range(1, 9)]
    # A tiny random model makes noise, which no hybrid may take colour from: what it does is bounded.
    assert score.differences["lab"].mean > 10
    assert score.differences["lab-hybrid"].mean <= score.differences["control"].mean + 1
    assert score.garment
    interval = json.loads((tmp_path / "out" / "scores.json").read_text())["interval"]
    assert set(interval) == {f"{column}_vs_truth" for column in columns}
