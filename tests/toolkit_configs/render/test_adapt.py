"""``render --from``: an existing config gets a dataset and what its model needs; nothing else changes."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from ui_job import ui_job

from chromiq.errors import UnsoundError, UsageError
from chromiq.models import MODELS
from chromiq.toolkit_configs.checks.config import examine_config
from chromiq.toolkit_configs.render.adapt import adapt_config
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.render.settings import assigned_settings
from chromiq.toolkit_configs.schema.trainer_job import read_job

MINE = """\
---
# my favourite settings
job: extension
config:
  name: "mine_v3"  # keep me
  process:
    - type: 'sd_trainer'
      training_folder: "output"
      device: cpu
#      performance_log_every: 1000
      trigger_word: "p3r5on"
      network:
        type: "lora"
        linear: 16
        linear_alpha: 16
      datasets:
        # one for each size
        - folder_path: "/old/images"
          control_path: "/old/control"
          caption_ext: "caption"
          resolution: [ 512, 768 ]  # both
        - folder_path: "/old/images"
          resolution: 1024
        - folder_path: "/old/others"
          resolution: 256
      train:
        steps: 3000
        lr: 1e-4
        noise_scheduler: "flowmatch"
      model:
        name_or_path: "black-forest-labs/FLUX.1-Kontext-dev"
        arch: "flux_kontext"
      sample:
        sampler: "flowmatch"
        prompts:
          # you can add a caption to the prompt
          - "make it red --ctrl_img /old/1.jpg"
        neg: ""
meta:
  name: "[name]"
