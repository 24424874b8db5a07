"""Who may set a value, who wins, and that the file says where each came from."""

import pytest
import yaml

from chromiq.errors import UnsoundError, UsageError
from chromiq.models import MODELS, find_model
from chromiq.templating import template_text
from chromiq.toolkit_configs.render.compose import DEFAULT, compose_job, differences_from
from chromiq.toolkit_configs.render.job import render_composed, render_job
from chromiq.toolkit_configs.render.settings import (
    Settings,
    assigned_settings,
    environment_settings,
    flat,
    project_settings,
)
from chromiq.toolkit_configs.schema.written_keys import NOTES


def composed_of(tmp_path, model="kontext", *, project="", environment=None, command=(), **options):
    path = tmp_path / "chromiq.yaml"
    path.write_text(project)
    layers = [
        project_settings(path),
        environment_settings(environment or {}),
        Settings("the command line", values=assigned_settings(command, "set")),
    ]
    return compose_job(model, tmp_path / "dataset", layers=layers, **options)


def explained(composed):
    return {key: (value, source) for key, value, source in composed.explain()}


def test_alpha_is_the_rank_unless_it_is_set(tmp_path):
    found = explained(composed_of(tmp_path, preset="24gb", command=["network.linear=64"]))
    assert found["network.linear_alpha"] == (64.0, "set network.linear")
    found = explained(composed_of(tmp_path, preset="24gb", project="network: {linear_alpha: 8}"))
    assert found["network.linear"] == (16, "preset 24gb")
    assert found["network.linear_alpha"] == (8.0, "chromiq.yaml")


def test_a_name_beside_the_run_name_is_refused(tmp_path):
    with pytest.raises(UsageError, match="Name the run with `name`"):
        composed_of(tmp_path, command=["name=../../elsewhere"])


PROJECT = (
    "preset: 24gb\nname: shirts\ntraining_folder: out\ntrain: {lr: 2e-4, steps: 700}\nsave.save_every: 50\n"
)
ENVIRONMENT = {"CHROMIQ_TRAIN__LR": "3e-4", "CHROMIQ_NAME": "skirts", "CHROMIQ_AI_TOOLKIT": "/x", "HOME": "/"}


def test_each_place_wins_over_those_before_it(tmp_path):
    command = ["train.lr=4e-4"]
    steps = [
        (composed_of(tmp_path), 0.0001, DEFAULT),
        (composed_of(tmp_path, project=PROJECT), 0.0002, "chromiq.yaml"),
        (composed_of(tmp_path, project=PROJECT, environment=ENVIRONMENT), 0.0003, "CHROMIQ_TRAIN__LR"),
        (
            composed_of(tmp_path, project=PROJECT, environment=ENVIRONMENT, command=command),
            0.0004,
            "set train.lr",
        ),
    ]
    assert [explained(composed)["train.lr"] for composed, _, _ in steps] == [step[1:] for step in steps]
    last = explained(steps[-1][0])
    assert last["train.steps"] == (700, "chromiq.yaml")
    assert last["save.save_every"] == (50, "chromiq.yaml")
    assert last["network.linear"] == (16, "preset 24gb")
    assert last["name"] == ("skirts", "the environment")
    assert last["meta.name"] == ("skirts", "the environment")
    assert last["training_folder"] == (str(tmp_path / "out"), "chromiq.yaml")


def test_options_of_the_command_line_win_over_all(tmp_path):
    composed = composed_of(
        tmp_path, project=PROJECT, environment=ENVIRONMENT, preset="48", name="own", training_folder=tmp_path
    )
    found = explained(composed)
    assert composed.preset == "48gb"
    assert found["name"] == ("own", "the command line")
    assert found["training_folder"] == (str(tmp_path), "the command line")
    assert found["network.linear"] == (32, DEFAULT)


