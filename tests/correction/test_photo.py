"""Correcting files: one or a folder, by each method, told what was left alone."""

import json
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from chromiq.colour import delta_e_map
from chromiq.correction.batch import correct_batch
from chromiq.correction.photo import correct_file
from chromiq.dataset_builder.degrade.apply import degrade
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.errors import UnsoundError, UsageError
from chromiq.evaluate.generate.images import GenerateOptions
from chromiq.evaluate.generate.panels import LoraNetwork, write_controls
from chromiq.photos.images import read_photo, write_mask, write_photo
from chromiq.sample_catalogue.catalogue import draw_pair
from chromiq_cli.verbs import app

MODEL_LIBRARIES = all(find_spec(name) for name in ("torch", "diffusers", "peft"))
SEGMENTER = ClassicSegmenter()


class Unused(ClassicSegmenter):
    """Stands for a segmenter that must not be asked."""

    def segment(self, tasks):
        raise AssertionError("a finished photo was corrected again")


@pytest.fixture
def catalogue(tmp_path):
    """Two pairs: the first is off in colour, the second true; their masks beside them."""
    for index in (0, 1):
        pair = draw_pair(index, size_wh=(224, 280))
        photo = pair.on_model
        if index == 0:
            photo, _ = degrade(photo, pair.on_model_mask, "published", np.random.default_rng(5))
        write_photo(tmp_path / "pairs" / f"still-life{index + 1}.png", pair.still_life)
        write_photo(tmp_path / "pairs" / f"on_model{index + 1}.png", photo)
        write_photo(tmp_path / "truth" / f"on_model{index + 1}.png", pair.on_model)
        write_mask(tmp_path / "masks" / f"on_model{index + 1}.png", pair.on_model_mask)
    return tmp_path


def pixels(path):
    return np.array(Image.open(path).convert("RGB"))


def test_a_batch_corrects_what_is_off_leaves_what_is_right_and_shows_both(catalogue):
    out, masks = catalogue / "out", catalogue / "masks"
    first, second = correct_batch(catalogue / "pairs", out, SEGMENTER, masks=masks)
    assert (first.applied, second.applied) == (True, False)
    assert second.reason.startswith("left alone")
    untouched = catalogue / "pairs" / "on_model2.png"
    assert (out / "on_model2.png").read_bytes() == untouched.read_bytes()
    mask = pixels(masks / "on_model1.png")[..., 0] > 127
    truth, off, after = (pixels(catalogue / name / "on_model1.png") for name in ("truth", "pairs", "out"))
    np.testing.assert_array_equal(after[~mask], off[~mask])
    assert delta_e_map(truth, after)[mask].mean() < 0.5 * delta_e_map(truth, off)[mask].mean()
    assert read_photo(out / "contact_sheet.jpg").rgb.shape[1] > 3 * 150


def test_a_batch_resumes_and_redoes_only_what_changed(catalogue):
    out, masks = catalogue / "out", catalogue / "masks"
    before = correct_batch(catalogue / "pairs", out, SEGMENTER, masks=masks)
    kept = (out / "on_model1.png").read_bytes()
    assert correct_batch(catalogue / "pairs", out, Unused(), masks=masks) == before
    (out / "on_model1.png").write_bytes(b"cut short")
    correct_batch(catalogue / "pairs", out, SEGMENTER, masks=masks)
    assert (out / "on_model1.png").read_bytes() == kept
    correct_batch(catalogue / "pairs", out, SEGMENTER, masks=masks, strength=0.5)
    assert (out / "on_model1.png").read_bytes() != kept


def test_faults_come_before_anything_is_written(catalogue):
    (catalogue / "empty").mkdir()
    with pytest.raises(UnsoundError) as caught:
        correct_batch(catalogue / "pairs", catalogue / "out", SEGMENTER, masks=catalogue / "empty")
    assert [finding.code for finding in caught.value.findings] == ["masks.none"]
    twin = catalogue / "pairs" / "deeper"
    twin.mkdir()
    (twin / "on_model1.png").write_bytes((catalogue / "pairs" / "on_model1.png").read_bytes())
    rows = ["still-life1.png,on_model1.png,a", "still-life2.png,deeper/on_model1.png,b"]
    table = catalogue / "pairs" / "pairs.csv"
    table.write_text("\n".join(["still_life,on_model,key", *rows]) + "\n")
    with pytest.raises(UnsoundError) as caught:
        correct_batch(table, catalogue / "out", SEGMENTER)
    assert [finding.code for finding in caught.value.findings] == ["pair.name_taken"]
    assert not (catalogue / "out").exists()