"""


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    return path


def test_only_what_belongs_to_the_data_changes(mine, dataset):
    adapted = adapt_config(mine, dataset)
    changed = {line[1:].strip() for line in adapted.diff.splitlines() if line.startswith("-")}
    assert (
        changed - {f"-- {mine}"}
        == {
            'trigger_word: "p3r5on"',
            'folder_path: "/old/images"',
            'control_path: "/old/control"',
            'caption_ext: "caption"',
            '- folder_path: "/old/images"',
            '- "make it red --ctrl_img /old/1.jpg"',
            "# you can add a caption to the prompt",
        }
        & changed
    )
    for kept in (
        "# my favourite settings",
        'name: "mine_v3"  # keep me',
        "[ 512, 768 ]  # both",
        "lr: 1e-4",
        "#      performance_log_every: 1000",
        "# one for each size",
        'neg: ""',
        'folder_path: "/old/others"',
        "type: 'sd_trainer'",
    ):
        assert kept in adapted.text, kept
    assert [(each.code, each.where) for each in adapted.findings] == [
        ("config.kept", "mine.yaml: datasets.2")
    ]
    process = yaml.safe_load(adapted.text)["config"]["process"][0]
    first, second, other = process["datasets"]
    for item in (first, second):
        assert item["folder_path"] == str(dataset / "gt")
        assert item["control_path"] == str(dataset / "control")
        assert (item["mask_path"], item["mask_min_value"]) == (str(dataset / "masks"), 0.1)
    assert (first["caption_ext"], other["folder_path"]) == ("txt", "/old/others")
    assert process["trigger_word"] is None
    assert (process["sample"]["width"], process["sample"]["height"]) == (1328, 800)
    assert all("--ctrl_img" in prompt for prompt in process["sample"]["prompts"])


def test_the_result_is_sound(mine, dataset, tmp_path):
    text = MINE.replace("black-forest-labs/FLUX.1-Kontext-dev", str(tmp_path / "tiny"))
    mine.write_text(text.replace('        - folder_path: "/old/others"\n          resolution: 256\n', ""))
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "model_index.json").write_text("{}")
    mine.write_text(adapt_config(mine, dataset, training_folder=tmp_path / "runs").text)
    assert [str(found) for found in examine_config(mine).findings if found.severity == "error"] == []
    assert adapt_config(mine, dataset).diff == ""


@pytest.mark.parametrize(
    ("files", "has_masks"),
    [([], True), (["gt/1.png", "control/1.png"], False), (["gt/1.png", ".chromiq/build.json"], True)],
)
def test_loss_masks_are_named_unless_a_dataset_made_by_hand_has_none(mine, tmp_path, files, has_masks):
    other = tmp_path / "other"
    for name in files:
        (other / name).parent.mkdir(parents=True)
        (other / name).write_text("{}")
    for text in (render_job("kontext", other), adapt_config(mine, other).text):
        first = yaml.safe_load(text)["config"]["process"][0]["datasets"][0]
        assert first.get("mask_path") == (str(other / "masks") if has_masks else None)


@pytest.mark.parametrize("name", MODELS)
def test_a_rendered_config_takes_another_dataset(mine, dataset, name):
    if MODELS[name].has_reference:
        shutil.copytree(dataset / "control", dataset / "reference")

    def changed_keys(other):
        mine.write_text(render_job(name, other))
        lines = adapt_config(mine, dataset).diff.splitlines()[2:]
        return {line[1:].split(":")[0].strip() for line in lines if line[0] == "-"}

    of_data = {"folder_path", "control_path", "samples"}
    assert of_data <= changed_keys(Path("/data/other")) <= of_data | {"mask_path", "width", "height"}
    # A size that the model rounds otherwise, and references that this dataset lacks.
    assert changed_keys(dataset) <= {"width", "ctrl_img_2"}


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_line_ends_are_kept(mine, dataset, newline):
    expected = adapt_config(mine, dataset)
    mine.write_bytes(MINE.replace("\n", newline).encode())
    adapted = adapt_config(mine, dataset)
    assert (adapted.text, adapted.findings) == (expected.text.replace("\n", newline), expected.findings)


def test_mixed_line_ends_become_those_of_windows(mine, dataset):
    expected = adapt_config(mine, dataset).text.replace("\n", "\r\n")
    mine.write_bytes(MINE.replace("\n", "\r\n").replace("\r\n", "\n", 1).encode())
    assert adapt_config(mine, dataset).text == expected


def test_a_dataset_that_stays_is_warned_about_by_its_kind(mine, dataset):
    mine.write_text(
        MINE.replace('- folder_path: "/old/others"', '- folder_path: "/old/people"\n          is_reg: true')
    )
    assert adapt_config(mine, dataset).findings == ()
    mine.write_text(MINE.replace('- folder_path: "/old/others"\n          resolution', "- resolution"))
    (finding,) = adapt_config(mine, dataset).findings
    assert (finding.code, finding.message) == ("config.kept", "stays, but names no folder")


def test_a_config_is_not_overwritten_by_what_is_made_of_it(mine, dataset, chromiq):
    result = chromiq("render", "--from", mine, "--dataset", dataset, "--out", mine)
    assert (result.code, mine.read_text()) == (2, MINE)
    assert f"{mine}: the results would overwrite {mine}" in result.err


def test_what_cannot_be_changed_in_place_is_rewritten_with_a_warning(mine, dataset):
    base = "job: extension\nbase: &base {caption_type: txt}"
    merged = MINE.replace("job: extension", base).replace("resolution: 1024", "<<: *base")
    mine.write_text(merged)
    adapted = adapt_config(mine, dataset)
    assert [finding.code for finding in adapted.findings] == ["config.kept", "config.rewritten"]
    second = yaml.safe_load(adapted.text)["config"]["process"][0]["datasets"][1]
    assert ("caption_type" in second, second["folder_path"]) == (False, str(dataset / "gt"))


@pytest.mark.parametrize("model", [model for model in MODELS.values() if model.needs], ids=lambda m: m.name)
def test_what_the_model_needs_to_see_the_controls_is_set(mine, dataset, model):
    shutil.copytree(dataset / "control", dataset / "reference")
    kontext = MODELS["kontext"]
    mine.write_text(MINE.replace(kontext.hub_id, model.hub_id).replace(kontext.arch, model.arch))
    needed = {"config.edit", "config.text_cache"}
    before = {finding.code for finding in examine_config(mine, offline=True).findings}
    mine.write_text(adapt_config(mine, dataset).text)
    after = {finding.code for finding in examine_config(mine, offline=True).findings}
    assert before & needed
    assert not after & needed


def test_the_web_interface_s_form_stays_json_and_keeps_its_keys(tmp_path, dataset):
    path = tmp_path / "ui.json"
    path.write_text(json.dumps(ui_job("flux_kontext:label", 3)))
    adapted = adapt_config(path, dataset, name="mine", settings=assigned_settings(["train.lr=2e-4"], "set"))
    path.write_text(adapted.text)
    assert json.loads(adapted.text)["config"]["process"][0]["datasets"][0]["control_path_2"] is None
    job = read_job(path)
    assert job.process.datasets[0].control_paths == [str(dataset / "control")]
    assert (job.config.name, job.process.train.lr) == ("mine", 2e-4)
    assert job.process.model.arch == "flux_kontext:label"
    assert job.process.sample.samples[0].ctrl_img is not None


@pytest.mark.parametrize("indent", [1, 4, "\t", None])
def test_json_keeps_its_indentation(mine, dataset, tmp_path, indent):
    document = yaml.safe_load(mine.read_text().replace("1e-4", "0.0001"))
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(document, indent=indent) + "\n")
    adapted = adapt_config(path, dataset)
    assert adapted.text == json.dumps(json.loads(adapted.text), indent=indent) + "\n"
    lines = adapted.diff.splitlines()
    assert [line for line in lines if line.startswith("-") and "meta" in line] == []
    assert f'"folder_path": "{dataset / "gt"}",' in {line[1:].strip() for line in lines if line[0] == "+"}


def test_a_rank_that_leaves_its_alpha_behind_is_warned_of(mine, dataset, chromiq):
    arguments = ("render", "--from", mine, "--dataset", dataset, "--set", "network.linear=64")
    said = "network.linear_alpha: stays 16; for this model AI-Toolkit takes the rank in its place"
    assert f"warning: {mine.name}: {said}. Set it to 64 as well." in chromiq(*arguments).err
    findings = chromiq(*arguments, "--json").document["findings"]
    assert [found["code"] for found in findings] == ["config.alpha", "config.kept"]
    plain = adapt_config(mine, dataset).findings
    for quiet in (("network.linear=64", "network.linear_alpha=64"), ("train.lr=2e-4",)):
        assert adapt_config(mine, dataset, settings=assigned_settings(quiet, "set")).findings == plain


def test_a_rank_from_the_environment_is_not_called_changed(mine, dataset, monkeypatch):
    monkeypatch.setenv("RANK", "8")
    mine.write_text(MINE.replace("linear: 16\n", "linear: ${RANK}\n"))
    adapted = adapt_config(mine, dataset, settings=assigned_settings(["train.lr=2e-4"], "set"))
    assert [finding.code for finding in adapted.findings] == ["config.kept"]


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("datasets.0.control_path=null", None),
        ("datasets.0.default_caption=null", None),
        ("datasets.0.resolution=512", 512),
        ("datasets.0.resolution=[512, 768]", [512, 768]),
        ("sample.neg=false", False),
        ("sample.neg=blurry", "blurry"),
        ("sample.sample_every=0", 0),
        ("save.save_every=0", 0),
        ("network.type=dora", "dora"),
        ("network=null", None),
        ("adapter=null", None),
        ("train.ema_config=null", None),
        ("train.optimizer_params={eps: 0.1}", {"eps": 0.1}),
    ],
)
def test_what_the_trainer_takes_can_be_set(mine, dataset, assignment, value):
    adapted = adapt_config(mine, dataset, settings=assigned_settings([assignment], "set"))
    found = yaml.safe_load(adapted.text)["config"]["process"][0]
    for part in assignment.partition("=")[0].split("."):
        found = found[int(part)] if part.isdecimal() else found[part]
    assert found == value
    assert type(found) is type(value)


def test_what_cannot_work_is_refused(mine, dataset, tmp_path):
    mine.write_text(MINE.replace("flux_kontext", "wan21"))
    with pytest.raises(UsageError, match=r"wan21 is not an edit model .* Set it to flux_kontext\."):
        adapt_config(mine, dataset)
    mine.write_text(MINE.replace("flux_kontext", "flux2"))
    with pytest.raises(UnsoundError, match="for the model flux2"):
        adapt_config(mine, dataset)
    mine.write_text(MINE.replace("job: extension", "job: generate").replace("sd_trainer", "to_folder"))
    with pytest.raises(UsageError, match="process 'to_folder' of a job 'generate' trains no edit model"):
        adapt_config(mine, dataset)
    mine.write_text("job: extension\n")
    with pytest.raises(UnsoundError):
        adapt_config(mine, dataset)


def test_the_command_shows_the_diff_and_writes_the_file(mine, dataset, tmp_path, chromiq):
    out = tmp_path / "new.json"
    result = chromiq("render", "--from", mine, "--dataset", dataset, "--out", out)
    assert (result.code, result.out.strip()) == (0, str(out))
    assert f'+          folder_path: "{dataset / "gt"}"' not in result.err  # it is written as JSON
    assert read_job(out).process.datasets[0].mask_path == str(dataset / "masks")
    result = chromiq("render", "--from", mine, "--dataset", dataset, "--json")
    assert f'+        - folder_path: "{dataset / "gt"}"' in result.document["diff"]
    assert mine.read_text() == MINE
    assert chromiq("render", "--from", mine, "--dataset", dataset, "--preset", "24gb").code == 2
    assert chromiq("render", "--dataset", dataset).code == 2


def test_a_rendered_job_opens_as_json(dataset, tmp_path, chromiq):
    """The form that AI-Toolkit's web interface imports."""
    out = tmp_path / "job.json"
    assert chromiq("render", "kontext", "--dataset", dataset, "--out", out).code == 0
    document = json.loads(out.read_text())
    assert document["config"]["process"][0]["type"] == "diffusion_trainer"
    assert read_job(out).process.datasets[0].folder_path == str(dataset / "gt")
