"""Correcting files: one or a folder, by each method, with a report of what was left alone."""

import json
import re
from dataclasses import replace
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from chromiq.colour import delta_e_map
from chromiq.correction.batch import BatchInputs, correct_batch
from chromiq.correction.fitting.garment_look import look
from chromiq.correction.fitting.transfer import garment_sample
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.photo import Correction, correct_file
from chromiq.correction.target import to_d50
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.dataset_builder.segmenters.doubts import limited
from chromiq.documents import as_record
from chromiq.errors import UnsoundError, UsageError
from chromiq.evaluate.generate.images import GenerateOptions
from chromiq.evaluate.generate.lora_network import LoraNetwork, write_controls
from chromiq.records import GarmentLabel, GarmentMask
from chromiq_cli.verbs import app

MODEL_LIBRARIES = all(find_spec(name) for name in ("torch", "diffusers", "peft"))
SEGMENTER = ClassicSegmenter()


def pixels(path):
    return np.array(Image.open(path).convert("RGB"))


@pytest.mark.parametrize(
    ("score", "reasons", "applied"),
    [
        (0.31, (), True),
        (0.0, (), False),
        (0.31, ("colour_disagrees",), False),
        (0.31, ("no_head",), False),
        (0.31, ("weak_detection",), False),
    ],
)
def test_one_strong_doubt_about_the_garment_leaves_a_photo_as_it_is(catalogue, score, reasons, applied):
    mask = pixels(catalogue / "masks" / "on_model1.png")[..., 0] > 127

    class Scripted:
        """Stands for a network that finds the garment well, but for one doubt."""

        name = "scripted"

        def label(self, photo_pairs):
            return [GarmentLabel("shirt", self.name, score)]

        def segment(self, tasks):
            return [GarmentMask(mask, limited(0.98, reasons), reasons, self.name)]

    photos = (catalogue / "pairs" / "still-life1.png", catalogue / "pairs" / "on_model1.png")
    done = correct_file(*photos, catalogue / "out.png", Scripted())
    assert done.applied == applied, done.reason
    assert (done.answer == "left_alone") == (not applied)


def test_no_error_found_in_a_doubtful_mask_is_said_with_the_doubt(catalogue):
    truth = catalogue / "truth" / "on_model1.png"
    mask = pixels(catalogue / "masks" / "on_model1.png")[..., 0] > 127

    class Scripted:
        """Stands for a network that finds the garment and is not sure of its outline."""

        name = "scripted"

        def label(self, photo_pairs):
            return [GarmentLabel("shirt", self.name)]

        def segment(self, tasks):
            return [GarmentMask(mask, 0.6, ("unsure_ends",), self.name)]

    done = correct_file(catalogue / "pairs" / "still-life1.png", truth, catalogue / "out.png", Scripted())
    assert done.answer == "left_alone"
    assert "no clear colour error" in done.reason
    assert "the outline of the garment is doubtful (confidence 0.60)" in done.reason
    assert [doubt.code for doubt in done.doubts] == ["mask.doubtful"]


@pytest.mark.parametrize(("level", "refused"), [(0, True), (127, True), (128, False)])
def test_a_mask_without_a_light_pixel_is_refused_by_name(catalogue, level, refused):
    mask = catalogue / "grey.png"
    Image.fromarray(np.uint8(pixels(catalogue / "masks" / "on_model1.png")[..., 0] > 127) * level).save(mask)
    photos = (catalogue / "pairs" / "still-life1.png", catalogue / "pairs" / "on_model1.png")
    if refused:
        with pytest.raises(UnsoundError, match=r"grey\.png.*no pixel is lighter than 50 % grey"):
            correct_file(*photos, catalogue / "out.png", SEGMENTER, mask=mask)
        assert not (catalogue / "out.png").exists()
    else:
        assert correct_file(*photos, catalogue / "out.png", SEGMENTER, mask=mask).applied


