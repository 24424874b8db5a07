"""The rendered config is the published one, and holds what users wrote, to the letter."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from manifest_examples import an_example
from places import REAL, ROOT

from chromiq.dataset_layout import write_manifest
from chromiq.errors import UnsoundError, UsageError
from chromiq.models import MODELS
from chromiq.toolkit_configs.render.compose import Composed, compose_job
from chromiq.toolkit_configs.render.job import render_composed, render_job, substituted
from chromiq.toolkit_configs.schema.written_keys import published_process

HOME = "/workspace/ai-toolkit"
PUBLISHED = yaml.safe_load((ROOT / "tests/support/published.yaml").read_text(encoding="utf-8"))
A_MODEL_OF_EACH_TEMPLATE = {model.template_name: name for name, model in MODELS.items()}.values()
SAMPLES = PUBLISHED["config"]["process"][0]["sample"]["samples"]

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.lists(
        st.sampled_from(
            [
                *"#~'\"\\\n\t%@`é \x85\x7f\N{LINE SEPARATOR}\N{FACE WITH TEARS OF JOY}",
                *[
                    ": ",
                    " # ",
                    "{{ job }}",
                    "{% if %}",
                    "yes",
                    "null",
                    "1e5",
                    "0x1f",
                    "\r\n",
                    "- ",
                    "? ",
                    "| ",
                    "&a ",
                    "*a",
                    "!!int ",
                    "2024-01-01",
                ],
                "a" * 90,
            ]
        ),
        max_size=8,
    ).map("".join),
).filter(lambda text: "${" not in text and "[name]" not in text and "\0" not in text)


def exact(document):
    """A text that differs where 1, 1.0 and True do, and where the order of keys does."""
    return json.dumps(document, indent=1)


def render(model="kontext", dataset=Path("/data/set"), **settings):
    return yaml.load(render_job(model, dataset, **settings), yaml.CSafeLoader)


def process_of(document):
    (process,) = document["config"]["process"]
    return process


def render_set(**overrides):
    return process_of(render(overrides={key.replace("__", "."): value for key, value in overrides.items()}))


@pytest.fixture(scope="module")
def published_text():
    overrides = {
        "sqlite_db_path": f"{HOME}/aitk_db.db",
        "sample.samples": json.dumps(SAMPLES),
        "dataset.folder_path": f"{HOME}/datasets/gt",
    }
    return render_job(
        "kontext",
        Path(HOME) / "datasets",
        preset="published",
        training_folder=Path(HOME) / "output",
        overrides=overrides,
    )


def test_the_published_preset_is_the_published_config_key_by_key(published_text):
    assert exact(yaml.safe_load(published_text)) == exact(PUBLISHED)


@pytest.mark.real
def test_the_published_preset_is_the_published_file(published_text):
    path = REAL / "published" / "config.yaml"
    if not path.is_file():
        pytest.skip("the published files are not at hand (../shared/real)")
    assert exact(yaml.safe_load(published_text)) == exact(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_folders_and_samples_are_those_of_the_dataset(built_dataset):
    process = process_of(render(dataset=built_dataset))
    (folders,) = process["datasets"]
    for key, name in (("folder_path", "gt"), ("control_path", "control"), ("mask_path", "masks")):
        assert folders[key] == str(built_dataset / name)
    assert process["training_folder"] == str(built_dataset.parent / "runs")
    held_out, trained = process["sample"]["samples"]
    assert held_out["ctrl_img"] == str(built_dataset / "held_out" / "control" / "pair4.jpg")
    assert held_out["prompt"] == (built_dataset / "held_out" / "gt" / "pair4.txt").read_text().strip()
    assert trained["ctrl_img"] == str(built_dataset / "control" / "pair1.jpg")


def test_comments_say_what_to_change(published_text):
    lines = published_text.splitlines()
    before = lines[next(i for i, line in enumerate(lines) if line.strip().startswith("batch_size:")) - 1]
    assert before.strip() == "# Examples per step. Lower it first when memory runs out."


@pytest.mark.parametrize("text", ["${HOME}", "a [name] b", "a\0b", "\ud800"])
def test_what_the_trainer_would_replace_or_could_not_read_is_reported(text):
    assert [finding.where for finding in substituted({"prompts": ["a: b", text], text: 1})] == [
        "prompts.1",
        "key",
    ]


@settings(max_examples=25)
@given(TEXTS, TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS | st.floats(allow_nan=False) | st.booleans()))
@example("yes", "1e5", "a: b # c", {"yes": "no", "on": 1e-5, "a: b": True, "": "", "k" * 300: "x y " * 90})
@example("{{ 7 * 7 }}", "- a\n- b", "\N{FACE WITH TEARS OF JOY}'\"\\", {"{{ x }}": "#", "\n": "\r"})
def test_what_users_write_comes_back_exactly(prompt, name, caption, kwargs):
    process = published_process() | {"training_folder": f"/{name}", "sqlite_db_path": prompt}
    folders = {"folder_path": "/gt", "control_path": [caption, name]}
    process["datasets"][0] |= {**folders, "default_caption": caption}
    process["sample"]["samples"] = [{"prompt": prompt, "ctrl_img": name}]
    process["model"]["model_kwargs"] = kwargs
    job = {"job": "extension", "config": {"name": name, "process": [process]}, "meta": {"name": name}}
    for model in A_MODEL_OF_EACH_TEMPLATE:
        parsed = yaml.safe_load(render_composed(Composed(job, model, "published", {}, None)))
        assert parsed["config"]["name"] == parsed["meta"]["name"] == name
        got = process_of(parsed)
        assert got["sample"]["samples"] == [{"prompt": prompt, "ctrl_img": name}]
        assert got["datasets"][0]["default_caption"] == caption
        assert got["datasets"][0]["control_path"] == [caption, name]
        assert exact(got["model"]["model_kwargs"]) == exact(kwargs)


@pytest.mark.parametrize("text", ["a ${HOME} b", "the [name] of it"])
def test_what_the_trainer_would_replace_is_refused_and_all_places_named(tmp_path, text):
    write_manifest(tmp_path, [an_example(caption=text)])
    with pytest.raises(UnsoundError) as caught:
        render(dataset=tmp_path, name=text)
    assert [finding.where for finding in caught.value.findings] == [
        "config.name",
        "config.process.0.sample.samples.0.prompt",
        "meta.name",
    ]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("train.lr", "2e-4", 0.0002),
        ("train.lr", "1e-5", 0.00001),
        ("train.lr", "0.5", 0.5),
        ("train.steps", "400", 400),
        ("train.ema_config.use_ema", "true", True),
        ("datasets.resolution", "[512, 768]", [512, 768]),
        ("datasets.mask_min_value", "0", 0.0),
        ("datasets.default_caption", "'1e5'", "1e5"),
        ("trigger_word", "chromiq", "chromiq"),
        ("trigger_word", "null", None),
        ("model.model_kwargs.match_target_res", "yes", True),
        ("model.model_kwargs.new.deep", "3", 3),
    ],
)
def test_a_value_set_has_the_type_it_is_written_in(key, text, value):
    found = process_of(render(overrides={key: text}))
    for part in key.split("."):
        found = found[part][0] if part == "datasets" else found[part]
    assert found == value
    assert type(found) is type(value)


def test_a_value_set_once_does_not_stay():
    assert render_set(model__model_kwargs__extra="1", train__optimizer_params__weight_decay="0.5")
    document = render()
    assert process_of(document)["model"]["model_kwargs"] == {}
    assert process_of(document)["train"]["optimizer_params"] == {"weight_decay": 0}
    overrides = {"model.model_kwargs.match_target_res": "true"}
    render("qwen-image-edit-2509", overrides=overrides)
    again = process_of(render("qwen-image-edit-2509"))["model"]["model_kwargs"]
    assert again == {"match_target_res": False}


@pytest.mark.parametrize(
    ("key", "cure"),
    [
        ("train.step", "Did you mean steps?"),
        ("trian.lr", "Did you mean train?"),
        ("model.quantise", "Did you mean quantize?"),
        ("dataset.mask_pth", "Did you mean mask_path?"),
        ("save.save_evry", "Did you mean save_every?"),
        ("train.learning_speed", "Known here: batch_size"),
        ("train.lr.x", "lr holds no keys"),
    ],
)
def test_a_misspelt_key_is_refused_with_what_was_meant(key, cure):
    with pytest.raises(UsageError) as caught:
        render(overrides={key: "1"})
    assert str(caught.value).startswith(f"{key}: ")
    assert cure in str(caught.value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("train.lr", "fast"),
        ("train.lr", "-1"),
        ("train.lr", ".inf"),
        ("train.lr", ".nan"),
        ("train.lr", "[:"),
        ("train.batch_size", "0"),
        ("dataset.mask_min_value", "1.5"),
        ("model.quantize", "maybe"),
        ("network.type", "dora"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(key, text):
    with pytest.raises(UsageError, match=f"overrides {key}="):
        render(overrides={key: text})


def test_a_model_is_rendered_by_one_word(built_dataset):
    edit = process_of(render("qwen-image-edit", built_dataset))
    assert edit["model"]["arch"] == "qwen_image_edit"
    assert edit["model"]["name_or_path"] == "Qwen/Qwen-Image-Edit"
    assert edit["datasets"][0]["control_path"] == str(built_dataset / "control")
    assert set(edit["sample"]["samples"][0]) == {"prompt", "ctrl_img"}


def test_qwen_2509_gets_its_controls_apart(tmp_path):
    example = an_example(split="held_out", caption="c", control="control/1.jpg", reference="reference/1.jpg")
    write_manifest(tmp_path, [example])
    plus = process_of(render("qwen-image-edit-2509", tmp_path))
    assert plus["model"]["arch"] == "qwen_image_edit_plus"
    assert plus["model"]["name_or_path"] == "Qwen/Qwen-Image-Edit-2509"
    assert plus["model"]["model_kwargs"] == {"match_target_res": False}
    assert plus["datasets"][0]["control_path"] == [str(tmp_path / "control"), str(tmp_path / "reference")]
    assert plus["sample"]["samples"] == [
        {
            "prompt": "c",
            "ctrl_img_1": str(tmp_path / "control" / "1.jpg"),
            "ctrl_img_2": str(tmp_path / "reference" / "1.jpg"),
        }
    ]


def test_a_model_or_preset_that_is_not_known_is_refused_with_those_that_are():
    with pytest.raises(UsageError, match="kontext, qwen-image-edit, qwen-image-edit-2509"):
        render("context")
    with pytest.raises(UsageError, match="published, 24gb"):
        render(preset="12gb")


def test_a_template_from_a_stranger_runs_nothing(dataset, tmp_path):
    """The way in that is written up for Jinja: from any object to the modules of its class."""
    template = tmp_path / "stranger.j2"
    template.write_text("{{ cycler.__init__.__globals__.os.mkdir('" + str(tmp_path / "made") + "') }}")
    with pytest.raises(UnsoundError) as caught:
        render_composed(compose_job("kontext", dataset), template)
    assert [finding.code for finding in caught.value.findings] == ["template.fault"]
    assert not (tmp_path / "made").exists()
