"""The shipped toy base: a LoRA trained on it learns the colour match, where its loss mask is white."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image, ImageOps

from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.options import BuildOptions
from chromiq.evaluate.generate.images import GenerateOptions, generate, read_captions
from chromiq.evaluate.score.folders import score_folders
from chromiq.evaluate.score.summary import average_of
from chromiq.evaluate.testset import read_testset, write_canvas_masks
from chromiq.sample_catalogue.catalogue import write_catalogue
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.schema.jobs import read_job
from chromiq.toolkit_configs.smoke_engine.toy_base import TOY_BASE, TOY_CANVAS_WH, TOY_DENOISING_STEPS

MODEL_LIBRARIES = all(find_spec(name) for name in ("torch", "diffusers", "peft"))
pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(not MODEL_LIBRARIES, reason="needs the model libraries: pip install '.[models]'"),
]
PAIRS, HELD_OUT, STEPS = 16, 4, 200


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("toy")
    write_catalogue(root / "catalogue", pairs=PAIRS, size_wh=(224, 280))
    options = BuildOptions(segmenter="classic", held_out=HELD_OUT / PAIRS, size_wh=TOY_CANVAS_WH, variants=2)
    build(root / "catalogue", root / "dataset", options)
    return root / "dataset"


def trained(dataset, folder, **overrides):
    from chromiq.toolkit_configs.smoke_engine.engine import train

    settings = {
        "model.name_or_path": str(TOY_BASE), "train.steps": str(STEPS), "save.save_every": str(STEPS),
        "network.linear": "16", "network.linear_alpha": "16", "dataset.mask_min_value": "0", **overrides,
    }  # fmt: skip
    folder.mkdir()
    path = folder / "config.yaml"
    path.write_text(
        render_job("kontext", dataset, preset="smoke", name="toy", training_folder=folder, overrides=settings)
    )
    return train(read_job(path)).final_checkpoint


def images(dataset, out, lora=None, scale=1.0):
    trials = read_testset(dataset)
    held_out = trials[0].control.parent.parent
    options = GenerateOptions(checkpoint=str(TOY_BASE), steps=TOY_DENOISING_STEPS, lora_scale=scale)
    captions = read_captions(held_out / "gt")
    return generate(held_out / "control", out, captions, options, lora=lora)


def of_means(dataset, out):
    """dE00 of the garments' mean colours: of the controls, and of the images in `out`."""
    trials = read_testset(dataset)
    truth, control = trials[0].truth.parent, trials[0].control.parent
    masks = write_canvas_masks(trials, out.parent / f"{out.name}-masks")
    scores = score_folders(truth, {"control": control, "generated": out}, masks=masks)
    return [average_of(scores, column, "of_means") for column in ("control", "generated")]


def test_200_steps_bring_the_mean_colours_of_held_out_garments_closer(dataset, tmp_path):
    lora = trained(dataset, tmp_path / "run")
    images(dataset, tmp_path / "generated", lora)
    control, generated = of_means(dataset, tmp_path / "generated")
    assert generated < 0.92 * control


def test_a_lora_trained_on_everything_but_the_garment_does_not(dataset, tmp_path):
    inverted = tmp_path / "dataset"
    shutil.copytree(dataset, inverted)
    for path in (inverted / "masks").iterdir():
        ImageOps.invert(Image.open(path).convert("L")).save(path)
    lora = trained(inverted, tmp_path / "run")
    images(dataset, tmp_path / "generated", lora)
    control, generated = of_means(dataset, tmp_path / "generated")
    assert generated > 0.93 * control


def test_at_scale_0_the_images_are_those_of_the_base(dataset, tmp_path):
    lora = trained(dataset, tmp_path / "run", **{"train.steps": "5", "save.save_every": "5"})
    base = images(dataset, tmp_path / "base")
    off = images(dataset, tmp_path / "off", lora, scale=0.0)
    on = images(dataset, tmp_path / "on", lora)
    pixels = [[np.asarray(Image.open(path)) for path in paths] for paths in (base, off, on)]
    assert all(np.array_equal(a, b) for a, b in zip(pixels[0], pixels[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(pixels[0], pixels[2], strict=True))
