"""``chromiq render`` and ``chromiq template`` from the outside."""

import json

import pytest
import yaml
from fake_nvml import install_gpus


@pytest.fixture
def run(monkeypatch, chromiq, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return chromiq


def test_a_config_is_written_and_the_memory_reported(run, tmp_path):
    code, out, err = run("render", "kontext", "--dataset", "data", "--out", "config.yaml", "--preset", "24gb")
    assert (code, out) == (0, "config.yaml\n")
    assert "GPU memory: about 21." in err
    assert "no GPU was found" in err
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["config"]["name"] == "chromiq_v1"


def test_what_was_edited_in_a_config_that_is_replaced_is_shown(run, tmp_path):
    command = ("render", "kontext", "--dataset", "data", "--out", "config.yaml")
    assert "is replaced" not in run(*command)[2] + run(*command)[2]
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text().replace("lr: 0.0001", "lr: 0.0003"))
    code, _, err = run(*command)
    assert code == 0
    assert err.startswith(
        "config.yaml is replaced; these lines of it are gone:\n-      lr: 0.0003\nGPU memory"
    )
    config.write_text(f"{config.read_text()}# token: hf_secret\n")
    assert "-# token: hf_...\n" in run(*command)[2]
    config.write_bytes(b"\xff")
    code, _, err = run(*command)
    assert (code, "is replaced" in err) == (0, False)


def test_the_gpu_of_the_machine_is_named_beside_the_estimate(run, monkeypatch):
    install_gpus(monkeypatch, [("NVIDIA RTX 4090", "GPU-1", 24564 * 2**20, 20000 * 2**20)])
    _, _, err = run("render", "kontext", "--dataset", "data", "--out", "config.yaml")
    assert "this machine has NVIDIA RTX 4090 with 24.0 GiB, 19.5 free" in err


def test_the_smoke_preset_asks_for_a_tiny_checkpoint_and_estimates_no_gpu_memory(run, tmp_path):
    arguments = ("render", "kontext", "--dataset", "data", "--out", "config.yaml", "--preset", "smoke")
    _, _, err = run(*arguments)
    assert "warning: preset smoke trains a tiny checkpoint on a CPU" in err
    assert "such as " in err
    assert "toy_kontext" in err
    assert "GPU memory" not in err
    _, _, err = run(*arguments, "--set", f"model.name_or_path={tmp_path}")
    assert "smoke" not in err


def test_a_preset_too_small_for_the_model_is_refused(run, tmp_path):
    code, _, err = run("render", "flux2", "--dataset", "data", "--out", "config.yaml", "--preset", "24gb")
    assert code == 2
    assert "flux2 does not fit preset 24gb" in err
    assert not (tmp_path / "config.yaml").exists()


def test_a_folder_that_is_no_dataset_is_warned_about(run, tmp_path):
    command = ("render", "kontext", "--dataset", "data", "--out", "config.yaml")
    code, _, err = run(*command)
    assert code == 0
    assert "warning: data: no such folder" in err
    (tmp_path / "data").mkdir()
    assert "warning: data: not a dataset: neither gt/ nor control/ in it" in run(*command)[2]
    for way in (command, ("render", "--from", "config.yaml", "--dataset", "data")):
        _, out, _ = run(*way, "--json")
        found = [(each["code"], each["severity"]) for each in json.loads(out)["findings"]]
        assert ("dataset.folder", "warning") in found
    (tmp_path / "data" / "control").mkdir()
    assert "not a dataset" not in run(*command)[2]


def test_steps_are_scaled_to_a_small_dataset(chromiq, dataset, tmp_path):
    out = tmp_path / "config.yaml"
    result = chromiq("render", "kontext", "--dataset", dataset, "--out", out)
    assert result.code == 0
    # Three examples train, where the published run had 60 and 10,000 steps; a checkpoint comes every 200.
    assert yaml.safe_load(out.read_text())["config"]["process"][0]["train"]["steps"] == 600
    assert "train.steps is 600, scaled to the dataset's 3 examples" in result.err
    chromiq("render", "kontext", "--dataset", dataset, "--out", out, "--set", "train.steps=10000")
    assert yaml.safe_load(out.read_text())["config"]["process"][0]["train"]["steps"] == 10000


