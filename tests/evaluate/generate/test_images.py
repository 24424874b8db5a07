"""Generation on tiny models of the real classes: names, sizes, seeds, resuming, LoRAs that do not fit."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from places import ROOT
from torchvision_code import FOLDER as TORCHVISION_CODE
from typer.testing import CliRunner

from chromiq.errors import AccessError, UnsoundError, UsageError
from chromiq.evaluate.generate.images import GenerateOptions, generate, read_seeds
from chromiq.evaluate.generate.pipelines import Loading
from chromiq.photos.images import photo_size_wh, read_photo, write_photo
from chromiq_cli.verbs import app

pytestmark = pytest.mark.models
LAYERS = ["transformer_blocks.0.attn.to_q", "transformer_blocks.0.attn.to_k"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    pytest.importorskip("diffusers")
    from chromiq.toolkit_configs.smoke_engine.tiny_checkpoint import build_tiny_kontext

    return build_tiny_kontext(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def work(tmp_path_factory, tiny):
    """Controls of two sizes and a LoRA."""
    from tiny_lora import write_lora

    root = tmp_path_factory.mktemp("generate")
    rng = np.random.default_rng(0)
    for name, size_wh in (("1", (96, 64)), ("2", (96, 64)), ("10", (64, 96))):
        write_photo(root / "control" / f"{name}.png", rng.integers(0, 256, (*size_wh[::-1], 3), np.uint8))
    write_lora(root / "lora.safetensors", LAYERS)
    return root


CAPTIONS = dict.fromkeys(("1", "2", "10"), "make it red")


@pytest.fixture
def options(tiny):
    return GenerateOptions(checkpoint=str(tiny), steps=1)


def test_images_bear_the_controls_names_and_sizes(work, options, tmp_path):
    seen = []
    paths = generate(
        work / "control",
        tmp_path,
        CAPTIONS,
        replace(options, steps=2),
        lora=work / "lora.safetensors",
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert [path.name for path in paths] == ["1.png", "2.png", "10.png"]
    assert [photo_size_wh(path) for path in paths] == [(96, 64), (96, 64), (64, 96)]
    assert list(dict.fromkeys(seen)) == [(done, 6) for done in range(1, 7)]


def test_the_same_call_makes_only_what_is_missing_or_changed(work, options, tmp_path, monkeypatch):
    first = generate(work / "control", tmp_path, CAPTIONS, options)
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in first}
    (tmp_path / "2.png").unlink()
    generate(work / "control", tmp_path, {**CAPTIONS, "10": "make it blue"}, options)
    after = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in first}
    assert after["1.png"] == before["1.png"]
    assert after["2.png"][1] == before["2.png"][1]
    assert after["10.png"][1] != before["10.png"][1]
    # Nothing is left to do: no model is loaded.
    monkeypatch.setattr("chromiq.evaluate.generate.images.load_pipeline", lambda *_: pytest.fail("loaded"))
    offloaded = replace(options, loading=Loading(offload="model"))
    for same in (options, offloaded):
        generate(work / "control", tmp_path, {**CAPTIONS, "10": "make it blue"}, same)


def test_seeds_are_per_image_and_batches_hold_one_size(work, options, tmp_path):
    (tmp_path / "seeds.json").write_text('{"2": 7}')
    from dataclasses import replace

    seeded = replace(options, seeds=read_seeds(tmp_path / "seeds.json"), batch=4)
    plain = generate(work / "control", tmp_path / "plain", CAPTIONS, options)
    batched = generate(work / "control", tmp_path / "batched", CAPTIONS, seeded)
    difference = [
        np.abs(read_photo(a).rgb.astype(int) - read_photo(b).rgb).max()
        for a, b in zip(plain, batched, strict=True)
    ]
    assert difference[0] <= 1
    assert difference[2] <= 1
    assert difference[1] > 1
    (tmp_path / "batched" / "1.png").unlink()
    kept = (tmp_path / "batched" / "2.png").read_bytes()
    again = generate(work / "control", tmp_path / "batched", CAPTIONS, seeded)
    assert np.abs(read_photo(again[0]).rgb.astype(int) - read_photo(plain[0]).rgb).max() <= 1
    assert (tmp_path / "batched" / "2.png").read_bytes() == kept


def test_a_sweep_of_scales_starts_at_the_base_model(work, options, tmp_path):
    lora = work / "lora.safetensors"
    generate(work / "control", tmp_path, CAPTIONS, options, lora=lora, scales=(0.0, 0.5, 1.0), only={"1"})
    base = generate(work / "control", tmp_path / "base", CAPTIONS, options, only={"1"})
    images = [read_photo(tmp_path / f"scale_{scale}" / "1.png").rgb for scale in ("0", "0.5", "1")]
    assert np.array_equal(images[0], read_photo(base[0]).rgb)
    assert (images[1] != images[0]).any()
    assert (images[2] != images[1]).any()


@pytest.mark.parametrize("layer", ["blocks.7.attn.to_q", "transformer_blocks.0.norm1.linear"])
def test_a_lora_of_another_model_is_an_error(work, options, tmp_path, layer):
    from tiny_lora import write_lora

    lora = write_lora(tmp_path / "other.safetensors", [layer])
    with pytest.raises(UnsoundError) as caught:
        generate(work / "control", tmp_path / "out", CAPTIONS, options, lora=lora)
    assert [finding.code for finding in caught.value.findings] == ["lora.fit"]
    assert not list((tmp_path / "out").glob("*.png"))


def test_faults_of_the_controls_come_all_at_once(work, options, tmp_path):
    write_photo(tmp_path / "control" / "a.png", np.zeros((70, 96, 3), np.uint8))
    write_photo(tmp_path / "control" / "b.png", np.zeros((64, 96, 3), np.uint8))
    with pytest.raises(UnsoundError) as caught:
        generate(tmp_path / "control", tmp_path / "out", {"a": "x"}, options)
    assert [finding.code for finding in caught.value.findings] == ["generate.size", "generate.caption"]


def test_weights_that_are_not_to_be_had_name_their_page(work, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    options = GenerateOptions(checkpoint="somebody/no-such-model", steps=1)
    with pytest.raises(AccessError, match=r"https://huggingface\.co/somebody/no-such-model") as caught:
        generate(work / "control", tmp_path, CAPTIONS, options)
    assert caught.value.exit_code == 12


@pytest.mark.parametrize("checkpoint", ["./no-such-folder", "../models/x/y", '"quoted"', "a b"])
def test_a_checkpoint_that_is_neither_a_folder_nor_a_hub_name_is_refused(work, tmp_path, checkpoint):
    with pytest.raises(UsageError, match="neither a folder nor a hub name"):
        generate(work / "control", tmp_path, CAPTIONS, GenerateOptions(checkpoint=checkpoint, steps=1))


def test_a_model_folder_with_a_nonsense_config_is_refused(work, tmp_path, tiny):
    shutil.copytree(tiny, tmp_path / "model")
    config = tmp_path / "model" / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_layers": "x"}))
    options = GenerateOptions(checkpoint=str(tmp_path / "model"), steps=1)
    with pytest.raises(AccessError, match="not a complete diffusers model"):
        generate(work / "control", tmp_path / "out", CAPTIONS, options)


def test_a_library_s_own_fault_is_not_blamed_on_a_hub_model(work, tmp_path, monkeypatch):
    def from_pretrained(*_, **__):
        raise TypeError("unexpected keyword")

    monkeypatch.setattr("diffusers.FluxKontextPipeline.from_pretrained", from_pretrained)
    with pytest.raises(TypeError):
        generate(work / "control", tmp_path, CAPTIONS, GenerateOptions(checkpoint="some/model", steps=1))


def test_what_cannot_be_asked_for_is_refused(work, tmp_path, tiny):
    for words in (("cpu", "float8", "none", None), (None, None, "disk", None), (None, None, "none", "int1")):
        with pytest.raises(UsageError, match="is unknown"):
            Loading(*words)
    for loading in (Loading("cpu", offload="model"), Loading("cpu", quantize="nf4")):
        options = GenerateOptions(checkpoint=str(tiny), loading=loading)
        with pytest.raises(UsageError, match=r"needs a (GPU|CUDA device)"):
            generate(work / "control", tmp_path, CAPTIONS, options)
    with pytest.raises(UsageError, match="one image at a time"):
        generate(work / "control", tmp_path, CAPTIONS, GenerateOptions(model="qwen-image-edit", batch=2))
    with pytest.raises(UsageError, match="kontext"):
        generate(work / "control", tmp_path, CAPTIONS, GenerateOptions(model="sdxl"))


def test_the_verb_sweeps_scales_and_prints_the_paths(work, tiny, tmp_path):
    line = (
        f"generate --control {work}/control --out {tmp_path} --prompt red --steps 1 --checkpoint {tiny} "
        f"--lora {work}/lora.safetensors --lora-scale 0 --lora-scale 1 --device auto --dtype auto --json"
    )
    done = CliRunner().invoke(app, line.split())
    assert done.exit_code == 0, done.output
    paths = json.loads(done.stdout)["images"]
    assert len(paths) == 6
    assert {Path(path).parent.name for path in paths} == {"scale_0", "scale_1"}


@pytest.mark.skipif(not TORCHVISION_CODE.is_dir(), reason=f"torchvision's code is not in {TORCHVISION_CODE}")
def test_other_models_run_by_the_same_code(tmp_path):
    models = ["qwen-image-edit", "qwen-image-edit-2509", "flux2", "flux2-klein-4b"]
    program = ROOT / "tests" / "support" / "run_tiny_models.py"
    done = subprocess.run(
        [sys.executable, program, tmp_path, *models],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={
            "PYTHONPATH": str(ROOT),
            "PATH": "",
            "OMP_NUM_THREADS": "1",
            "TORCHVISION_CODE": str(TORCHVISION_CODE),
        },
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [each["model"] for each in found] == models
    for each in found:
        assert set(map(tuple, each["sizes"].values())) == {(96, 64)}
        assert each["scale_matters"]
        assert each["repeats"]
        assert each["reference_matters"] is not False
    assert [each["panel"] for each in found] == [None, [96, 128], [96, 128], [96, 128]]
