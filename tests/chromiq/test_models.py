"""One entry and one template add a model."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml
from places import ROOT

from chromiq.errors import UsageError
from chromiq.models import MODELS, EditModel, Licence, ModelSize, base_licence, find_model, model_of_arch

IMAGINARY = EditModel(
    name="imaginary",
    hub_id="nobody/Imaginary-Edit",
    licence=Licence("mit"),
    arch="imaginary_edit",
    layout="reference",
    divisible_by_px=64,
    size=ModelSize(parameters=1e9, text_encoder_parameters=1e9, width=1024, blocks=10, lora_width=100_000),
    pipeline="ImaginaryPipeline",
    steps=7,
    guidance=3.5,
)
LIST_HELP = """
import sys
from chromiq.models import MODELS
from dataclasses import replace
MODELS["imaginary"] = replace(MODELS["kontext"], name="imaginary")
from typer.testing import CliRunner
from chromiq_cli.verbs import app
for verb in ("build", "render", "generate", "correct", "evaluate", "template copy"):
    shown = CliRunner().invoke(app, [*verb.split(), "--help"], env={"COLUMNS": "200"}).output
    print(verb, "imaginary" in shown)
"""


@pytest.fixture
def imaginary(monkeypatch, tmp_path):
    templates = tmp_path / "templates"
    shutil.copytree(ROOT / "templates", templates)
    (templates / "imaginary.yaml.j2").write_text(
        '{% from "_macros.j2" import whole %}\n# Imaginary.\n{{ whole(job, about, notes) }}\n'
    )
    monkeypatch.setattr("chromiq.templating.files", lambda _package: templates)
    monkeypatch.setitem(MODELS, "imaginary", IMAGINARY)


@pytest.mark.usefixtures("imaginary")
def test_an_entry_and_a_template_add_a_model(tmp_path, chromiq):
    from chromiq.dataset_builder.canvas.captions import caption
    from chromiq.dataset_builder.options import BuildOptions, check_options
    from chromiq.evaluate.generate.images import GenerateOptions
    from chromiq.toolkit_configs.checks.settings import setting_findings
    from chromiq.toolkit_configs.render.compose import compose_job
    from chromiq.toolkit_configs.render.job import render_composed
    from chromiq.toolkit_configs.schema.trainer_job import job_of

    check_options(BuildOptions(model="imaginary"))
    assert caption("imaginary", "shirt").endswith("match the color of the reference garment")
    assert "imaginary" in json.loads(chromiq("template", "list", "--json")[1])["models"]

    composed = compose_job("imaginary", tmp_path / "dataset", preset="24gb")
    assert composed.memory is not None
    text = render_composed(composed)
    assert text.startswith("# Imaginary.")
    process = yaml.safe_load(text)["config"]["process"][0]
    assert process["model"]["arch"] == "imaginary_edit"
    assert process["model"]["name_or_path"] == "nobody/Imaginary-Edit"
    assert (process["sample"]["sample_steps"], process["sample"]["guidance_scale"]) == (7, 3.5)
    assert len(process["datasets"][0]["control_path"]) == 2
    job, wrong = job_of(yaml.safe_load(text), "config.yaml")
    assert [*wrong, *setting_findings(job, "config.yaml")] == []

    assert GenerateOptions(model="imaginary").base_model == "nobody/Imaginary-Edit"
    assert model_of_arch("imaginary_edit") is IMAGINARY
    assert base_licence("nobody/Imaginary-Edit").identifier == "mit"


def test_every_help_text_lists_every_model():
    done = subprocess.run(
        [sys.executable, "-c", LIST_HELP], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {line.rpartition(" ")[0]: line.split()[-1] for line in done.stdout.splitlines()} == dict.fromkeys(
        ("build", "render", "generate", "correct", "evaluate", "template copy"), "True"
    )


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_an_entry_is_found_by_its_name_arch_and_hub_id(model):
    assert find_model(model.name) is model
    assert model_of_arch(model.arch).hub_id == model.hub_id
    if model.licence is None:
        with pytest.raises(UsageError, match="unknown licence"):
            base_licence(model.hub_id)
    else:
        assert base_licence(model.hub_id) == model.licence


def test_a_model_without_a_pipeline_says_so_before_any_work(tmp_path):
    from chromiq.evaluate.generate.images import GenerateOptions, generate

    without = [model.name for model in MODELS.values() if model.pipeline is None]
    assert without == ["omnigen2", "hidream-e1", "krea2-edit", "mage-flow-edit", "boogu-image-edit"]
    for name in without:
        with pytest.raises(UsageError, match=f"{name} can be trained but not run here: diffusers has no"):
            generate(tmp_path / "control", tmp_path / "out", {}, GenerateOptions(model=name))
    assert not (tmp_path / "out").exists()


def test_an_arch_without_an_entry_is_unknown():
    assert model_of_arch("sdxl") is None
    assert model_of_arch("flux_kontext:any label") is find_model("kontext")
    assert model_of_arch("qwen_image_edit_plus") is find_model("qwen-image-edit-2509")
    assert model_of_arch("krea2") is find_model("krea2-edit")


def test_the_distilled_form_of_a_model_has_its_own_licence_page():
    assert base_licence("black-forest-labs/FLUX.2-klein-9B").link.endswith("klein-9B/blob/main/LICENSE.md")