def test_every_value_of_the_file_is_explained(tmp_path):
    composed = composed_of(tmp_path, "flux2-klein", project=PROJECT)
    written = yaml.safe_load(render_composed(composed))
    process = written["config"].pop("process")[0]
    want = dict(
        [*flat(process), *flat(written["config"]), *flat({"job": written["job"], "meta": written["meta"]})]
    )
    assert {key: value for key, (value, _) in explained(composed).items()} == want
    assert explained(composed)["model.arch"] == ("flux2_klein_4b", "model flux2-klein")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("train.max_grad_norm", "0.5", 0.5),
        ("logging.use_ui_logger", "true", True),
        ("datasets.0.buckets", "false", False),
        ("model.layer_offloading", "true", True),
        ("datasets.random_crop", "no", False),
        ("datasets.trigger_word", "yes", "yes"),
    ],
)
def test_keys_that_the_trainer_reads_and_we_do_not_model_can_be_set(tmp_path, key, text, value):
    found = explained(composed_of(tmp_path, command=[f"{key}={text}"]))
    full = key.replace("datasets.", "datasets.0.").replace("0.0.", "0.")
    assert found[full] == (value, f"set {key}")


def test_a_mapping_sets_each_of_its_keys(tmp_path):
    found = explained(
        composed_of(tmp_path, preset="24gb", command=["network={linear: 4}", "datasets.0={flip_x: no}"])
    )
    assert found["network.linear"] == (4, "set network")
    assert found["network.linear_alpha"] == (4.0, "set network")
    assert found["network.type"] == ("lora", DEFAULT)
    assert found["datasets.0.flip_x"] == (False, "set datasets.0")


def test_a_list_of_datasets_replaces_the_dataset_s_own(tmp_path):
    text = (
        "datasets: [{folder_path: a, control_path: b}, {folder_path: c, control_path: d, resolution: [512]}]"
    )
    first, second = composed_of(tmp_path, project=text).document["config"]["process"][0]["datasets"]
    assert (first["folder_path"], first["mask_path"], first["resolution"]) == ("a", None, [1328])
    assert (second["control_path"], second["mask_min_value"], second["resolution"]) == ("d", 0.1, [512])
    with pytest.raises(UsageError, match="AI-Toolkit reads no key 'flip'"):
        composed_of(tmp_path, project=text.replace("folder_path: c", "folder_path: c, flip: yes"))


def test_a_mapping_of_free_keys_replaces_the_one_before(tmp_path):
    given = ["train.optimizer_params={betas: [0.9, 0.99]}", "network.network_kwargs={}"]
    process = composed_of(tmp_path, command=given).document["config"]["process"][0]
    assert process["train"]["optimizer_params"] == {"betas": [0.9, 0.99]}
    assert process["network"]["network_kwargs"] == {}
    composed = composed_of(tmp_path, command=["train.optimizer_params.eps=1e-6"])
    params = composed.document["config"]["process"][0]["train"]["optimizer_params"]
    assert params == {"weight_decay": 0, "eps": 1e-6}


def test_the_smoke_preset_is_for_kontext(tmp_path):
    warning = composed_of(tmp_path, "flux2-klein", preset="smoke").warning
    assert "trains kontext only, not flux2-klein" in warning


def test_numbers_with_an_exponent_are_numbers_in_the_project_file_too(tmp_path):
    found = explained(composed_of(tmp_path, project="train: {max_grad_norm: 1e-2, lr: 2e-4}"))
    assert found["train.max_grad_norm"] == (0.01, "chromiq.yaml")
    assert found["train.lr"] == (0.0002, "chromiq.yaml")


def test_a_number_without_a_leading_zero_is_a_number_wherever_it_is_set(tmp_path):
    for given in ({"command": ["train.max_grad_norm=.5e-1"]}, {"project": "train: {max_grad_norm: .5e-1}"}):
        assert explained(composed_of(tmp_path, **given))["train.max_grad_norm"][0] == 0.05


def test_messages_show_what_the_project_file_says(tmp_path):
    with pytest.raises(UsageError, match=r"name: 1e5 is not read as text\. Put it in quotes"):
        composed_of(tmp_path, project="name: 1e5")
    for project, said in {
        "train: {steps: yes}": "train.steps=yes: the value does not fit: must be a number, not true or false",
        "train: {steps: [1, 2]}": "train.steps=[1, 2]: the value does not fit: must be a whole number",
        "train: 3": "train=3: the value does not fit: must hold keys and values",
        "train: {}": "train={}: the value does not fit: must hold keys and values",
        "network: null": "network=None: the value does not fit: "
        "a rendered job trains a network of type lora or lokr",
        "datasets: [{}]": "datasets=[{}]: the value does not fit: folder_path is missing",
    }.items():
        with pytest.raises(UsageError) as caught:
            composed_of(tmp_path, project=project)
        assert str(caught.value) == f"chromiq.yaml: {said}"


