"""Every model with every preset in the real trainer, on tiny random weights of the real classes.

Sizes, steps and the device are made small; batch, cache, precision, optimizer and quantisation stay as
rendered. Images and still-lifes have different shapes. Takes minutes; skipped without the vendored trainer.
``pytest -m ai_toolkit -s tests/toolkit_configs/trainer/test_every_model.py`` runs all and prints the table.
"""

import json
import subprocess

import numpy as np
import pytest
import yaml
from model_presets import MODEL_PRESETS
from places import ROOT
from safetensors import deserialize

from chromiq.models import MODELS
from chromiq.photos.images import write_photo
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.trainer.checkout import bounded_environment, toolkit_folder, toolkit_python

PYTHON = toolkit_python(toolkit_folder())
pytestmark = [
    pytest.mark.ai_toolkit,
    pytest.mark.models,
    pytest.mark.skipif(PYTHON is None, reason="needs the vendored trainer: chromiq toolkit setup"),
    pytest.mark.timeout(3000),
]
PROGRAM = ROOT / "tests" / "support" / "tiny_trainer.py"
SHAPES = [((96, 128), (96, 128)), ((96, 128), (128, 96)), ((128, 96), (64, 128)), ((96, 128), (160, 96))]
SMALL = {
    "device": "cpu",
    "train.steps": "2",
    "train.disable_sampling": "false",
    "train.skip_first_sample": "true",
    "save.save_every": "1",
    "sample.sample_every": "2",
    "sample.sample_steps": "2",
    "sample.width": "64",
    "sample.height": "64",
    "datasets.mask_min_value": "0.0",
    "datasets.num_workers": "0",
    "datasets.cache_latents_num_workers": "0",
}


@pytest.fixture(autouse=True)
def _asked_for(request):
    if "ai_toolkit" not in (request.config.getoption("markexpr") or ""):
        pytest.skip("takes an hour: pytest -m ai_toolkit")


def write_dataset(root, model):
    """Four examples of two target shapes whose still-lifes have four; the left half of each mask is black."""
    rng = np.random.default_rng(0)
    for index, (size_wh, still_life_wh) in enumerate(SHAPES):
        folders = {"gt": size_wh, "control": size_wh}
        if model.has_reference:
            folders["reference"] = still_life_wh
        for name, (width_px, height_px) in folders.items():
            rgb = rng.integers(0, 256, (height_px, width_px, 3), np.uint8)
            write_photo(root / name / f"pair{index}.png", rgb)
        mask = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
        mask[:, size_wh[0] // 2 :] = 255
        write_photo(root / "masks" / f"pair{index}.png", mask)
        (root / "gt" / f"pair{index}.txt").write_text("chromiq Change the shirt color")


def small_config(model, preset, root, name, **overrides):
    """A rendered config made small, as a file."""
    text = render_job(
        model.name,
        root / "data",
        preset=preset,
        name=name,
        training_folder=root / "runs",
        overrides={**SMALL, "model.name_or_path": str(root / "weights"), **overrides},
    )
    document = yaml.safe_load(text)
    process = document["config"]["process"][0]
    dataset = process["datasets"][0]
    dataset["resolution"] = [64, 96][: len(dataset["resolution"])]
    # The recovery adapter lies on the hub (toolkit/util/quantize.py: hf_hub_download).
    process["model"]["qtype"] = process["model"]["qtype"].split("|")[0]
    controls = [root / "data" / "control" / "pair0.png", root / "data" / "reference" / "pair0.png"]
    shown = (
        {"ctrl_img_1": str(controls[0]), "ctrl_img_2": str(controls[1])}
        if model.has_reference
        else {"ctrl_img": str(controls[0])}
    )
    process["sample"]["samples"] = [{"prompt": "chromiq Change the shirt color", **shown}]
    path = root / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def run_plan(arch, root, plan):
    """What the trainer made of each config."""
    (root / "plan.json").write_text(json.dumps(plan))
    done = subprocess.run(
        [str(PYTHON), str(PROGRAM), arch, str(root / "weights"), str(root / "plan.json")],
        cwd=toolkit_folder(),
        env=bounded_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    results = [
        json.loads(line.removeprefix("RESULT ")) for line in done.stdout.splitlines() if "RESULT" in line
    ]
    assert len(results) == len(plan), done.stderr[-3000:]
    assert {result["config"]: result["error"] for result in results if result["error"]} == {}
    return results


def tensors(path):
    """The bytes of each tensor of a LoRA file."""
    return {name: tensor["data"] for name, tensor in deserialize(path.read_bytes())}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_trains_samples_resumes_and_applies_its_mask(name, tmp_path):
    model = MODELS[name]
    write_dataset(tmp_path / "data", model)
    distinct = {}
    for preset in (preset for each, preset in MODEL_PRESETS if each == name):
        path = small_config(model, preset, tmp_path, f"run-{preset}")
        content = path.read_text().replace(f"run-{preset}", "run")
        distinct.setdefault(content, (preset, path))
    plan = [{"config": str(path)} for _, path in distinct.values()]

    masked = {
        spoil: str(small_config(model, "published", tmp_path, f"mask-{spoil}"))
        for spoil in ("nothing", "black", "white")
    }
    plan += [
        {"config": config, "spoil": None if spoil == "nothing" else spoil} for spoil, config in masked.items()
    ]
    results = run_plan(model.arch, tmp_path, plan)
    runs = tmp_path / "runs"
    for (preset, _), result in zip(distinct.values(), results[: len(distinct)], strict=True):
        run = runs / f"run-{preset}"
        keys = tensors(run / f"run-{preset}.safetensors")
        print(f"{name} {preset}: losses {result['losses']}, {len(keys)} keys, {result['seconds']} s")
        assert len(result["losses"]) == 2
        # The trainer replaces a loss that is NaN by 0 and continues, so 0 is no loss.
        assert (np.array(result["losses"]) > 0).all()
        assert any(".lora_" in key for key in keys)
        assert (run / f"run-{preset}_000000001.safetensors").is_file()
        assert len(list((run / "samples").iterdir())) >= 1

    whole, black, white = (
        tensors(runs / f"mask-{spoil}" / f"mask-{spoil}.safetensors")
        for spoil in ("nothing", "black", "white")
    )
    assert whole == black  # what the mask hides does not reach the LoRA
    assert whole != white

    preset = next(iter(distinct.values()))[0]
    longer = small_config(model, preset, tmp_path, f"run-{preset}", **{"train.steps": "3"})
    (resumed,) = run_plan(model.arch, tmp_path, [{"config": str(longer)}])
    assert len(resumed["losses"]) == 1
