"""Publishing: the card tells the truth, and what goes to the hub is what was shown."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml
from hub_server import Hub

from chromiq.errors import AccessError, ChromiqError, UnsoundError, UsageError
from chromiq.evaluate.publish import better_than_nothing, prepare, read_figures, upload
from chromiq.evaluate.score.scores import bootstrap_interval
from chromiq.evaluate.sweep import run_options
from chromiq.files import sha256_file
from chromiq.models import base_licence
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.runs.events import EventLog
from chromiq.toolkit_configs.runs.record import RunRecord, library_versions, now
from chromiq.toolkit_configs.runs.status import Session
from chromiq.toolkit_configs.schema.trainer_job import read_job

HUB = all(find_spec(name) for name in ("huggingface_hub", "safetensors"))
pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(not HUB, reason="needs the model libraries: pip install '.[models]'"),
]
TOKEN = "hf_the_secret_of_this_test"


@pytest.fixture
def run_folder(dataset, tmp_path):
    """A finished run of FLUX.1-Kontext with two checkpoints, as its files tell it."""
    from safetensors.numpy import save_file

    config, run = tmp_path / "config.yaml", tmp_path / "runs" / "r"
    overrides = {"train.steps": "400"}
    config.write_text(
        render_job("kontext", dataset, name="r", training_folder=tmp_path / "runs", overrides=overrides)
    )
    run.mkdir(parents=True)
    for number, name in enumerate(("r_000000200", "r")):
        weight = {"transformer.x.lora_A.weight": np.full((2, 2), number, np.float32)}
        save_file(weight, run / f"{name}.safetensors")
    job = read_job(config)
    record = RunRecord(
        name=job.config.name,
        engine="ai-toolkit",
        state="running",
        process=0,
        started=now(),
        ended=None,
        total_steps=job.process.train.steps,
        config=str(config),
        config_sha256=sha256_file(config),
        dataset_sha256=sha256_file(dataset / "manifest.jsonl"),
        versions=library_versions(),
        device="cuda",
        toolkit_commit="27a03a9",
    )
    with EventLog(run) as log:
        Session(run, record, log, lambda status: None).end("done", None)
    return run


@pytest.fixture
def scores(tmp_path, run_folder):
    folder = tmp_path / "scores"
    folder.mkdir()
    digest = sha256_file(run_folder / "r_000000200.safetensors")
    point = {"checkpoint": "r_000000200.safetensors", "step": 200, "sha256": digest, "error": None}
    control = {**point, "checkpoint": "control", "mean": 9.0, "interval": [8.0, 10.0], "images": {"a": 9}}
    best = {**point, "mean": 4.25, "interval": [3.5, 5.125], "images": {"a": 3.5, "b": 4, "c": 5.25}}
    broken = {**point, "checkpoint": "r.safetensors", "mean": None, "images": {}, "error": "broken"}
    (folder / "sweep.json").write_text(json.dumps({"control": control, "checkpoints": [best, broken]}))
    (folder / "curve.png").write_bytes(b"\x89PNG")
    return folder


@pytest.fixture
def hub(monkeypatch):
    # The stand-in speaks the hub's HTTP interface, not the storage protocol of its object store.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    # The suite as a whole is offline.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    server = Hub(TOKEN)
    yield server
    server.close()


def front_matter(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_the_card_is_one_the_hub_reads(run_folder, scores):
    from huggingface_hub import ModelCard

    text = prepare(run_folder, "shop/colour", step=200, figures=scores).card
    data = ModelCard(text).data
    assert data.base_model == "black-forest-labs/FLUX.1-Kontext-dev"
    assert (data.license, data.license_name) == ("other", "flux-1-dev-non-commercial-license")
    assert (
        data.license_link
        == "https://huggingface.co/black-forest-labs/FLUX.1-Kontext-dev/blob/main/LICENSE.md"
    )
    assert data.pipeline_tag == "image-to-image"
    assert data.to_dict()["instance_prompt"] == "chromiq"
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == (
        "ciede2000",
        4.25,
        "3 held-out pairs",
    )


def test_the_card_says_what_made_the_lora_and_how_good_it_is(run_folder, scores, dataset):
    text = prepare(run_folder, "shop/colour", step=200, figures=scores).card
    assert "| this LoRA | 3 | 4.25 | 3.50 to 5.25 |" in text
    assert "| uncorrected | 1 | 9.00 | no interval from 1 image |" in text
    assert sha256_file(dataset / "manifest.jsonl") in text
    assert sha256_file(run_folder / "r_000000200.safetensors") in text
    assert "step 200 of 400" in text
    assert "](curve.png)" in text


def test_of_a_config_that_was_rendered_again_the_trainer_s_copy_is_published(run_folder, tmp_path):
    config = tmp_path / "config.yaml"
    (run_folder / "config.yaml").write_text(config.read_text())
    config.write_text(config.read_text().replace("lr: 0.0001", "lr: 0.007"))
    publication = prepare(run_folder, "shop/colour")
    assert "| learning rate, batch | 0.0001, 2 |" in publication.card
    assert yaml.safe_load(publication.config)["config"]["process"][0]["train"]["lr"] == 0.0001


@pytest.mark.parametrize(("mean", "said"), [(9.5, True), (4.25, False)])
def test_a_lora_worse_than_none_is_reported(run_folder, scores, mean, said):
    document = json.loads((scores / "sweep.json").read_text())
    document["checkpoints"][0]["mean"] = mean
    (scores / "sweep.json").write_text(json.dumps(document))
    publication = prepare(run_folder, "shop/colour", step=200, figures=scores)
    assert publication.is_better is not said
    assert ("not better than no LoRA" in publication.card) is said


@pytest.fixture
def two_loras(tmp_path):
    """Two checkpoints and the scores of an evaluation of both."""
    means = {"control": 5.0, "a": 8.0, "a-hybrid": 4.0, "b": 2.0, "b-hybrid": 3.0}
    images = [
        {"name": str(more), **{f"{name}_vs_truth": {"mean": mean + more} for name, mean in means.items()}}
        for more in range(3)
    ]
    loras = {}
    for name in "ab":
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(name.encode())
        loras[name] = sha256_file(path)
    (tmp_path / "scores.json").write_text(json.dumps({"images": images, "loras": loras}))
    return tmp_path


def test_of_several_loras_the_published_one_s_scores_are_the_last(two_loras):
    figures = read_figures(two_loras, two_loras / "a.safetensors")
    assert [(figure.what, figure.images, figure.mean) for figure in figures] == [
        ("uncorrected", 3, 6.0),
        ("this LoRA, hybrid", 3, 5.0),
        ("this LoRA", 3, 9.0),
    ]
    assert figures[-1].interval == bootstrap_interval([8, 9, 10])
    assert not better_than_nothing(figures)
    assert better_than_nothing(read_figures(two_loras, two_loras / "b.safetensors"))


def test_scores_of_another_lora_are_not_taken(two_loras):
    other = two_loras / "c.safetensors"
    other.write_bytes(b"c")
    with pytest.raises(UnsoundError, match=r"no scores of c\.safetensors .*other LoRAs"):
        read_figures(two_loras, other)


@pytest.mark.parametrize("document", [[], {"images": [], "loras": None}, {"images": [{}]}])
def test_scores_of_another_form_are_refused(two_loras, document):
    if isinstance(document, dict) and document.get("loras", 0) == 0:
        document = {**document, "loras": {"a": sha256_file(two_loras / "a.safetensors")}}
    (two_loras / "scores.json").write_text(json.dumps(document))
    with pytest.raises(UnsoundError, match=r"no scores of a\.safetensors"):
        read_figures(two_loras, two_loras / "a.safetensors")


def test_a_sweep_of_another_file_of_that_name_is_not_taken(run_folder, scores):
    document = json.loads((scores / "sweep.json").read_text())
    document["checkpoints"][0]["sha256"] = "0" * 64
    (scores / "sweep.json").write_text(json.dumps(document))
    with pytest.raises(UnsoundError, match="another file of that name was measured"):
        prepare(run_folder, "shop/colour", step=200, figures=scores)


def test_its_code_is_python_that_names_real_classes(run_folder):
    import ast

    import diffusers

    from chromiq.models import MODELS

    text = prepare(run_folder, "shop/colour").card
    code = text.split("```python\n")[1].split("```")[0]
    calls = {
        node.func.attr
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert {"from_pretrained", "load_lora_weights"} <= calls
    assert 'weight_name="r.safetensors"' in code
    # The table of its lazy module: importing each class would take half a minute.
    assert {model.pipeline for model in MODELS.values() if model.pipeline} <= set(dir(diffusers))


def test_without_figures_it_admits_that(run_folder):
    text = prepare(run_folder, "shop/colour").card
    assert "It was not measured on held-out images" in text
    assert "model-index" not in front_matter(text)


@pytest.mark.parametrize("step", [None, 400])
def test_a_checkpoint_that_was_not_measured_gets_no_figures(run_folder, scores, step):
    with pytest.raises(UnsoundError, match="broken"):
        prepare(run_folder, "shop/colour", step=step, figures=scores)


def test_names_cannot_break_out_of_the_card(run_folder):
    path = run_folder / "run.json"
    record = json.loads(path.read_text())
    record["engine"] = "local |\n# <script>`"
    path.write_text(json.dumps(record))
    text = prepare(run_folder, "shop/colour").card
    assert r"| trainer | local \| \# \<script\>\`" in text


def test_a_licence_is_never_guessed(run_folder):
    with pytest.raises(UsageError, match="somebody/model: unknown licence"):
        prepare(run_folder, "shop/colour", base_model="somebody/model")
    card = prepare(run_folder, "shop/colour", base_model="somebody/model", licence="mit").card
    assert front_matter(card)["license"] == "mit"
    assert base_licence("black-forest-labs/FLUX.2-dev").name == "flux-dev-non-commercial-license"


def test_a_missing_checkpoint_is_reported_with_those_that_are(run_folder):
    with pytest.raises(UsageError, match=r"step 300\. Choose one of these steps: 200, the final one"):
        prepare(run_folder, "shop/colour", step=300)


def test_a_changed_checkpoint_is_refused(run_folder):
    (run_folder / "r.safetensors").write_bytes((run_folder / "r_000000200.safetensors").read_bytes())
    with pytest.raises(UnsoundError, match=r"publish\.digest"):
        prepare(run_folder, "shop/colour")


def test_the_hub_gets_lora_card_and_config_in_one_commit(run_folder, scores, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    publication = prepare(run_folder, "shop/colour", step=200, figures=scores)
    assert upload(run_folder, publication, endpoint=hub.address) == f"{hub.address}/shop/colour"
    repository = hub.repositories["shop/colour"]
    assert repository["private"] is True
    assert repository["commits"] == ["r_000000200.safetensors, step 200"]
    files = repository["files"]
    assert set(files) == {"README.md", "r_000000200.safetensors", "config.yaml", "curve.png"}
    assert files["r_000000200.safetensors"] == (run_folder / "r_000000200.safetensors").read_bytes()
    assert files["README.md"].decode() == (run_folder / "hub" / "README.md").read_text() == publication.card
    assert not [name for name, content in files.items() if TOKEN.encode() in content]


def test_the_shared_config_tells_nothing_of_this_machine(run_folder, tmp_path):
    config = prepare(run_folder, "shop/colour").config
    assert str(tmp_path) not in config
    process = yaml.safe_load(config)["config"]["process"][0]
    assert process["datasets"][0]["folder_path"] == "gt"
    assert process["train"]["steps"] == 400


def set_config(run, text):
    """Give a run another config, as if it had been launched with it."""
    record = json.loads((run / "run.json").read_text())
    Path(record["config"]).write_text(text)
    record["config_sha256"] = sha256_file(Path(record["config"]))
    (run / "run.json").write_text(json.dumps(record))


@pytest.mark.parametrize("config_is", ["the one launched", "edited", "without variables now"])
def test_values_of_variables_are_not_published(run_folder, tmp_path, monkeypatch, config_is):
    monkeypatch.setenv("MY_KEY", "a1b2c3d4e5")
    monkeypatch.setenv("MY_RATE", "0.0003")
    config = tmp_path / "config.yaml"
    text = config.read_text().replace("lr: 0.0001", "lr: ${MY_RATE}")
    text += "  token: ${MY_KEY}\n  proxy: http://me:${MY_KEY}@proxy\n  keys: [x, ${MY_KEY}]\n"
    resolved = text.replace("${MY_KEY}", "a1b2c3d4e5").replace("${MY_RATE}", "0.0003")
    (run_folder / "config.yaml").write_text(resolved)  # as AI-Toolkit does
    if config_is == "the one launched":
        set_config(run_folder, text)
    elif config_is == "edited":
        config.write_text(text)
    else:
        (run_folder / "config_as_written.yaml").write_text(text)
    publication = prepare(run_folder, "shop/colour")
    assert "a1b2c3d4e5" not in publication.config + publication.card
    meta = yaml.safe_load(publication.config)["meta"]
    assert (meta["token"], meta["proxy"]) == ("${MY_KEY}", "http://me:${MY_KEY}@proxy")
    assert "| learning rate, batch | 0.0003, 2 |" in publication.card


def test_the_config_is_published_with_its_placeholders(run_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_RATE", "0.0003")
    set_config(run_folder, (tmp_path / "config.yaml").read_text().replace("lr: 0.0001", "lr: ${MY_RATE}"))
    assert "lr: ${MY_RATE}" in prepare(run_folder, "shop/colour").config


def test_a_card_never_shows_the_value_of_a_variable(run_folder, tmp_path, monkeypatch):
    base = "black-forest-labs/FLUX.1-Kontext-dev"
    monkeypatch.setenv("MY_BASE", base)
    text = (tmp_path / "config.yaml").read_text()
    set_config(run_folder, text.replace(base, "${MY_BASE}"))
    with pytest.raises(UnsoundError, match=r"the value of \$\{MY_BASE\}"):
        prepare(run_folder, "shop/colour")
    assert base in prepare(run_folder, "shop/colour", base_model=base).card


@pytest.mark.parametrize("now", [None, "some/other-model"])
def test_variables_have_the_values_of_the_training(run_folder, tmp_path, monkeypatch, now):
    base, text = "black-forest-labs/FLUX.1-Kontext-dev", (tmp_path / "config.yaml").read_text()
    (run_folder / "config.yaml").write_text(text)  # as AI-Toolkit does
    set_config(run_folder, text.replace(base, "${MY_BASE}"))
    if now:
        monkeypatch.setenv("MY_BASE", now)
    assert run_options(run_folder).checkpoint == base
    with pytest.raises(UnsoundError, match=r"would show the value of \$\{MY_BASE\}"):
        prepare(run_folder, "shop/colour")
    publication = prepare(run_folder, "shop/colour", base_model=base)
    assert f"base_model: {base}" in publication.card
    assert "name_or_path: ${MY_BASE}" in publication.config


def test_a_config_that_can_be_read_only_with_its_values_is_not_published_without(run_folder, tmp_path):
    text = (tmp_path / "config.yaml").read_text() + "  tokens: [${MY_KEY}]\n"
    (run_folder / "config.yaml").write_text(text.replace("${MY_KEY}", "a1b2c3d4e5"))
    set_config(run_folder, text.replace("[${MY_KEY}]", "{${MY_KEY}: 1}"))
    with pytest.raises(UnsoundError, match=r"config\.yaml: cannot be read"):
        prepare(run_folder, "shop/colour")


def test_a_wrong_token_is_exit_12_and_never_shown(run_folder, hub, monkeypatch, capsys):
    wrong = "hf_another_secret_of_this_test"
    monkeypatch.setenv("HF_TOKEN", wrong)
    publication = prepare(run_folder, "shop/colour")
    with pytest.raises(AccessError, match=r"401: .*Set HF_TOKEN") as caught:
        upload(run_folder, publication, endpoint=hub.address)
    assert wrong not in str(caught.value)
    assert hub.repositories == {}


def test_a_hub_out_of_reach(run_folder, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    address = hub.address
    hub.close()
    with pytest.raises(ChromiqError, match="Check the network and HF_ENDPOINT"):
        upload(run_folder, prepare(run_folder, "shop/colour"), endpoint=address)


def test_a_repository_needs_a_name_the_hub_allows(run_folder):
    for name in ("../x/y", "colour", "shop/a b", "a/b/c", "-x/y"):
        with pytest.raises(UsageError, match="not of the form OWNER/NAME"):
            prepare(run_folder, name)
    with pytest.raises(UsageError, match="not a name that the hub allows"):
        prepare(run_folder, "shop/a--b")


def test_a_dry_run_shows_what_would_go_and_sends_nothing(run_folder, monkeypatch, chromiq):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    result = chromiq("publish", run_folder, "--repo", "shop/colour", "--dry-run", "--json")
    assert result.code == 0
    document = result.document
    assert set(document["bytes"]) == {"README.md", "r.safetensors", "config.yaml"}
    assert document["bytes"]["r.safetensors"] == (run_folder / "r.safetensors").stat().st_size
    assert TOKEN not in result.out + result.err
    assert "nothing was measured" in result.err
    assert not (run_folder / "hub").exists()
