"""The smoke engine: resumes exactly, saves when stopped, and learns where the mask is white."""

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tiny_pictures import kontext_picture

from chromiq.errors import InterruptedRunError, OptionError, UnsoundError, UsageError
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.schema.trainer_job import job_of, read_job
from chromiq.toolkit_configs.smoke_engine.engine import latent_weights, masked_loss

MODEL_LIBRARIES = all(find_spec(name) for name in ("torch", "diffusers", "peft"))
pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(not MODEL_LIBRARIES, reason="needs the model libraries: pip install '.[models]'"),
]


@pytest.fixture
def make_job(dataset, tiny_kontext, tmp_path):
    def make(name, **settings):
        overrides = {
            "model.name_or_path": str(tiny_kontext),
            "train.steps": "6",
            "save.save_every": "2",
            "dataset.resolution": "[128]",
            **settings,
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(render_job("kontext", dataset, preset="smoke", name=name, overrides=overrides))
        return read_job(path)

    return make


def train(job, **options):
    """The losses of all steps that a training does, and its final checkpoint."""
    from chromiq.toolkit_configs.smoke_engine.engine import train

    losses = []

    def on_event(event):
        if event.kind == "step":
            losses.append(event.values["loss"])

    return losses, train(job, **{"on_event": on_event, **options})


def test_a_stopped_run_is_saved_and_resumes_to_the_same_bytes(make_job, tmp_path):
    losses, whole = train(make_job("whole"))
    assert {path.name for path in whole.parent.glob("whole*.safetensors")} == {
        "whole_000000002.safetensors",
        "whole_000000004.safetensors",
        "whole.safetensors",
        "whole.state.safetensors",
    }

    def stop(event):
        if (event.kind, event.values["step"]) == ("step", 3):
            os.kill(os.getpid(), signal.SIGINT)

    halves = make_job("halves")
    with pytest.raises(InterruptedRunError, match="stopped at step 3 of 6, saved"):
        train(halves, on_event=stop)
    assert (halves.run_folder / "halves_000000003.safetensors").is_file()
    with pytest.raises(OptionError, match="a run of this name exists"):
        train(halves)
    rest, resumed = train(halves, resume=True)
    assert rest == losses[3:]
    assert resumed.read_bytes() == whole.read_bytes()


def test_the_lora_changes_what_is_generated_and_at_scale_0_nothing(make_job, tiny_kontext):
    from diffusers import FluxKontextPipeline

    _, lora = train(make_job("lora"))
    pipeline = FluxKontextPipeline.from_pretrained(tiny_kontext, use_safetensors=True)
    base = kontext_picture(pipeline)
    pipeline.load_lora_weights(lora.parent, weight_name=lora.name, adapter_name="a")
    assert not np.array_equal(kontext_picture(pipeline), base)
    pipeline.set_adapters(["a"], adapter_weights=[0.0])
    assert np.array_equal(kontext_picture(pipeline), base)


def test_the_terminal_shows_the_run_and_no_log_of_a_library(make_job, tmp_path):
    """In a process of its own: the libraries write what they do when they are first imported."""
    make_job("quiet", **{"train.steps": "1", "save.save_every": "1"})
    command = [Path(sys.executable).with_name("chromiq"), "train", "quiet.yaml", "--engine", "smoke"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "quiet: done, step 1 of 1" in done.stderr
    assert "[transformers]" not in done.stderr


@pytest.mark.parametrize("every", [0, None])
def test_without_checkpoints_between_only_the_last_is_saved(make_job, every):
    document = make_job("last", **{"train.steps": "2"}).document
    document["config"]["process"][0]["save"]["save_every"] = every
    events = []
    train(job_of(document, "last.yaml")[0], on_event=events.append)
    assert [event.values["step"] for event in events if event.kind == "checkpoint"] == [2]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda process: process["model"].update(arch="qwen_image_edit"), "model.arch"),
        (lambda process: process.pop("network"), "network"),
        (lambda process: process["network"].update(type="lokr"), "network"),
        (lambda process: process["datasets"].append(process["datasets"][0]), "datasets"),
        (lambda process: process["datasets"][0].pop("control_path"), "datasets.0.control_path"),
        (lambda process: process["datasets"][0].update(invert_mask=True), "datasets.0.invert_mask"),
        (lambda process: process["datasets"][0].update(alpha_mask=True), "datasets.0.alpha_mask"),
    ],
)
def test_what_it_would_train_as_something_else_is_refused(make_job, change, key):
    document = make_job("other").document
    change(document["config"]["process"][0])
    with pytest.raises(UnsoundError) as caught:
        train(job_of(document, "other.yaml")[0])
    assert [finding.where for finding in caught.value.findings] == [f"other: {key}"]


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


