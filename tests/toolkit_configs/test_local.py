"""The local engine: goes on bit by bit, saves when stopped, and learns where the mask is white."""

import os
import signal
from importlib.util import find_spec

import numpy as np
import pytest

from chromiq.errors import InterruptedRunError, UsageError
from toolkit_configs.jobs import read_job
from toolkit_configs.render import render_job

MODEL_LIBRARIES = all(find_spec(name) for name in ("torch", "diffusers", "peft"))
pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(not MODEL_LIBRARIES, reason="needs the model libraries: pip install '.[models]'"),
]


@pytest.fixture
def make_job(dataset, tiny_kontext, tmp_path):
    def make(name, **settings):
        overrides = {
            "model.name_or_path": str(tiny_kontext), "train.steps": "6", "save.save_every": "2",
            "dataset.resolution": "[128]", **settings,
        }  # fmt: skip
        path = tmp_path / f"{name}.yaml"
        path.write_text(render_job("kontext", dataset, preset="smoke", name=name, overrides=overrides))
        return read_job(path)

    return make


def train(job, **options):
    from toolkit_configs.engines.local import train

    return train(job, **options)


def test_a_stopped_run_is_saved_and_goes_on_to_the_same_bytes(make_job, tmp_path):
    whole = train(make_job("whole"))
    assert {path.name for path in whole.run_folder.glob("whole*.safetensors")} == {
        "whole_000000002.safetensors", "whole_000000004.safetensors", "whole.safetensors",
        "whole.state.safetensors",
    }  # fmt: skip

    def stop(step, total, loss):
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    halves = make_job("halves")
    with pytest.raises(InterruptedRunError, match="stopped at step 3 of 6, saved"):
        train(halves, on_step=stop)
    assert (halves.run_folder / "halves_000000003.safetensors").is_file()
    with pytest.raises(UsageError, match="--resume"):
        train(halves)
    rest = train(halves, resume=True)
    assert rest.losses == whole.losses[3:]
    assert rest.final_checkpoint.read_bytes() == whole.final_checkpoint.read_bytes()


def test_the_lora_changes_what_is_generated_and_at_scale_0_nothing(make_job, tiny_kontext):
    import torch
    from diffusers import FluxKontextPipeline
    from PIL import Image

    lora = train(make_job("lora")).final_checkpoint
    pipeline = FluxKontextPipeline.from_pretrained(tiny_kontext, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)

    def generate():
        return pipeline(
            image=Image.new("RGB", (64, 48), (200, 30, 30)), prompt="chromiq", width=64, height=48,
            max_area=64 * 48, _auto_resize=False, num_inference_steps=1, output_type="np",
            generator=torch.Generator().manual_seed(0),
        ).images[0]  # fmt: skip

    base = generate()
    pipeline.load_lora_weights(lora.parent, weight_name=lora.name, adapter_name="a")
    assert not np.array_equal(generate(), base)
    pipeline.set_adapters(["a"], adapter_weights=[0.0])
    assert np.array_equal(generate(), base)


def test_a_full_size_checkpoint_without_a_gpu_is_refused_before_anything_is_written(make_job, tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    full = tmp_path / "full"
    full.mkdir()
    (full / "model_index.json").write_text("{}")
    with (full / "weights.safetensors").open("wb") as stream:
        stream.truncate(24_000_000_000)  # Sparse: it takes no room.
    job = make_job("full", **{"model.name_or_path": str(full)})
    with pytest.raises(UsageError, match=r"full-size checkpoint \(24\.0 GB\) and no GPU"):
        train(job)
    assert not job.run_folder.exists()


def test_with_the_mask_the_loss_inside_falls_relative_to_that_outside(tiny_kontext, tmp_path):
    """By at least 2 %: inside over outside after 120 steps, with the mask as against without it."""
    import torch
    from PIL import Image

    from toolkit_configs.engines import local
    from toolkit_configs.engines.local_examples import find_examples

    dataset = tmp_path / "halves"
    for folder in ("gt", "control", "masks"):
        (dataset / folder).mkdir(parents=True)
    target = np.full((96, 96, 3), (220, 40, 40), np.uint8)
    target[:, 48:] = (30, 60, 200)
    mask = np.zeros((96, 96), np.uint8)
    mask[:, 48:] = 255
    Image.fromarray(target).save(dataset / "gt" / "pair1.png")
    Image.fromarray(np.full_like(target, 128)).save(dataset / "control" / "pair1.png")
    Image.fromarray(mask).save(dataset / "masks" / "pair1.png")
    (dataset / "gt" / "pair1.txt").write_text("chromiq")

    def ratio(name, least):
        overrides = {
            "model.name_or_path": str(tiny_kontext), "train.steps": "120", "save.save_every": "120",
            "train.lr": "0.02", "dataset.resolution": "[96]", "dataset.mask_min_value": least,
        }  # fmt: skip
        path = tmp_path / f"{name}.yaml"
        path.write_text(render_job("kontext", dataset, preset="smoke", name=name, overrides=overrides))
        job = read_job(path)
        run = train(job)
        pipeline = local._load(str(tiny_kontext), "cpu")
        pipeline.load_lora_weights(run.run_folder, weight_name=run.final_checkpoint.name)
        job.process.datasets[0].mask_min_value = 0
        batch = local._encode(pipeline, job, find_examples(job)[0], "cpu")
        white = batch.weights
        inside = outside = 0.0
        for step in range(1000, 1016):  # Noise that no step of the training saw.
            with torch.no_grad():
                predicted, wanted = local._velocities(pipeline.transformer, pipeline, batch, step, 0, "cpu")
            error = ((predicted - wanted) ** 2).mean(1, keepdim=True)
            inside += float((error * white).sum() / white.sum())
            outside += float((error * (1 - white)).sum() / (1 - white).sum())
        return inside / outside

    # A least weight of 1 makes every mask white all over.
    assert ratio("masked", "0") < 0.98 * ratio("unmasked", "1")