def test_lora_and_hybrid_take_a_generated_image_each_in_its_way(catalogue):
    """The image stands for a LoRA's: the truth at half size, blurred, and a little moved."""
    truth = pixels(catalogue / "truth" / "on_model1.png")
    blurred = np.roll(cv2.GaussianBlur(truth, (0, 0), 1.2), (2, -2), axis=(0, 1))
    generated = cv2.resize(blurred, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    mask = pixels(catalogue / "masks" / "on_model1.png")[..., 0] > 127
    photos = (catalogue / "pairs" / "still-life1.png", catalogue / "pairs" / "on_model1.png")
    off, left, kept = pixels(photos[1]), {}, {}
    for method in ("lora", "hybrid"):
        out = catalogue / f"{method}.png"
        done = correct_file(
            *photos,
            out,
            SEGMENTER,
            mask=catalogue / "masks" / "on_model1.png",
            method=method,
            generated=generated,
        )
        assert done.applied, done.reason
        after = pixels(out)
        np.testing.assert_array_equal(after[~mask], off[~mask])
        left[method] = delta_e_map(truth, after)[mask].mean()
        fine = [cv2.Laplacian(image[..., 1], cv2.CV_32F)[mask] for image in (off, after)]
        kept[method] = np.corrcoef(fine)[0, 1]
    assert max(left.values()) < 0.5 * delta_e_map(truth, off)[mask].mean()
    assert kept["hybrid"] > kept["lora"]


def test_an_image_that_does_not_fit_leaves_the_photo_alone(catalogue):
    noise = np.random.default_rng(0).integers(0, 256, (140, 112, 3), dtype=np.uint8)
    photos = (catalogue / "pairs" / "still-life1.png", catalogue / "pairs" / "on_model1.png")
    mask = catalogue / "masks" / "on_model1.png"
    done = correct_file(*photos, catalogue / "o.png", SEGMENTER, mask=mask, method="lora", generated=noise)
    assert not done.applied
    assert "does not lie on the photo" in done.reason
    assert (catalogue / "o.png").read_bytes() == photos[1].read_bytes()


def test_16_bits_go_through(catalogue):
    source = catalogue / "pairs" / "on_model1.png"
    deep = pixels(source).astype(np.uint16) * 257 + 100
    deep[deep < 100] = 65535
    cv2.imwrite(str(source), deep[..., ::-1])
    mask_file = catalogue / "masks" / "on_model1.png"
    still_life = catalogue / "pairs" / "still-life1.png"
    assert correct_file(still_life, source, catalogue / "o.png", SEGMENTER, mask=mask_file).applied
    after = cv2.imread(str(catalogue / "o.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    outside = pixels(mask_file)[..., 0] < 128
    assert after.dtype == np.uint16
    np.testing.assert_array_equal(after[outside], deep[outside])


def test_the_photos_given_are_never_overwritten(catalogue):
    photos = (catalogue / "pairs" / "still-life1.png", catalogue / "pairs" / "on_model1.png")
    with pytest.raises(UsageError, match="wanted another file"):
        correct_file(*photos, photos[1], SEGMENTER)


def test_the_verb_says_what_was_left_alone_and_exits_3(catalogue):
    words = [
        "correct",
        "--batch",
        catalogue / "pairs",
        "--masks",
        catalogue / "masks",
        "--out",
        catalogue / "out",
    ]
    result = CliRunner().invoke(app, [*map(str, words), "--segmenter", "classic", "--json"])
    assert result.exit_code == 3, result.output
    done = json.loads(result.stdout)["corrections"]
    assert [item["applied"] for item in done] == [True, False]
    assert done[1]["reason"].startswith("left alone")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.png", "b.png"], "--out"),
        (["--out", "o"], "either a still-life"),
        (["a.png", "b.png", "--out", "o.png", "--method", "hybrid"], "wanted --lora"),
        (["a.png", "b.png", "--out", "o.png", "--masks", "m"], "--masks with --batch"),
        (["--batch", "p", "--out", "o", "--mask", "m.png"], "--mask with one photo"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words, said):
    result = CliRunner().invoke(app, ["correct", *words])
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)


@pytest.mark.parametrize("geometry", ["published", "exact"])
@pytest.mark.parametrize("model", ["kontext", "qwen-image-edit", "qwen-image-edit-2509"])
def test_every_model_sees_what_it_was_trained_on_at_a_size_it_keeps(catalogue, tmp_path, model, geometry):
    network = LoraNetwork(tmp_path / "x.safetensors", GenerateOptions(model=model), geometry)
    pairs = [pair for pair in find_pairs(catalogue / "pairs").pairs if pair.key == "1"]
    captions, geometries = write_controls(pairs, tmp_path / "work", SEGMENTER, network)
    control = pixels(tmp_path / "work" / "control" / "1.png")
    divisible_by = 16 if model == "kontext" else 32
    assert not any(side % divisible_by for side in control.shape[:2])
    assert captions["1"].startswith("chromiq Change the")
    photo, still_life = (pixels(catalogue / "pairs" / f"{name}1.png") for name in ("on_model", "still-life"))
    panel = control
    if model == "qwen-image-edit-2509":
        np.testing.assert_array_equal(pixels(tmp_path / "work" / "reference" / "1.png"), still_life)
        assert "reference garment" in captions["1"]
    else:
        left, top, right, bottom = geometries["1"].on_model_xyxy
        panel = control[top:bottom, left:right]
        assert "on the right" in captions["1"]
    seen = cv2.resize(photo, panel.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    assert np.abs(seen.astype(int) - panel).mean() < 3


@pytest.fixture
def checkpoint_and_lora(tmp_path):
    """The tiny checkpoint and a LoRA on one of its layers, both random."""
    from safetensors.numpy import load_file, save_file

    from chromiq.toolkit_configs.smoke_engine.tiny_checkpoint import build_tiny_kontext

    checkpoint = build_tiny_kontext(tmp_path / "tiny")
    (weights,) = (checkpoint / "transformer").glob("*.safetensors")
    layer = "transformer_blocks.0.attn.to_q"
    rows, columns = load_file(weights)[f"{layer}.weight"].shape
    rng = np.random.default_rng(0)
    parts = {"lora_A": (2, columns), "lora_B": (rows, 2)}
    lora = {
        f"transformer.{layer}.{part}.weight": rng.normal(0, 0.1, shape).astype(np.float32)
        for part, shape in parts.items()
    }
    save_file(lora, tmp_path / "lora.safetensors")
    return checkpoint, tmp_path / "lora.safetensors"


@pytest.mark.models
@pytest.mark.skipif(not MODEL_LIBRARIES, reason="needs the model libraries: pip install '.[models]'")
def test_a_network_generates_once_for_all_methods_and_its_noise_is_not_trusted(
    catalogue, checkpoint_and_lora
):
    """The tiny checkpoint's weights are random: what it makes is noise, and must harm nothing."""
    (catalogue / "pairs" / "on_model2.png").unlink()
    (catalogue / "pairs" / "still-life2.png").unlink()
    checkpoint, lora = checkpoint_and_lora
    network = LoraNetwork(lora, GenerateOptions(checkpoint=str(checkpoint), steps=1), "exact")
    arguments = (catalogue / "pairs", catalogue / "out", SEGMENTER)
    options = {"masks": catalogue / "masks", "network": network}
    (done,) = correct_batch(*arguments, method="lora", **options)
    assert not done.applied
    assert "does not lie on the photo" in done.reason
    image = catalogue / "out" / ".chromiq" / "generated" / "1.png"
    made = image.stat().st_mtime_ns
    (done,) = correct_batch(*arguments, method="hybrid", **options)
    assert done.applied
    assert "without the network's colour" in done.reason
    assert image.stat().st_mtime_ns == made