def test_a_tab_in_the_project_file_is_located(tmp_path):
    with pytest.raises(UsageError) as caught:
        composed_of(tmp_path, project="train:\n\tsteps: 9\n")
    reason = "line 2, column 1: a tab, where YAML allows spaces only; replace it by spaces"
    assert str(caught.value).endswith(f"chromiq.yaml: cannot be read as YAML: {reason}")


@pytest.mark.parametrize("given", ["command", "project"])
@pytest.mark.parametrize("text", ["yes", "1e5", "007", "2024-01-31", "off"])
def test_where_text_is_wanted_yaml_may_read_something_else(tmp_path, given, text):
    named = {"command": [f"trigger_word={text}"], "project": f"trigger_word: {text}"}[given]
    assert explained(composed_of(tmp_path, **{given: named}))["trigger_word"][0] == text


@pytest.mark.parametrize("text", ["null and void", "a: b: c", "[name", "{{ x }}", "- a", "'"])
def test_where_text_is_wanted_text_is_taken_as_written(tmp_path, text):
    assert explained(composed_of(tmp_path, command=[f"trigger_word={text}"]))["trigger_word"][0] == text


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("train.max_grad_nrm=1", "Did you mean max_grad_norm?"),
        ("train.max_grad_norm=high", "expected float"),
        ("datasets.1.resolution=[512]", "datasets has 1 entry, counted from 0"),
        ("logging.log_evry=1", "Did you mean log_every?"),
        ("train.lr=true", "not true or false"),
        ("train.steps", "= is missing"),
        ("=3", "key is missing"),
        ("datasets=[]", "datasets=[]: the value does not fit"),
        ("dataset.resolution=[]", "the value does not fit"),
        ("dataset.resolution=true", "the value does not fit"),
        ("dataset.resolution.0=512", "set the whole list, such as dataset.resolution=[512]"),
        ("dataset.control_path=null", "control_path is missing"),
    ],
)
def test_what_cannot_be_set_is_refused(tmp_path, assignment, said):
    with pytest.raises(UsageError) as caught:
        composed_of(tmp_path, command=[assignment])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [("CHROMIQ_PRESETS", "Did you mean CHROMIQ_PRESET?"), ("CHROMIQ_TRAIN__LRR", "Did you mean lr?")],
)
def test_a_misspelt_variable_is_refused(tmp_path, name, said):
    with pytest.raises(UsageError) as caught:
        composed_of(tmp_path, environment={name: "1"})
    assert said in str(caught.value)


@pytest.mark.parametrize("project", ["- 1", "a: [", "name: 1e5\nname: [x]", "trian: {lr: 1}"])
def test_an_invalid_project_file_is_refused(tmp_path, project):
    with pytest.raises(UsageError):
        composed_of(tmp_path, project=project)


def test_a_key_that_stands_twice_in_the_project_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"train\.lr: the key appears 2 times"):
        composed_of(tmp_path, project="train:\n  lr: 1e-4\n  steps: 5\n  lr: 2e-4\n")


@pytest.mark.parametrize("name", ["", ".", "..", "../out", "a/b", "a\nb", "x" * 300])
def test_a_run_s_name_is_one_folder(tmp_path, name):
    with pytest.raises(UsageError, match="cannot name a run"):
        composed_of(tmp_path, name=name)


def test_what_differs_from_the_published_run_and_what_it_does(tmp_path):
    assert differences_from("published", composed_of(tmp_path), tmp_path / "dataset") == []
    found = differences_from("published", composed_of(tmp_path, preset="24gb"), tmp_path / "dataset")
    by_key = {item.key: item for item in found}
    assert (by_key["network.linear"].there, by_key["network.linear"].here) == (32, 16)
    assert by_key["network.linear"].effect == NOTES["network.linear"]
    assert by_key["datasets.0.resolution"].here == [512, 768]
    assert "train.lr" not in by_key
    assert all(item.effect for item in found)
    other = differences_from("48gb", composed_of(tmp_path, preset="24gb"), tmp_path / "dataset")
    assert "model.quantize" not in {item.key for item in other}
    apart = compose_job("flux2", tmp_path / "dataset")
    keys = {item.key for item in differences_from("published", apart, tmp_path / "dataset")}
    assert "model.model_kwargs.match_target_res" in keys
    assert "model.model_kwargs" not in keys


