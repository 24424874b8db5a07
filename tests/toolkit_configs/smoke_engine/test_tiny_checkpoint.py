"""The tiny checkpoint is loaded by the code that loads the real one."""

import json
from importlib.util import find_spec

import pytest

MODEL_LIBRARIES = all(find_spec(name) for name in ("torch", "diffusers", "peft"))
pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(not MODEL_LIBRARIES, reason="needs the model libraries: pip install '.[models]'"),
]


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
    import numpy as np
    import torch
    from diffusers import FluxKontextPipeline
    from PIL import Image

    pipeline = FluxKontextPipeline.from_pretrained(tiny_kontext, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)

    def generate(prompt, grey):
        return pipeline(
            image=Image.new("RGB", (64, 48), (grey, grey, grey)),
            prompt=prompt,
            width=64,
            height=48,
            max_area=64 * 48,
            _auto_resize=False,
            num_inference_steps=1,
            output_type="np",
            generator=torch.Generator().manual_seed(0),
        ).images[0]

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
