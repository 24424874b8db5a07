"""A sweep measures every checkpoint, names the best, and is not stopped by a broken one."""

import json
import os
import shutil
from dataclasses import asdict, replace
from importlib.util import find_spec
from unittest.mock import Mock

import numpy as np
import pytest
from noise_testset import write_noise_testset

from chromiq.errors import ChromiqError, UnsoundError, UsageError
from chromiq.evaluate import sweep as sweep_module
from chromiq.evaluate.generate.images import GenerateOptions
from chromiq.evaluate.score.crops import read_crops
from chromiq.evaluate.score.scores import ImageSet, bootstrap_interval, mean_interval, score_folders
from chromiq.evaluate.sweep import Point, Sweep, curve_png, measure_checkpoints, run_job
from chromiq.photos.images import read_photo
from chromiq.toolkit_configs.runs.record import read_record, write_record

MODEL_LIBRARIES = all(find_spec(name) for name in ("torch", "diffusers", "peft"))
needs_models = pytest.mark.skipif(
    not MODEL_LIBRARIES, reason="needs the model libraries: pip install '.[models]'"
)


def point(step, *images):
    values = dict(zip("abcdef", images, strict=False))
    return Point(f"r_{step}", step, float(np.mean(images)), mean_interval(images), values, "")


def test_the_best_is_the_lowest_and_what_chance_cannot_tell_from_it_is_said():
    control = point(0, 9, 9, 9, 9, 9, 9)
    far, near, best = point(10, 5, 6, 5, 7, 6, 5), point(20, 3, 1, 3, 2, 3, 2), point(30, 2, 2, 2, 2, 2, 2)
    result = Sweep("r", "", control, (far, near, best))
    assert result.best is best
    assert result.ties == [near]
    assert "step 20: choosing among these is chance" in result.summary
    alone = Sweep("r", "", control, (far, best))
    assert "chance" not in alone.summary


@pytest.mark.parametrize(
    ("uncorrected", "said"), [(9, None), (2.1, None), (2, "not measurably better"), (1, "worse")]
)
def test_a_best_lora_that_is_no_better_than_none_is_reported(uncorrected, said):
    result = Sweep("r", "", point(0, *[uncorrected] * 6), (point(30, 2, 2, 2, 2, 2, 2),))
    assert ("than no LoRA" in result.summary) is (said is not None)
    assert said is None or f"It is {said} than no LoRA" in result.summary
    assert result.as_dict()["change_from_control"] == pytest.approx(2 - uncorrected)


def test_a_change_that_rounds_to_nothing_has_no_minus():
    result = Sweep("r", "", point(0, 2.001, 2.001), (point(30, 2, 2),))
    assert "than no LoRA: +0.00 dE00" in result.summary


@pytest.mark.parametrize(("images", "said"), [(1, "1 image"), (2, "2 images")])
def test_fewer_than_three_images_have_no_interval(images, said):
    worse, best = point(10, *[5] * images), point(20, *[2] * images)
    result = Sweep("r", "", point(0, *[9] * images), (worse, best))
    text = result.summary
    assert f"mean dE00 2.00 (no interval from {said})" in text
    assert (
        f"not measurably better than no LoRA: -7.00 dE00 against uncorrected (no interval from {said})"
        in text
    )
    assert "cannot distinguish it from step 10" in text
    assert "95 %" not in text
    document = result.as_dict()
    assert document["change_interval"] is document["best"]["interval"] is None


def test_nothing_measured_is_a_failure():
    broken = Point("r_1", 1, None, None, {}, "", "UnsoundError: broken")
    with pytest.raises(
        ChromiqError, match="none of 1 checkpoints could be measured; r_1: UnsoundError: broken"
    ):
        _ = Sweep("r", "", point(0, 1, 2), (broken,)).best


def test_a_folder_without_a_run(dataset, tmp_path):
    with pytest.raises(UsageError, match=r"run\.json"):
        measure_checkpoints(tmp_path, dataset, tmp_path / "out", GenerateOptions())


def test_a_sweep_writes_nothing_into_its_test_set(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_module, "read_status", Mock())
    with pytest.raises(UsageError, match="lie among the inputs"):
        measure_checkpoints(tmp_path, dataset, dataset, GenerateOptions())


def test_the_interval_of_a_mean_covers_it_as_often_as_promised():
    rng = np.random.default_rng(1)
    covered = [
        low <= 5 <= high
        for low, high in (bootstrap_interval(rng.normal(5, 2, 30), seed=i) for i in range(200))
    ]
    assert 0.88 < np.mean(covered) < 0.99