@pytest.mark.parametrize("model", MODELS)
def test_every_key_that_is_rendered_has_a_note_that_says_what_it_does(tmp_path, model):
    rendered = composed_of(tmp_path, model, preset="48gb").explain()
    plain = {".".join(part for part in key.split(".") if not part.isdecimal()) for key, _, _ in rendered}
    assert {key for key in plain if key not in NOTES} <= {
        "type",
        "job",
        "meta.name",
        "meta.version",
        "sample.samples.prompt",
        "model.model_kwargs",
    }


def test_a_dataset_laid_out_for_another_kind_of_model_is_refused(built_dataset, tmp_path):
    with pytest.raises(UnsoundError) as caught:
        compose_job("flux2-klein", built_dataset)
    (finding,) = caught.value.findings
    assert finding.code == "dataset.layout"
    assert finding.hint == "Build it again for the model flux2-klein."
    for folder in ("gt", "reference"):
        (tmp_path / "apart" / folder).mkdir(parents=True)
    with pytest.raises(UnsoundError) as caught:
        compose_job("kontext", tmp_path / "apart")
    assert [finding.code for finding in caught.value.findings] == ["dataset.layout"]


def test_a_file_is_no_dataset(tmp_path):
    (tmp_path / "manifest.jsonl").write_text("")
    with pytest.raises(UnsoundError) as caught:
        compose_job("kontext", tmp_path / "manifest.jsonl")
    assert [(finding.code, finding.message) for finding in caught.value.findings] == [
        ("dataset.folder", "not a folder")
    ]


def test_samples_are_as_large_as_the_dataset_s_pictures(built_dataset):
    from PIL import Image

    sample = compose_job("kontext", built_dataset).job.process.sample
    with Image.open(built_dataset / "control" / "pair1.jpg") as control:
        assert (sample.width, sample.height) == (control.width // 16 * 16, control.height // 16 * 16)


def test_samples_are_as_large_as_a_target_that_is_stored_rotated(tmp_path):
    from PIL import Image

    (tmp_path / "gt").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (640, 480)).save(tmp_path / "gt" / "a.jpg", exif=exif)
    sample = compose_job("kontext", tmp_path).job.process.sample
    assert (sample.width, sample.height) == (480, 640)


@pytest.mark.parametrize("model", MODELS)
def test_a_copied_template_renders_the_same(tmp_path, model):
    path = tmp_path / "own.yaml.j2"
    path.write_text(template_text(find_model(model).template_name))
    dataset = tmp_path / "dataset"
    assert render_composed(compose_job(model, dataset), path) == render_job(model, dataset)


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("a: {{ nothing }}", "template.fault", ""),
        ("{% if %}", "template.fault", "line 1"),
        ("a: [", "template.yaml", ""),
        ("words", "template.yaml", ""),
        ("{{ ''.__class__.__mro__ }}", "template.fault", ""),
        ("a: {{ 1 / 0 }}", "template.fault", ""),
    ],
)
def test_a_template_that_does_not_render_is_refused(tmp_path, text, code, where):
    path = tmp_path / "own.yaml.j2"
    path.write_text(text)
    with pytest.raises(UnsoundError) as caught:
        render_composed(compose_job("kontext", tmp_path / "dataset"), path)
    finding = caught.value.findings[0]
    assert finding.code == code
    assert str(path) in finding.where
    assert where in finding.where


def test_a_template_lays_values_out_and_sets_none(tmp_path):
    path = tmp_path / "own.yaml.j2"
    own = (
        render_job("kontext", tmp_path / "dataset")
        .replace("lr: 0.0001", "lr: 0.5")
        .replace("  fps: 1", "  x: 1")
    )
    path.write_text(own)
    with pytest.raises(UnsoundError) as caught:
        render_composed(compose_job("kontext", tmp_path / "dataset"), path)
    found = {finding.where.removeprefix(f"{path}: "): finding for finding in caught.value.findings}
    assert set(found) == {"train.lr", "sample.fps", "sample.x"}
    assert found["train.lr"].message == "renders 0.5, but the job has 0.0001"
    assert "set train.lr" in found["train.lr"].hint