@pytest.fixture
def correct(catalogue):
    """Corrects the photo that is off by its mask, unless asked for another; writes ``o.png``."""

    def run(key=1, folder="pairs", generated=None, **options):
        return correct_file(
            catalogue / "pairs" / f"still-life{key}.png",
            catalogue / folder / f"on_model{key}.png",
            catalogue / "o.png",
            SEGMENTER,
            mask=catalogue / "masks" / f"on_model{key}.png",
            options=CorrectionOptions(**options),
            generated=generated,
        )

    return run


def test_lora_and_hybrid_take_a_generated_image_each_in_its_way(catalogue, correct):
    """The image stands for a LoRA's: the truth at half size, blurred, and a little moved."""
    truth, off = (pixels(catalogue / folder / "on_model1.png") for folder in ("truth", "pairs"))
    blurred = np.roll(cv2.GaussianBlur(truth, (0, 0), 1.2), (2, -2), axis=(0, 1))
    generated = cv2.resize(blurred, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    mask = pixels(catalogue / "masks" / "on_model1.png")[..., 0] > 127
    left, kept = {}, {}
    for method in ("lora", "hybrid"):
        done = correct(method=method, generated=generated)
        assert done.applied, done.reason
        after = pixels(catalogue / "o.png")
        np.testing.assert_array_equal(after[~mask], off[~mask])
        left[method] = delta_e_map(truth, after)[mask].mean()
        fine = [cv2.Laplacian(image[..., 1], cv2.CV_32F)[mask] for image in (off, after)]
        kept[method] = np.corrcoef(fine)[0, 1]
    assert max(left.values()) < 0.5 * delta_e_map(truth, off)[mask].mean()
    assert kept["hybrid"] > kept["lora"]


NOISE = np.random.default_rng(0).integers(0, 256, (140, 112, 3), dtype=np.uint8)


def test_an_image_that_does_not_fit_leaves_the_photo_alone(catalogue, correct):
    done = correct(method="lora", generated=NOISE)
    assert not done.applied
    assert "does not align with the photo" in done.reason
    assert (catalogue / "o.png").read_bytes() == (catalogue / "pairs" / "on_model1.png").read_bytes()


def test_a_network_that_is_not_used_is_named_where_nothing_is_corrected_too(correct):
    done = correct(folder="truth", method="hybrid", generated=NOISE)
    assert not done.applied
    assert "no clear colour error" in done.reason
    assert "the network's colour is not used" in done.reason


def test_strength_0_is_no_correction(correct):
    done = correct(strength=0)
    assert (done.applied, done.done, done.answer) == (False, False, "left_alone")
    assert done.reason == "left alone: the strength is 0"


def test_strength_scales_the_change(catalogue, correct):
    mask = pixels(catalogue / "masks" / "on_model1.png")[..., 0] > 127
    off, moved = pixels(catalogue / "pairs" / "on_model1.png"), []
    for strength in (0.5, 1.0, 1.5):
        correct(strength=strength)
        moved.append(delta_e_map(off, pixels(catalogue / "o.png"))[mask].mean())
    assert moved == sorted(moved)
    assert moved[0] < 0.75 * moved[1] < 0.95 * moved[2]


def test_force_and_min_gain_overrule_what_is_left_alone(catalogue, correct):
    assert not correct(key=2).applied
    nothing = correct(key=2, force=True)
    assert (nothing.applied, nothing.done) == (False, True)
    assert nothing.reason.startswith("there is nothing to correct")
    np.testing.assert_array_equal(pixels(catalogue / "o.png"), pixels(catalogue / "pairs" / "on_model2.png"))
    assert not correct(min_gain=99).applied
    forced = correct(min_gain=99, force=True)
    assert (forced.applied, forced.done) == (True, True)


def test_a_target_colour_is_reached(correct):
    done = correct(target_lab=(55, 20, 25))
    assert (done.applied, done.answer, done.doubts[0].code) == (True, "look", "target.far")
    assert done.colours.delta_e_after < 1
    np.testing.assert_allclose(done.colours.after, (55, 20, 25), atol=1.5)
    little = correct(target_lab=(55, 20, 25), strength=0.1)
    assert "target.far" not in {doubt.code for doubt in little.doubts}


def test_greys_have_no_hue_to_differ_in(correct):
    assert correct(target_lab=(55, 0, 0), strength=0.5).colours.hue_apart_deg == 0
    colours = correct(target_lab=(55, 20, 25), strength=0.5).colours
    _, a, b = colours.after
    apart_deg = np.degrees(np.arctan2(b, a) - np.arctan2(25, 20))
    assert abs(apart_deg) > 1
    assert colours.hue_apart_deg == pytest.approx(apart_deg, abs=0.5)


def test_a_target_that_the_file_cannot_hold_is_approached_and_reported(catalogue, correct):
    done = correct(target_lab=(60, 90, -90))
    assert (done.applied, done.answer, done.doubts[0].code) == (True, "look", "result.gamut")
    lightness, a, b = done.colours.after
    assert f"Lab (D50) {lightness:.0f}, {a:.0f}, {b:.0f}" in done.reason
    mask = pixels(catalogue / "masks" / "on_model1.png")[..., 0] > 127
    written = garment_sample(pixels(catalogue / "o.png"), mask)
    np.testing.assert_allclose(to_d50(look(written).mean), done.colours.after, atol=0.7)
    assert done.colours.delta_e_after > 5


def test_a_correction_survives_json(correct):
    done = correct()
    again = as_record(Correction, json.loads(json.dumps(done.as_dict())))
    assert again.as_dict() == done.as_dict()


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


def test_both_photos_are_named_if_both_are_unusable(tmp_path):
    paths = [tmp_path / name for name in ("still-life1.png", "on_model1.png")]
    for path in paths:
        Image.new("RGB", (1, 1)).save(path)
    with pytest.raises(UnsoundError) as refused:
        correct_file(*paths, tmp_path / "out.png", SEGMENTER)
    assert [finding.where for finding in refused.value.findings] == list(map(str, paths))


def test_a_damaged_jpeg_is_warned_about_once_by_a_file_and_by_a_batch(catalogue):
    pairs, photos = catalogue / "pairs", []
    for name in ("still-life1", "on_model1"):
        photos.append(pairs / f"{name}.jpg")
        Image.fromarray(pixels(pairs / f"{name}.png")).save(photos[-1], quality=95)
        (pairs / f"{name}.png").unlink()
    whole = photos[1].read_bytes()
    photos[1].write_bytes(whole[: len(whole) * 2 // 3] + b"\xff\xd9")
    mask = catalogue / "masks" / "on_model1.png"
    one = correct_file(*photos, catalogue / "out.jpg", SEGMENTER, mask=mask)
    batch = correct_batch(BatchInputs(pairs, masks=mask.parent), catalogue / "out", SEGMENTER)
    for warnings in (one.warnings, batch.findings):
        assert [each.where for each in warnings if each.code == "photo.damaged"] == [str(photos[1])]


def test_a_photo_given_twice_is_reported_once(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    with pytest.raises(UnsoundError) as caught:
        correct_file(tmp_path / "bad.jpg", tmp_path / "bad.jpg", tmp_path / "out.png", SEGMENTER)
    assert [finding.code for finding in caught.value.findings] == ["photo.unreadable"]


def test_the_photos_given_are_never_overwritten(catalogue):
    photos = (catalogue / "pairs" / "still-life1.png", catalogue / "pairs" / "on_model1.png")
    with pytest.raises(UsageError, match="would overwrite"):
        correct_file(*photos, photos[1], SEGMENTER)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.png", "b.png"], "--out"),
        (["--out", "o"], "either a still-life"),
        (["a.png", "b.png", "--out", "o.png", "--method", "hybrid"], "--lora is required"),
        (["a.png", "b.png", "--out", "o.png", "--masks", "m"], "--masks needs --batch"),
        (["a.png", "b.png", "--out", "o.png", "--redo", "1"], "--redo needs --batch"),
        (
            ["a.png", "b.png", "--out", "o.png", "--method", "lora", "--lora", "m", "--export", "cube"],
            "colour map",
        ),
        (["--batch", "p", "--out", "o", "--mask", "m.png"], "--mask is for a single photo"),
        (["a.png", "b.png", "--out", "o.png", "--target-lab", "green"], "neither Lab values"),
        (["a.png", "b.png", "--out", "o.png", "--target-lab", "400,0,0"], "is not a Lab colour"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png", "m", "m.png", "p"):
        (tmp_path / name).touch()
    result = CliRunner().invoke(app, ["correct", *words])
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)


def test_the_segmenter_is_named_if_it_has_to_find_a_mask(chromiq, catalogue):
    masks = catalogue / "masks"
    command = ("correct", "--batch", catalogue / "pairs", "--masks", masks, "--out", catalogue / "out")
    assert "segmenter:" not in chromiq(*command).err
    (masks / "on_model1.png").unlink()
    assert "segmenter: " in chromiq(*command).err


def test_a_terminal_shows_that_a_photo_is_at_work(chromiq, catalogue, tmp_path, monkeypatch):
    photos = [catalogue / "pairs" / f"{role}1.png" for role in ("still-life", "on_model")]
    words = ("correct", *photos, "--out", tmp_path / "o.png", "--segmenter", "classic")
    assert "\x1b" not in chromiq(*words).err
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert re.search(r"\x1b\[0m correct", chromiq(*words).err)


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


def test_a_lora_gets_the_caption_that_it_was_trained_on(catalogue, tmp_path):
    options, pairs = GenerateOptions(), find_pairs(catalogue / "pairs").pairs
    for template, text in (
        (None, "chromiq Change the coat color on the right to match the left"),
        ("{trigger}: {garment}", "chromiq: coat"),
        ("match the colours", "match the colours"),
    ):
        network = LoraNetwork(tmp_path / "x.safetensors", options, "exact", template)
        named = [replace(pair, garment="coat") for pair in pairs]
        captions, _ = write_controls(named, tmp_path / "work", SEGMENTER, network)
        assert captions == {"1": text, "2": text}
        # None is left out: what was made before there was the option counts.
        (tmp_path / "x.safetensors").touch()
        assert ("caption" in network.settings()) == (template is not None)
    with pytest.raises(UsageError, match=r"'\{colour\}' has a field that kontext does not know"):
        LoraNetwork(tmp_path / "x.safetensors", options, "exact", "{colour}")


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
    arguments = (BatchInputs(catalogue / "pairs", masks=catalogue / "masks"), catalogue / "out", SEGMENTER)
    options = CorrectionOptions(method="lora")
    (done,) = correct_batch(*arguments, options, network=network).corrections
    assert not done.applied
    assert "does not align with the photo" in done.reason
    image = catalogue / "out" / ".chromiq" / "generated" / "1.png"
    made = image.stat().st_mtime_ns
    options = CorrectionOptions(method="hybrid")
    (done,) = correct_batch(*arguments, options, network=network).corrections
    assert done.applied
    assert "the network's colour is not used" in done.reason
    assert done.answer == "look"
    assert "network.unused" in {doubt.code for doubt in done.doubts}
    assert image.stat().st_mtime_ns == made


def test_a_segmenter_that_does_not_name_itself_gives_the_same_bytes(catalogue, tmp_path):
    class Unnamed(ClassicSegmenter):
        """As a user may write one: `GarmentMask.source` is left at its default."""

        def segment(self, tasks):
            return [replace(found, source="given") for found in super().segment(tasks)]

    paths = [catalogue / "pairs" / f"{name}1.png" for name in ("still-life", "on_model")]
    for name, segmenter in (("named", ClassicSegmenter()), ("unnamed", Unnamed())):
        options = CorrectionOptions(force=True)
        assert correct_file(*paths, tmp_path / f"{name}.png", segmenter, options=options).applied
    assert (tmp_path / "named.png").read_bytes() == (tmp_path / "unnamed.png").read_bytes()
