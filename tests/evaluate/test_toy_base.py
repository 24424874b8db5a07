"""The shipped toy base: a LoRA trained on it learns the colour match, where its loss mask is white."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image, ImageOps

from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.options import BuildOptions
from chromiq.evaluate.generate.images import GenerateOptions
from chromiq.evaluate.score.scores import ImageSet, average_of, score_folders
from chromiq.evaluate.testset import read_testset
from chromiq.sample_catalogue.catalogue import write_catalogue
from chromiq.toolkit_configs.launch import train_config
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.schema.trainer_job import read_job
from chromiq.toolkit_configs.smoke_engine.tiny_checkpoint import TOY_BASE, TOY_CANVAS_WH, TOY_DENOISING_STEPS
from chromiq.toolkit_configs.trainer.checkout import toolkit_folder, toolkit_python

MODEL_LIBRARIES = all(find_spec(name) for name in ("torch", "diffusers", "peft"))
pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(not MODEL_LIBRARIES, reason="needs the model libraries: pip install '.[models]'"),
    pytest.mark.timeout(1500),
]
PAIRS, HELD_OUT, STEPS = 16, 4, 80


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("toy")
    write_catalogue(root / "catalogue", pairs=PAIRS, size_wh=(224, 280))
    options = BuildOptions(segmenter="classic", held_out=HELD_OUT / PAIRS, size_wh=TOY_CANVAS_WH, variants=2)
    truth = root / "catalogue" / "truth"
    build(
        root / "catalogue",
        root / "dataset",
        options,
        masks=truth / "garment_masks",
        garments=truth / "garments.json",
    )
    return root / "dataset"


def config_of(dataset, folder, **overrides):
    settings = {
        "model.name_or_path": str(TOY_BASE),
        "train.steps": str(STEPS),
        "save.save_every": str(STEPS),
        "network.linear": "16",
        "dataset.mask_min_value": "0",
        **overrides,
    }
    folder.mkdir()
    path = folder / "config.yaml"
    path.write_text(
        render_job("kontext", dataset, preset="smoke", name="toy", training_folder=folder, overrides=settings)
    )
    return path


def trained(dataset, folder, **overrides):
    from chromiq.toolkit_configs.smoke_engine.engine import train

    return train(read_job(config_of(dataset, folder, **overrides)))


def images(dataset, out, lora=None, scale=1.0):
    options = GenerateOptions(checkpoint=str(TOY_BASE), steps=TOY_DENOISING_STEPS, lora_scale=scale)
    return read_testset(dataset).generate(out, options, lora)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Where each model's images of the held-out photos lie, in a folder of its name."""
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def lora(dataset, root):
    return trained(dataset, root / "run")


@pytest.fixture(scope="module")
def of_means(dataset, root, lora):
    """dE00 of the held-out garments' mean colours: of the controls, and of what each model makes of them."""
    inverted = root / "inverted-masks"
    shutil.copytree(dataset, inverted)
    for path in (inverted / "masks").iterdir():
        ImageOps.invert(Image.open(path).convert("L")).save(path)
    loras = {"base": None, "lora": lora, "inverted": trained(inverted, root / "inverted-run")}
    return score(dataset, loras, root)


def score(dataset, loras, root):
    """dE00 of the mean colours of the held-out garments, of the control and of each LoRA by name."""
    for name, lora in loras.items():
        images(dataset, root / name, lora)
    trials = read_testset(dataset)
    folders = {"control": trials.controls, **{name: root / name for name in loras}}
    scores = score_folders(ImageSet(trials.truths, folders, masks=trials.write_masks(root / "garments")))
    return {name: average_of(scores, name, "of_means") for name in folders}


def test_80_steps_bring_the_mean_colours_of_held_out_garments_closer(of_means):
    assert of_means["lora"] < 0.65 * of_means["control"]
    assert of_means["lora"] < 0.65 * of_means["base"]


def test_a_lora_trained_on_everything_but_the_garment_does_not(of_means):
    assert of_means["inverted"] > 0.9 * of_means["base"]


@pytest.mark.ai_toolkit
@pytest.mark.skipif(toolkit_python(toolkit_folder()) is None, reason="needs the vendored trainer")
@pytest.mark.timeout(3000)
def test_ai_toolkit_trains_a_lora_on_it_as_well(request, dataset, tmp_path):
    if "ai_toolkit" not in (request.config.getoption("markexpr") or ""):
        pytest.skip("takes minutes: pytest -m ai_toolkit")
    steps = {"train.steps": "200", "save.save_every": "200"}  # as it was measured for docs/toy_model.md
    config = config_of(dataset, tmp_path / "run", **steps, device="cpu")
    lora = train_config(config, "ai-toolkit")
    means = score(dataset, {"ai-toolkit": lora}, tmp_path)
    assert means["ai-toolkit"] < 0.65 * means["control"]


def test_at_scale_0_the_images_are_those_of_the_base(dataset, root, lora, of_means):
    off = images(dataset, root / "off", lora, scale=0.0)
    assert off
    for path in off:
        of_off, of_base, of_lora = (
            np.asarray(Image.open(root / model / path.name)) for model in ("off", "base", "lora")
        )
        assert np.array_equal(of_off, of_base)
        assert not np.array_equal(of_off, of_lora)
