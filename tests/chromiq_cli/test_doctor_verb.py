"""``chromiq doctor CONFIG`` from the outside."""

import json

import pytest
import yaml

from chromiq.toolkit_configs.checks import config as hub_module
from chromiq.toolkit_configs.render.job import render_job


@pytest.fixture
def config(dataset, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(render_job("kontext", dataset, overrides={"train.steps": "100"}))
    return path


@pytest.fixture
def run(chromiq):
    return lambda *arguments: chromiq("doctor", *arguments)


def test_a_sound_config_is_reported_with_its_notes(run, config):
    code, out, _ = run(config)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "3 examples, each trained 66.7 times"
    assert lines[1] == "3 x 1328x800 is trained at 1328x800, nothing cut off"
    assert lines[2].startswith("masks: ")
    assert "GPU memory: about 44." in out
    assert lines[-1].startswith(f"{config}: sound")


def test_an_empty_file_of_any_name_is_no_config(run, tmp_path):
    (tmp_path / "config.txt").touch()
    code, _, reported = run(tmp_path / "config.txt")
    assert code == 10
    assert "holds no keys and values" in reported


def test_a_photo_is_no_config(run, dataset):
    code, _, reported = run(dataset / "gt" / "pair1.jpg")
    assert code == 10
    assert "cannot be read: it is not text in UTF-8, from byte 1 on" in reported


def test_json_is_one_document(run, config):
    document = json.loads(run(config, "--json")[1])
    assert (document["examples"], document["epochs"]) == (3, pytest.approx(200 / 3))
    weights = document["mask_weights"]
    assert weights["white"] == pytest.approx(1 / (0.1 + 0.9 * weights["white_share"]))
    assert document["memory"]["training_gib"] > 40
    assert set(document["disk_bytes"]) == {"latents", "checkpoints", "samples"}


def test_a_run_on_a_cpu_takes_no_gpu_memory(run, config):
    config.write_text(config.read_text().replace('device: "cuda"', 'device: "cpu"'))
    assert "GPU" not in run(config).out
    assert run(config, "--json").document["memory"] is None


def test_options_are_flags_in_json_as_in_the_text(run, config, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(hub_module, "_ask", lambda url, token: (None, "no route"))  # stands for the hub
    monkeypatch.setattr(hub_module, "is_cached", lambda repository: False)
    result = run(config, "--json")
    (finding,) = (each for each in result.document["findings"] if each["code"] == "model.network")
    assert finding["hint"] == "Check the network, try again later, or set --offline."


def test_all_faults_come_at_once_with_their_exit_code(run, config):
    document = yaml.safe_load(config.read_text())
    process = document["config"]["process"][0]
    process["train"].update(stepz=3, timestep_type="wieghted")
    process["datasets"][0]["mask_path"] = "/nowhere"
    config.write_text(yaml.safe_dump(document))
    code, out, err = run(config, "--json")
    assert code == 10
    found = {item["code"] for item in json.loads(out)["findings"]}
    assert {"config.key", "config.choice", "dataset.folder"} <= found
    assert "Did you mean steps?" in err


def test_no_access_to_the_model_has_its_own_exit_code(run, config, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    # Stands for the hub's answer to a request without a token.
    monkeypatch.setattr(hub_module, "_ask", lambda url, token: (401, ""))
    monkeypatch.setattr(hub_module, "is_cached", lambda repository: False)
    code, _, err = run(config)
    assert code == 12
    assert "Accept the licence at https://huggingface.co/black-forest-labs/FLUX.1-Kontext-dev" in err
    assert run(config, "--offline")[0] == 0
