"""The vendored trainer itself, in its environment, on the tiny checkpoint. Minutes; skipped without it."""

import json
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest
import yaml
from places import ROOT
from studio_client import client_of, until
from tiny_pictures import kontext_picture

from chromiq.errors import UnsoundError
from chromiq.photos.images import read_photo, write_photo
from chromiq.toolkit_configs.launch import plan, train_config
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.runs.checkpoints import saved_step
from chromiq.toolkit_configs.runs.events import EventReader
from chromiq.toolkit_configs.runs.status import read_status
from chromiq.toolkit_configs.trainer.checkout import bounded_environment, toolkit_folder, toolkit_python

PYTHON = toolkit_python(toolkit_folder())
pytestmark = [
    pytest.mark.ai_toolkit,
    pytest.mark.models,
    pytest.mark.skipif(PYTHON is None, reason="needs the vendored trainer: chromiq toolkit setup"),
    pytest.mark.skipif(
        not all(find_spec(name) for name in ("torch", "diffusers", "peft")), reason="needs '.[models]'"
    ),
    pytest.mark.timeout(900),
]


@pytest.fixture
def make_config(dataset, tiny_kontext, tmp_path):
    def make(name="real", **settings):
        overrides = {"model.name_or_path": str(tiny_kontext), "save.save_every": "2", **settings}
        path = tmp_path / f"{name}.yaml"
        path.write_text(render_job("kontext", dataset, preset="smoke", name=name, overrides=overrides))
        return path, dataset.parent / "runs" / name

    return make


def run_directly(config):
    return subprocess.run(
        [str(PYTHON), "run.py", str(config)],
        cwd=toolkit_folder(),
        env=bounded_environment(),
        capture_output=True,
        check=False,
    )


def generate(checkpoint, lora=None, scale=1.0):
    from diffusers import FluxKontextPipeline

    pipeline = FluxKontextPipeline.from_pretrained(checkpoint, use_safetensors=True)
    if lora:
        pipeline.load_lora_weights(lora.parent, weight_name=lora.name, adapter_name="a")
        pipeline.set_adapters(["a"], adapter_weights=[scale])
    return kontext_picture(pipeline)


def test_it_trains_resumes_and_its_lora_loads(make_config, tiny_kontext):
    config, run = make_config(**{"train.steps": "4"})
    final = train_config(config, "ai-toolkit")
    assert {path.name: saved_step(path) for path in run.glob("*.safetensors")} == {
        "real_000000002.safetensors": 2,
        "real.safetensors": 4,
    }
    status = read_status(run)
    assert (status.state, status.step) == ("done", 4)
    events = [(event.kind, event.values.get("step")) for event in EventReader(run).new()]
    assert [step for kind, step in events if kind == "step"] == [1, 2, 3, 4]
    assert [step for kind, step in events if kind == "checkpoint"] == [2, 4]
    assert status.record.versions["torch"]

    base = generate(tiny_kontext)
    assert not np.array_equal(generate(tiny_kontext, final), base)
    assert np.array_equal(generate(tiny_kontext, final, scale=0.0), base)

    config, _ = make_config(**{"train.steps": "6"})
    assert plan(config, "ai-toolkit", resume=True).from_step == 4
    assert saved_step(train_config(config, "ai-toolkit", resume=True)) == 6
    steps = [event.values["step"] for event in EventReader(run).new() if event.kind == "step"]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert [session["steps_done"] for session in read_status(run).record.sessions] == [4]


def test_a_stopped_run_saves_first(make_config):
    config, run = make_config(**{"train.steps": "2000", "save.save_every": "500"})
    code = f"import sys; sys.argv = ['chromiq', 'train', {str(config)!r}]\n"
    code += "from chromiq_cli.main import main; main()"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    events = run / "events.jsonl"
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline and not (
        events.is_file() and '"step", "step": 3,' in events.read_text()
    ):
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    status = read_status(run)
    assert status.state == "interrupted"
    (checkpoint,) = run.glob("*.safetensors")
    assert saved_step(checkpoint) == status.step >= 3
    assert ": 0 steps lost; resume the run to train on" in said


def test_a_run_is_stopped_and_resumed_on_the_page_of_the_studio(make_config):
    config, run = make_config(**{"train.steps": "2000", "save.save_every": "500"})
    code = f"import sys; sys.argv = ['chromiq', 'train', {str(config)!r}]\n"
    code += "from chromiq_cli.main import main; main()"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)

    def steps():
        return [event.values["step"] for event in EventReader(run).new() if event.kind == "step"]

    until(lambda: (run / "events.jsonl").is_file() and len(steps()) >= 3, 400)
    client, _ = client_of(run.parent)
    (folder,) = client.app.state.workplace.of_kind("run")
    address = f"/f/{folder.id}/run"
    assert client.post(f"{address}/stop").status_code == 200
    process.wait(120)
    stopped = read_status(run)
    assert stopped.state == "interrupted"
    assert client.post(f"{address}/resume").status_code == 200
    until(lambda: read_status(run).state == "running" and max(steps()) >= stopped.step + 2, 400)
    assert client.post(f"{address}/stop").status_code == 200
    until(lambda: read_status(run).state == "interrupted", 120)
    trained = steps()
    assert trained == list(range(1, len(trained) + 1))  # none twice, none left out