@pytest.fixture(scope="module")
def trained(built_dataset, tmp_path_factory):
    """A finished run of the smoke engine on the tiny checkpoint: steps 1, 2 and the last."""
    from chromiq.toolkit_configs.launch import train_config
    from chromiq.toolkit_configs.render.job import render_job
    from chromiq.toolkit_configs.smoke_engine.tiny_checkpoint import build_tiny_kontext

    root = tmp_path_factory.mktemp("trained")
    overrides = {
        "model.name_or_path": str(build_tiny_kontext(root / "tiny")),
        "train.steps": "3",
        "save.save_every": "1",
    }
    config = root / "config.yaml"
    config.write_text(
        render_job(
            "kontext", built_dataset, preset="smoke", name="r", training_folder=root, overrides=overrides
        )
    )
    train_config(config, "smoke")
    return root / "r"


@pytest.fixture(scope="module")
def testset(tmp_path_factory):
    """Two small pictures whose left half is measured, in a folder without a manifest."""
    root = write_noise_testset(tmp_path_factory.mktemp("testset"))
    crop = {"x": 0, "y": 0, "width": 40, "height": 64}
    (root / "crops.json").write_text(json.dumps({"a": crop, "b": crop}))
    (root / "gt" / "_latent_cache").mkdir()  # as the trainer leaves one beside targets
    return root