def test_without_out_the_text_is_printed(run):
    code, out, _ = run("render", "qwen-image-edit-2511", "--dataset", "data")
    assert code == 0
    assert yaml.safe_load(out)["config"]["process"][0]["model"]["arch"] == "qwen_image_edit_plus:2511"


def test_explain_diff_and_json(run, tmp_path, monkeypatch):
    (tmp_path / "chromiq.yaml").write_text("train: {steps: 900}\n")
    monkeypatch.setenv("CHROMIQ_TRAIN__LR", "2e-4")
    base = ("render", "kontext", "--dataset", "data", "--set", "train.batch_size=1")
    _, out, _ = run(*base, "--explain")
    assert "train.steps = 900  <- chromiq.yaml\n" in out
    assert "train.lr = 0.0002  <- CHROMIQ_TRAIN__LR\n" in out
    assert "train.batch_size = 1  <- --set train.batch_size\n" in out
    _, out, _ = run(*base, "--diff", "published")
    assert [line.split(":")[0] for line in out.splitlines()] == [
        "train.batch_size",
        "train.steps",
        "train.lr",
    ]
    _, out, _ = run(*base, "--diff", "published", "--json")
    document = json.loads(out)
    assert document["values"]["train.steps"] == {"value": 900, "source": "chromiq.yaml"}
    assert [item["key"] for item in document["differences"]] == [
        "train.batch_size",
        "train.steps",
        "train.lr",
    ]
    assert document["memory"]["training_gib"] > 30


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["kontxt"], 2, "did you mean kontext?"),
        (["kontext", "--preset", "12gb"], 2, "presets: published"),
        (["kontext", "--set", "train.lrr=1"], 2, "Did you mean lr?"),
        (["kontext", "--diff", "own"], 2, "presets: published"),
        (["kontext", "--name", "${HOME}"], 10, "config.substituted"),
        (["kontext", "--template", "."], 2, ".: the template cannot be read"),
    ],
)
def test_what_is_wrong_is_reported_and_nothing_written(run, tmp_path, arguments, code, said):
    got, out, err = run("render", *arguments, "--dataset", "data", "--out", "config.yaml")
    assert got == code
    assert said in err
    assert out == ""
    assert not (tmp_path / "config.yaml").exists()


def test_a_template_is_copied_and_rendered(run, tmp_path):
    code, out, _ = run("template", "copy", "kontext", "--out", "my.yaml.j2")
    assert (code, out) == (0, "my.yaml.j2\n")
    own = tmp_path / "my.yaml.j2"
    own.write_text("# ours\n" + own.read_text())
    assert (
        run("render", "kontext", "--dataset", "data", "--out", "c.yaml", "--template", "my.yaml.j2")[0] == 0
    )
    assert (tmp_path / "c.yaml").read_text().startswith("# ours\n")
    code, _, err = run(
        "render", "kontext", "--dataset", "data", "--out", "c.json", "--template", "my.yaml.j2"
    )
    assert code == 2
    assert "--template" in err
    assert not (tmp_path / "c.json").exists()
    code, _, err = run("template", "copy", "kontext", "--out", "my.yaml.j2")
    assert code == 2
    assert "--force" in err
    assert own.read_text().startswith("# ours\n")
    assert run("template", "copy", "kontext", "--out", "my.yaml.j2", "--force")[0] == 0


def test_templates_are_listed(run):
    _, out, _ = run("template", "list")
    assert "flux2-klein-9b  black-forest-labs/FLUX.2-klein-base-9B" in out.splitlines()
    assert "kontext" in json.loads(run("template", "list", "--json")[1])["models"]