def test_faults_that_the_trainer_ignores_are_refused_before_launch(make_config, dataset):
    config, run = make_config(**{"train.steps": "1"})
    (dataset / "masks" / "pair1.png").unlink()
    with pytest.raises(UnsoundError) as caught:
        train_config(config, "ai-toolkit")
    assert "dataset.mask" in {finding.code for finding in caught.value.findings}
    # The very same, by hand: trained to the end without findings.
    done = run_directly(config)
    assert done.returncode == 0
    assert (run / "real.safetensors").is_file()
    assert b"mask" not in done.stdout.split(b"Bucket sizes")[-1]


def test_stale_latents_are_refused_before_launch(make_config, dataset):
    settings = {"train.steps": "1", "dataset.cache_latents_to_disk": "true"}
    train_config(make_config("first", **settings)[0], "ai-toolkit")
    cache = dataset / "gt" / "_latent_cache"
    encoded = {path.name: path.read_bytes() for path in cache.iterdir()}
    assert encoded
    target = dataset / "gt" / "pair1.jpg"
    write_photo(target, 255 - read_photo(target).rgb)
    config, run = make_config("second", **settings)
    with pytest.raises(UnsoundError) as caught:
        train_config(config, "ai-toolkit")
    assert {finding.where for finding in caught.value.findings if finding.code == "dataset.cache"} == {
        str(cache)
    }
    # The very same, by hand: trained to the end on what the picture was before.
    assert run_directly(config).returncode == 0
    assert (run / "second.safetensors").is_file()
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == encoded


def test_both_engines_agree_on_the_masked_loss(make_config, dataset, tiny_kontext, tmp_path):
    """Same latents, noise, timestep and mask: prediction and loss agree to 1e-4."""
    import torch
    from diffusers import FluxKontextPipeline
    from safetensors.torch import load_file

    from chromiq.toolkit_configs.smoke_engine.engine import (
        Batch,
        latent_weights,
        masked_loss,
        predict_velocity,
    )

    # 'weighted' would multiply the loss by a weight of the timestep, which the smoke engine leaves out.
    settings = {"train.steps": "1", "train.batch_size": "2", "train.timestep_type": "sigmoid"}
    config, _ = make_config("spied", **settings)
    spy, out = ROOT / "tests" / "support" / "spy_on_ai_toolkit.py", tmp_path / "seen.safetensors"
    done = subprocess.run(
        [str(PYTHON), str(spy), str(config), str(out)],
        cwd=toolkit_folder(),
        env=bounded_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = load_file(out)
    assert seen["mask"].std() > 0.1
    pipeline = FluxKontextPipeline.from_pretrained(tiny_kontext, use_safetensors=True)
    controls = seen["model_input"][:, 16:]
    predicted = []
    with torch.no_grad():
        for index in range(len(seen["noisy"])):
            pick = slice(index, index + 1)
            batch = Batch(
                seen["latents"][pick],
                controls[pick],
                None,
                seen["prompt"][pick],
                seen["pooled"][pick],
                torch.zeros(seen["prompt"].shape[1], 3),
            )
            sigma = seen["timesteps"].reshape(-1)[pick] / 1000
            predicted.append(
                predict_velocity(pipeline.transformer, pipeline, seen["noisy"][pick, :16], sigma, batch)
            )
    assert torch.cat(predicted).sub(seen["predicted"]).abs().max() < 1e-4

    least = yaml.safe_load(config.read_text())["config"]["process"][0]["datasets"][0]["mask_min_value"]
    greys = ((seen["mask"] - least) / (1 - least)).split(1)
    weights = [latent_weights(grey, tuple(seen["noisy"].shape[-2:]), least) for grey in greys]
    wanted = (seen["noise"] - seen["latents"]).split(1)
    loss = float(masked_loss(predicted, wanted, weights))
    unmasked = float(masked_loss(predicted, wanted, [torch.ones_like(weight) for weight in weights]))
    print(json.dumps({"local": loss, "ai_toolkit": float(seen["loss"]), "without mask": unmasked}))
    assert loss == pytest.approx(float(seen["loss"]), abs=1e-4)
    assert abs(unmasked - loss) > 1e-3


def test_only_qfloat8_makes_nan_of_a_row_of_zeros():
    """What the hint for a loss that is NaN from the first step says."""
    program = (
        "import torch\n"
        "from toolkit.util.quantize import freeze, get_qtype, quantize\n"
        "for name in ('qfloat8', 'float8', 'uint8', 'uint3'):\n"
        "    model = torch.nn.Sequential(torch.nn.Linear(64, 64, bias=False))\n"
        "    model[0].weight.data[3] = 0\n"
        "    quantize(model, weights=get_qtype(name))\n"
        "    freeze(model)\n"
        "    print('NAN', name, int(model(torch.ones(1, 64)).isnan().sum()))\n"
    )
    done = subprocess.run(
        [str(PYTHON), "-c", program],
        cwd=toolkit_folder(),
        env=bounded_environment("cpu"),
        capture_output=True,
        text=True,
        check=True,
    )
    found = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("NAN")]
    assert found == [["qfloat8", "1"], ["float8", "0"], ["uint8", "0"], ["uint3", "0"]]
