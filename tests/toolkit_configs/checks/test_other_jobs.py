"""Jobs of AI-Toolkit that train nothing are not called sound unchecked."""

import pytest
import yaml

from chromiq.toolkit_configs.checks.config import examine_config

EXTRACT = {"type": "locon", "filename": "a.safetensors"}
RESCALE = {
    "type": "rescale_lora",
    "input_path": "lora.safetensors",
    "output_path": "out.safetensors",
    "current_weight": 6.0,
    "target_weight": 1.0,
}
GENERATE = {
    "type": "to_folder",
    "output_folder": "output",
    "generate": {"prompts": ["a shirt"]},
    "model": {"name_or_path": "owner/model"},
}


@pytest.fixture
def findings_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lora.safetensors").touch()

    def examine(job, process, **config):
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({"job": job, "config": {"name": "a", **config, "process": [process]}}))
        found = examine_config(path, offline=True).findings
        return {finding.where.removeprefix("config.yaml: "): finding for finding in found}

    return examine


@pytest.mark.parametrize(
    ("job", "process", "config"),
    [
        (
            "extract",
            EXTRACT,
            {
                "base_model": "lora.safetensors",
                "extract_model": "lora.safetensors",
                "output_folder": "output",
            },
        ),
        ("mod", RESCALE, {}),
        ("generate", GENERATE, {}),
    ],
)
def test_a_job_with_all_that_it_needs_has_only_the_warning_of_what_was_checked(
    findings_of, job, process, config
):
    (finding,) = findings_of(job, process, **config).values()
    assert (finding.code, finding.severity) == ("config.unchecked", "warning")
    assert finding.message.endswith("only its files and the keys that it needs were checked")


@pytest.mark.parametrize(
    ("job", "process", "faults"),
    [
        ("extract", EXTRACT, {"config.base_model", "config.extract_model", "config.output_folder"}),
        ("mod", RESCALE | {"input_path": "owner/no.safetensors"}, {"config.process.0.input_path"}),
        ("mod", {"type": "rescale_lora"}, {f"config.process.0.{key}" for key in RESCALE if key != "type"}),
        (
            "generate",
            GENERATE | {"model": {"name_or_path": "/no/model", "lora_path": "./no.safetensors"}},
            {"config.process.0.model.name_or_path", "config.process.0.model.lora_path"},
        ),
        (
            "generate",
            GENERATE | {"type": "to_file", "generate": None},
            {"config.process.0.type", "config.process.0.generate.prompts"},
        ),
    ],
)
def test_missing_files_and_keys_are_errors(findings_of, job, process, faults):
    found = findings_of(job, process)
    assert {where for where, finding in found.items() if finding.severity == "error"} == faults


def test_an_extension_that_trains_nothing_is_said_to_be_unchecked(findings_of):
    (finding,) = findings_of("extension", {"type": "dataset_tools"}).values()
    said = "a process 'dataset_tools' of the 'extension' job trains no LoRA, so only its files were checked"
    assert finding.message == said


def test_a_long_text_in_place_of_a_path_is_a_missing_file(findings_of):
    found = findings_of("mod", RESCALE | {"input_path": "x" * 5000})
    assert found["config.process.0.input_path"].code == "model.file"