@pytest.fixture
def halves(tiny_kontext, tmp_path, monkeypatch):
    """Trains a pair whose mask is white on the right half, and spoils what is to be learned on one half."""
    import torch
    from PIL import Image

    from chromiq.toolkit_configs.smoke_engine import engine as smoke_engine

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
    velocities = smoke_engine._velocities

    def train_on(name, spoilt, least="0"):
        # A latent is eight pixels wide: the mask's edge lies at the sixth of twelve.
        columns = {"nothing": slice(0), "left": slice(0, 6), "right": slice(6, 12)}[spoilt]

        def spoil(*arguments):
            predicted, wanted = velocities(*arguments)
            noise = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(0))
            wanted[..., columns] += 100 * noise[..., columns]
            return predicted, wanted

        monkeypatch.setattr(smoke_engine, "_velocities", spoil)
        overrides = {
            "model.name_or_path": str(tiny_kontext),
            "train.steps": "4",
            "save.save_every": "4",
            "train.lr": "0.01",
            "dataset.resolution": "[96]",
            "dataset.mask_min_value": least,
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(render_job("kontext", dataset, preset="smoke", name=name, overrides=overrides))
        losses, final = train(read_job(path))
        return losses, load_weights(final)

    return train_on


def load_weights(path):
    from safetensors.numpy import load_file

    return load_file(path)


def test_what_is_to_be_learned_where_the_mask_is_black_changes_no_bit_of_the_lora(halves):
    losses, weights = halves("sound", "nothing")
    assert any(np.abs(weight).max() > 0 for key, weight in weights.items() if "lora_B" in key)
    outside_losses, outside = halves("outside", "left")
    assert outside_losses == losses
    assert all(np.array_equal(weights[key], outside[key]) for key in weights)
    # Where it is white, and outside once black weighs something, the same change is learned.
    for name, spoilt, least in (("inside", "right", "0"), ("light", "left", "0.1")):
        other_losses, other = halves(name, spoilt, least)
        assert min(other_losses) > 10 * max(losses)
        assert any(not np.array_equal(weights[key], other[key]) for key in weights)


def test_a_seed_gives_the_same_bytes_and_another_seed_others(make_job):
    runs = {
        name: train(make_job(name, **{"train.steps": "2"}), seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    }
    a, b, c = (load_weights(final) for _, final in runs.values())
    assert runs["a"][0] == runs["b"][0] != runs["c"][0]
    assert all(np.array_equal(a[key], b[key]) for key in a)
    assert not all(np.array_equal(a[key], c[key]) for key in a)


def tensor(values):
    import torch

    return torch.tensor(values, dtype=torch.float32)


def test_weights_are_the_nearest_greys_mapped_to_the_least_weight_and_one():
    # Nearest takes the first pixel of each 2x2 block; what stands at the others must not count.
    grey = tensor([[[[1, 0.9, 0, 0.9], [0.9, 0.9, 0.9, 0.9], [0.5, 0.9, 0, 0.9], [0.9, 0.9, 0.9, 0.9]]]])
    weights = latent_weights(grey, (2, 2), 0.1)
    assert weights.flatten().tolist() == pytest.approx([1, 0.1, 0.55, 0.1])


def test_loss_by_hand():
    weights = tensor([[[[1, 0.1], [0.55, 0.1]]]])
    predicted = tensor([[[[1, 2], [3, 4]], [[5, 5], [5, 5]]]])
    wanted = tensor([[[[0, 0], [0, 0]], [[5, 5], [5, 5]]]])
    # Squared errors 1, 4, 9, 16 in one of two channels; weights divided by their mean, 1.75 / 4.
    by_hand = (1 * 1 + 4 * 0.1 + 9 * 0.55 + 16 * 0.1) / (1.75 / 4) / 8
    assert by_hand == pytest.approx(2.2714286)
    assert float(masked_loss([predicted], [wanted], [weights])) == pytest.approx(by_hand)


def test_black_that_weighs_nothing_hides_any_error():
    half = tensor([[[[0, 0, 1, 1]] * 2]])
    weights = latent_weights(half, (2, 4), 0)
    wrong_in_black = tensor([[[[1e6, -1e6, 1, 1]] * 2]])
    right_in_black = tensor([[[[0, 0, 1, 1]] * 2]])
    nothing = wrong_in_black * 0
    assert float(masked_loss([wrong_in_black], [nothing], [weights])) == 1
    assert float(masked_loss([right_in_black], [nothing], [weights])) == 1


def test_errors_in_white_count_more_than_without_a_mask():
    predicted, wanted = tensor([[[[0, 0, 3, 3]]]]), tensor([[[[0, 0, 0, 0]]]])
    weights = latent_weights(tensor([[[[0, 0, 1, 1]]]]), (1, 4), 0)
    assert float(masked_loss([predicted], [wanted], [weights])) == 9
    assert float(masked_loss([predicted], [wanted], [weights * 0 + 1])) == 4.5


def test_masks_black_all_over_train_everything_alike():
    predicted, wanted = tensor([[[[1, 2], [3, 4]]]]), tensor([[[[0, 0], [0, 0]]]])
    black = latent_weights(tensor([[[[0, 0], [0, 0]]]]), (2, 2), 0.1)
    assert float(masked_loss([predicted], [wanted], [black])) == pytest.approx((1 + 4 + 9 + 16) / 4)


def test_the_mean_weight_is_that_of_the_batch_so_a_black_mask_hands_its_share_to_its_neighbour():
    one, other, nothing = (tensor([[[[value, value]]]]) for value in (2.0, 5.0, 0.0))
    white, black = tensor([[[[1, 1]]]]), tensor([[[[0, 0]]]])
    loss = masked_loss([one, other], [nothing, nothing], [white, black])
    assert float(loss) == 4
    even = masked_loss([one, other], [nothing, nothing], [white, white])
    assert float(even) == (4 + 25) / 2


def test_weights_that_are_all_zero_are_refused():
    black = latent_weights(tensor([[[[0, 0]]]]), (1, 2), 0)
    with pytest.raises(UnsoundError, match="raise mask_min_value"):
        masked_loss([black], [black], [black])


def tensors(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.safetensors"))
    }


def test_it_is_small_and_holds_no_pickle(tiny_kontext):
    files = [path for path in tiny_kontext.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 2_000_000
    assert {path.suffix for path in files} == {".json", ".safetensors"}


def test_its_parts_are_those_of_the_real_one(tiny_kontext):
    index = json.loads((tiny_kontext / "model_index.json").read_text())
    assert index["_class_name"] == "FluxKontextPipeline"
    assert index["transformer"] == ["diffusers", "FluxTransformer2DModel"]
    assert index["vae"] == ["diffusers", "AutoencoderKL"]
    for part in ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler", "transformer"):
        assert (tiny_kontext / part).is_dir(), part


def test_the_seed_gives_its_weights_and_torchs_own_state_stays(tiny_kontext, tmp_path):
    import torch

    from chromiq.toolkit_configs.smoke_engine.tiny_checkpoint import build_tiny_kontext

    before = torch.random.get_rng_state()
    again, other = build_tiny_kontext(tmp_path / "again"), build_tiny_kontext(tmp_path / "other", seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert tensors(again) == tensors(tiny_kontext)
    assert tensors(other).keys() == tensors(tiny_kontext).keys()
    assert tensors(other) != tensors(tiny_kontext)


def test_it_generates_what_prompt_and_control_decide(tiny_kontext):
    from diffusers import FluxKontextPipeline

    pipeline = FluxKontextPipeline.from_pretrained(tiny_kontext, use_safetensors=True)

    def generate(prompt, grey):
        return kontext_picture(pipeline, prompt=prompt, rgb=(grey, grey, grey))

    image = generate("chromiq Change the dress", 30)
    assert image.shape == (48, 64, 3)
    assert np.isfinite(image).all()
    assert np.array_equal(image, generate("chromiq Change the dress", 30))
    assert not np.array_equal(image, generate("a letter more", 30))
    assert not np.array_equal(image, generate("chromiq Change the dress", 220))


def test_clip_has_the_weight_names_of_published_checkpoints_which_every_transformers_reads(tiny_kontext):
    import torch
    from safetensors import safe_open
    from transformers import CLIPTextModel

    folder = tiny_kontext / "text_encoder"
    with safe_open(folder / "model.safetensors", "pt") as weights:
        saved = {name: weights.get_tensor(name) for name in weights.keys()}  # noqa: SIM118
    assert all(name.startswith("text_model.") for name in saved)
    loaded = CLIPTextModel.from_pretrained(folder).state_dict()
    assert loaded.keys() == {name.removeprefix("text_model.") for name in saved}
    for name, value in loaded.items():
        assert torch.equal(value, saved[f"text_model.{name}"]), name