@pytest.mark.models
@needs_models
def test_a_run_that_trained_a_whole_model_is_refused_before_anything_is_written(trained, testset, tmp_path):
    run = shutil.copytree(trained, tmp_path / "r")
    (run / "r_000000009").mkdir()  # as diffusers saves it
    with pytest.raises(UnsoundError, match=r"r_000000009: a folder, as of a model trained whole"):
        measure_checkpoints(run, testset, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.models
@needs_models
def test_a_config_edited_after_its_run_is_not_taken_for_the_run_s(trained, tmp_path):
    config, run = tmp_path / "config.yaml", tmp_path / "r"
    shutil.copytree(trained, run)
    config.write_text((trained.parent / "config.yaml").read_text().replace("steps: 3", "steps: 4"))
    write_record(run, replace(read_record(run), config=str(config)))
    assert run_job(run).process.train.steps == 3


@pytest.mark.models
@needs_models
def test_every_checkpoint_is_measured_a_broken_one_reported_and_the_rest_not_done_again(
    trained, testset, tmp_path, chromiq, monkeypatch
):
    run, out = tmp_path / "r", tmp_path / "out"
    shutil.copytree(trained, run)
    (run / "r_000000002.safetensors").write_bytes(b"cut off")
    arguments = ["sweep", run, "--testset", testset, "--out", out, "--steps", "1"]
    result = chromiq(*arguments, "--json")
    assert result.code == 3
    document = result.document
    assert document == json.loads((out / "sweep.json").read_text())
    assert [(each["step"], each["error"] is None) for each in document["checkpoints"]] == [
        (1, True),
        (2, False),
        (3, True),
    ]
    assert list(document["skipped"]) == ["r_000000002.safetensors"]
    assert "r_000000002.safetensors" in result.err

    # The figures are those of the images that lie there.
    for each in document["checkpoints"]:
        if each["error"] is None:
            folder = out / "checkpoints" / each["checkpoint"].removesuffix(".safetensors")
            scores = score_folders(
                ImageSet(testset / "gt", {"generated": folder}, crops=read_crops(testset / "crops.json"))
            )
            assert each["mean"] == np.mean([score.differences["generated"].mean for score in scores])
    best = min((each for each in document["checkpoints"] if each["mean"]), key=lambda each: each["mean"])
    assert document["best"]["checkpoint"] == best["checkpoint"]

    rows, columns = read_photo(out / "curve.png").rgb.shape[:2]
    assert (columns, rows) == (1200, 630)
    page = (out / "report.html").read_text()
    assert "data:image/png;base64,iVBOR" in page
    assert "Left out: r_000000002.safetensors" in page

    # Fixed, only that one is generated; an editor on Windows may have saved the table with a byte order mark.
    (out / "sweep.json").write_text((out / "sweep.json").read_text(), encoding="utf-8-sig")
    before = {path: path.stat().st_mtime_ns for path in (out / "checkpoints").rglob("*.png")}
    shutil.copy(trained / "r_000000002.safetensors", run)
    assert chromiq(*arguments).code == 0
    after = {path: path.stat().st_mtime_ns for path in (out / "checkpoints").rglob("*.png")}
    assert {path: after[path] for path in before} == before
    assert {path.parent.name for path in set(after) - set(before)} == {"r_000000002"}

    # Saving GPU memory makes the same images, so nothing is left to do: no model is loaded.
    monkeypatch.setattr("chromiq.evaluate.generate.images.load_pipeline", lambda *_: pytest.fail("loaded"))
    assert chromiq(*arguments, "--offload", "model").code == 0


@pytest.mark.models
@needs_models
@pytest.mark.parametrize("verb", ["sweep", "evaluate"])
def test_images_that_a_run_was_trained_on_are_no_test_set(verb, trained, built_dataset, tmp_path, chromiq):
    for name in ("gt", "control", "garment_masks", "manifest.jsonl"):
        (tmp_path / name).symlink_to(built_dataset / name)
    of_lora = [tmp_path, "--lora", trained / "r.safetensors"]
    where = {"sweep": [trained, "--testset", tmp_path], "evaluate": of_lora}[verb]
    code, _, reported = chromiq(verb, *where, "--out", tmp_path / "out")
    assert (code, "the run r was trained on these images" in reported) == (2, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.models
@needs_models
@pytest.mark.parametrize("verb", ["sweep", "evaluate"])
def test_where_and_how_the_model_lies_reaches_the_pipeline(
    verb, trained, testset, tmp_path, chromiq, monkeypatch
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    lora = [testset, "--lora", trained / "r.safetensors", "--checkpoint", trained.parent / "tiny"]
    where = {"sweep": [trained, "--testset", testset], "evaluate": lora}[verb]
    for option, value, said in (
        ("--offload", "model", "offload model needs a"),
        ("--quantize", "nf4", "quantize nf4 needs a"),
        ("--device", "cuda:99", "--device: torch cannot use 'cuda:99' here"),
    ):
        code, _, reported = chromiq(verb, *where, "--out", tmp_path, option, value)
        assert code == 2
        assert said in reported
        assert not (tmp_path / "transfer").exists()  # what needs the model is made first


@pytest.mark.parametrize("text", ["{", "[]", '{"run": "r", "made_of": "x", "checkpoints": [{}]}'])
def test_a_spoilt_earlier_sweep_is_named(text, tmp_path):
    path = tmp_path / "sweep.json"
    path.write_text(text)
    with pytest.raises(UnsoundError, match=r"sweep\.unreadable"):
        sweep_module._earlier(path, "r", "x")
    assert sweep_module._earlier(tmp_path / "none", "r", "x") == []


def test_the_interval_of_one_image_in_an_earlier_sweep_is_dropped(tmp_path):
    path = tmp_path / "sweep.json"
    checkpoint = {**asdict(point(10, 5)), "interval": [5.0, 5.0]}
    path.write_text(json.dumps({"run": "r", "made_of": "x", "checkpoints": [checkpoint]}))
    assert sweep_module._earlier(path, "r", "x") == [point(10, 5)]


@pytest.mark.parametrize("images", [2, 3])
def test_the_curve_is_drawn_with_or_without_intervals(images):
    control, *points = (point(step, *[mean] * images) for step, mean in ((0, 9), (10, 2), (20, 2)))
    assert curve_png(Sweep("r", "", control, tuple(points))).startswith(b"\x89PNG")


@pytest.mark.models
@needs_models
def test_it_watches_until_the_run_ends(trained, testset, tmp_path, monkeypatch):
    run = tmp_path / "r"
    shutil.copytree(trained, run)
    record = json.loads((run / "run.json").read_text())
    late = (run / "r.safetensors").read_bytes()
    (run / "r.safetensors").unlink()
    (run / "r_000000002.safetensors").unlink()
    (run / "run.json").write_text(json.dumps({**record, "state": "running", "process": os.getpid()}))
    os.utime(run / "r_000000001.safetensors", (0, 0))
    looked = []

    def another_look(seconds):
        # Stands for the trainer, which keeps running while the sweep waits.
        looked.append(seconds)
        (run / "r.safetensors").write_bytes(late)
        if len(looked) == 2:
            (run / "run.json").write_text(json.dumps(record))

    monkeypatch.setattr(sweep_module.time, "sleep", another_look)
    seen = []
    options = GenerateOptions(checkpoint=str(trained.parent / "tiny"), steps=1)
    result = measure_checkpoints(
        run,
        testset,
        tmp_path / "out",
        options,
        watch_every_s=7,
        on_point=lambda each: seen.append((each.step, len(looked))),
    )
    # The second look finds the last checkpoint too young, the third is after the end.
    assert looked == [7, 7]
    assert seen == [(1, 0), (3, 2)]
    assert [each.step for each in result.points] == [1, 3]
