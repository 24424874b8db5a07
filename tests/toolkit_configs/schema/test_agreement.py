"""chromiq believes of a config what AI-Toolkit holds after reading it: compared with its own code.

Configs are its own examples, jobs in the form that its web interface writes, everything that chromiq renders,
and random changes of all these; with CHROMIQ_OTHER_CONFIGS=FOLDER also those in a folder. AI-Toolkit reads them in one process (about half a minute of imports).
"""
# ruff: noqa: E501 - a table of changes, one a line

import json
import os
import random
import subprocess
from collections import Counter
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from model_presets import MODEL_PRESETS
from places import ROOT
from ui_job import ui_job

from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.schema.config_file import dump_config, read_config_file
from chromiq.toolkit_configs.schema.trainer_job import DIFFUSION_PROCESSES, examine_job
from chromiq.toolkit_configs.schema.trainer_source import section_keys
from chromiq.toolkit_configs.trainer.checkout import bounded_environment, toolkit_folder, toolkit_python

PYTHON = toolkit_python(toolkit_folder())
pytestmark = [
    pytest.mark.ai_toolkit,
    pytest.mark.skipif(PYTHON is None, reason="needs the vendored trainer: chromiq toolkit setup"),
    pytest.mark.timeout(900),
]
MUTATIONS = 400
READER = ROOT / "tests" / "support" / "read_as_ai_toolkit.py"
# AI-Toolkit keeps these under another name, or as a separate object.
KEPT_ELSEWHERE = {"validation_config", "ema_config", "samples", "prompts", "lorm"}
RENAMED = {("sample", "format"): "ext"}
WRONG_KIND = (
    "must be a whole number",
    "must be a number",
    "must be text",
    "must be a list",
    "must hold keys and values",
    "must be greater than 0",
    "must not be empty",
)


def read_as_ai_toolkit(paths, folder):
    (folder / "configs.json").write_text(json.dumps([str(path) for path in paths]))
    done = subprocess.run(
        [str(PYTHON), str(READER), str(folder / "configs.json"), str(folder / "held.json")],
        cwd=toolkit_folder(),
        env={**bounded_environment("cpu"), "CHROMIQ_STEPS": "77"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "held.json").read_text())


def same(ours, theirs):
    if isinstance(ours, bool):
        return ours == bool(theirs)
    return ours == theirs or (ours == 0 and theirs is None)


def compare_section(section, ours, theirs, path, wrong):
    """Each key that chromiq knows and AI-Toolkit keeps: how many, and those that differ."""
    count, differ = 0, []
    for key in section_keys(section):
        kept = RENAMED.get((section, key), key)
        if key in KEPT_ELSEWHERE or kept not in theirs or not hasattr(ours, key):
            continue
        source = f"{path}{section_keys(section)[key].default_of}"
        if any(place.startswith((f"{path}{key}", source)) or path.startswith(f"{place}.") for place in wrong):
            continue
        value = getattr(ours, "trainer_arch" if (section, key) == ("model", "arch") else key)
        count += 1
        if not same(value, theirs[kept]):
            differ.append((f"{path}{key}", value, theirs[kept]))
    return count, differ


def compare(job, held, wrong):
    process, total, differ = job.process, 0, []
    parts = [
        ("network", process.network, held["network"], "network."),
        ("save", process.save, held["save"], "save."),
        ("train", process.train, held["train"], "train."),
        ("model", process.model, held["model"], "model."),
        ("sample", process.sample, held["sample"], "sample."),
    ]
    assert (process.network is None) == (held["network"] is None)
    for index, (item, theirs) in enumerate(
        zip(process.sample.samples, held["sample"]["samples"], strict=True)
    ):
        parts.append(("samples", item, theirs, f"sample.samples.{index}."))
    expanded = [
        (index, dataset, resolution)
        for index, dataset in enumerate(process.datasets)
        for resolution in dataset.resolution
    ]
    if any(".resolution" in place for place in wrong):
        expanded, held = [], {**held, "datasets": []}  # no size, or an invalid one: not the same datasets
    for (index, dataset, resolution), theirs in zip(expanded, held["datasets"], strict=True):
        one = dataset.model_copy(update={"resolution": resolution})
        parts.append(("datasets", one, theirs, f"datasets.{index}."))
    for section, ours, theirs, path in parts:
        if ours is not None:
            count, found = compare_section(section, ours, theirs, path, wrong)
            total, differ = total + count, differ + found
    for name in ("ema_config", "logging"):
        ours = process.train.ema_config if name == "ema_config" else process.logging
        total += len(ours)
        differ += [
            (f"{name}.{key}", ours[key], held[name][key]) for key in ours if ours[key] != held[name][key]
        ]
    for key, theirs in held["process"].items():
        ours = str(job.run_folder) if key == "save_root" else getattr(process, key, None)
        if theirs is None and key == "sqlite_db_path":
            continue  # only diffusion_trainer reads it
        total += 1
        if ours != theirs and key not in wrong:
            differ.append((key, ours, theirs))
    return total, differ


def bases(folder):
    """Configs as they occur: AI-Toolkit's examples, others', web-interface jobs, everything rendered."""
    found = {}
    others = os.environ.get("CHROMIQ_OTHER_CONFIGS")
    examples = sorted((toolkit_folder() / "config" / "examples").rglob("*.y*ml"))
    for path in [*examples, *(sorted(Path(others).iterdir()) if others else ())]:
        document, _ = read_config_file(path)
        if document is None:
            continue  # the OmniGen2 example has a quote too few: AI-Toolkit cannot read it either
        process = document["config"]["process"][0]
        if process["type"] in DIFFUSION_PROCESSES:
            if process["type"] == "ui_trainer":
                process["type"] = "diffusion_trainer"  # as it is launched
            found[f"example-{path.parent.name}-{path.stem}"] = document
    for arch, controls in (("flux_kontext", 1), ("qwen_image_edit_plus:2511", 3), ("wan22_14b:t2v", 0)):
        found[f"ui-{arch.partition(':')[0]}"] = ui_job(arch, controls)
    for model, preset in MODEL_PRESETS:
        text = render_job(model, Path("/data/set"), preset=preset)
        found[f"rendered-{model}-{preset}"] = yaml.safe_load(text)
    for document in found.values():
        document["config"]["process"][0]["training_folder"] = str(folder / "out")
        if document["job"] == "train":
            document["config"]["training_folder"] = str(folder / "out")
            document["config"]["log_dir"] = None
    return found


def change(document, rng):
    """One random change of a common kind."""
    process = document["config"]["process"][0]

    def section(name):
        if not isinstance(process.get(name), dict):
            process[name] = {}
        return process[name]

    def dataset():
        if not isinstance(process.get("datasets"), list) or not process["datasets"]:
            process["datasets"] = [{"folder_path": "/data/set/gt"}]
        return rng.choice(process["datasets"])

    def any_mapping():
        names = ("network", "save", "train", "model", "sample", "logging")
        return rng.choice([*(section(name) for name in names), dataset(), process])

    def put(mapping, **values):
        mapping.update(values)

    def drop():
        mapping = any_mapping()
        keys = [key for key in mapping if key not in {"type", "training_folder"}]
        if keys:
            del mapping[rng.choice(keys)]

    def random_value():
        name = rng.choice(["network", "save", "train", "model", "sample", "datasets"])
        mapping = dataset() if name == "datasets" else section(name)
        key = rng.choice(sorted(section_keys(name)))
        if key in {"lorm", "poi", "validation_config", "random_triggers", "optimizer_params"}:
            return
        kind = rng.choice(section_keys(name)[key].kind.split(" or "))
        values = {
            "bool": [True, False],
            "int": [1, 2, 7, 64],
            "float": [0.0, 0.5, 2, 1e-5, 1.0],
            "str": ["cat", "", "qfloat8", "uint3|a/b.safetensors"],
            "list": [[], ["a"]],
            "dict": [{}],
            "null": [None],
            "any": [True, False, 1, 0.25, "word"],
        }
        mapping[key] = rng.choice(values[kind])

    sample, train, model, network = (section(name) for name in ("sample", "train", "model", "network"))
    changes = [
        *[drop] * 4,
        *[random_value] * 4,
        lambda: put(any_mapping(), **{rng.choice(["lr_rate", "stepz", "notes"]): rng.choice([1, "x", None])}),
        lambda: put(dataset(), resolution=rng.choice([512, [512, 768], [1024], 768])),
        lambda: put(dataset(), control_path=rng.choice(["/c", ["/c", "/d"], None, "", ["/c"]])),
        lambda: put(dataset(), control_path_1="/one", control_path_2=rng.choice(["/two", None, ""])),
        lambda: put(dataset(), caption_ext=rng.choice(["txt", ".caption", "json", None, ""])),
        lambda: put(dataset(), caption_type=rng.choice(["txt", ".json", ""])),
        lambda: put(dataset(), controls=rng.choice(["depth", [], ["line", " "], ["pose"]])),
        lambda: put(dataset(), augments=rng.choice([["a"], []]), cache_latents_to_disk=True),
        lambda: put(dataset(), trigger_word=rng.choice(["own", None]), caption_dropout_rate="0.05"),
        lambda: put(process, datasets=[*(process.get("datasets") or []), {"folder_path": "/more"}]),
        lambda: put(process, trigger_word=rng.choice(["chromiq", None, "[name]_x"])),
        lambda: put(
            process, network=rng.choice([None, {"type": "lokr"}, {"rank": 8}, {"linear": 8, "alpha": 2}])
        ),
        lambda: put(network, rank=rng.choice([1, 8, None]), conv=rng.choice([4, None])),
        lambda: put(
            network,
            type=rng.choice(["lora", "lokr", "locon", "LoKr"]),
            lokr_full_rank=rng.choice([True, False]),
        ),
        lambda: put(
            train, gradient_accumulation_steps=rng.choice([1, 4]), gradient_accumulation=rng.choice([1, 2])
        ),
        lambda: put(
            train, ema_config=rng.choice([None, {}, {"use_ema": True, "ema_decay": 0.9}, {"use_ema": False}])
        ),
        lambda: put(
            train, lr=rng.choice([1e-4, 1, "1e-4"]), steps=rng.choice([10, "${CHROMIQ_STEPS}", "3000", 20.5])
        ),
        lambda: put(train, cache_text_embeddings=rng.choice([True, False]), unload_text_encoder=True),
        lambda: put(train, diff_output_preservation=True, diff_output_preservation_class="shirt"),
        lambda: put(train, bypass_guidance_embedding=True, do_guidance_loss=rng.choice([True, False])),
        lambda: put(train, dtype=rng.choice(["bf16", "fp16", "float32"])),
        lambda: put(
            model, arch=rng.choice(["qwen_image_edit_plus:2511", "flex1", "flux", "sdxl", None, "wan21:1b"])
        ),
        lambda: put(model, **{rng.choice(["is_xl", "is_flux", "is_v2", "is_ssd", "is_pixart_sigma"]): True}),
        lambda: put(
            model, qtype=rng.choice(["uint3|o/r/a.safetensors", "qfloat8", None]), assistant_lora_path=None
        ),
        lambda: put(model, layer_offloading=True, qtype_te="qfloat8"),
        lambda: put(model, auto_memory=True),
        lambda: put(model, attn_masking=True),
        lambda: put(model, quantize=rng.choice([True, "false", None])),
        lambda: put(model, name_or_path=rng.choice([None, "/models/[name]", "owner/model"])),
        lambda: put(section("save"), save_format=rng.choice(["diffusers", "safetensors", "ckpt"])),
        lambda: put(section("save"), save_every=rng.choice([None, 0, 10]), dtype="float16"),
        lambda: put(sample, prompts=["a --ctrl_img /c/1.jpg --w 64", "b"]),
        lambda: put(sample, samples=[{"prompt": "a", "ctrl_img_1": "/1.jpg"}, {"prompt": "b", "width": 64}]),
        lambda: put(sample, samples=None),
        lambda: put(sample, num_frames=rng.choice([1, 41])),
        lambda: put(sample, sample_every=rng.choice([None, 5]), neg=rng.choice([None, "", False, "bad"])),
        lambda: put(process, **{rng.choice(["train", "save", "sample", "logging"]): None}),
        lambda: put(process, type=rng.choice(["sd_trainer", "diffusion_trainer", "no_trainer"])),
        lambda: put(process, datasets=None),
        lambda: put(dataset(), **{rng.choice(["poi", "resolution"]): rng.choice([None, [], "face"])}),
        lambda: put(document["config"], name=rng.choice(["other", "run_2", 12])),
        lambda: document.pop("meta", None),
        lambda: put(document, meta={"name": "[name]", "version": 1.0}),
    ]
    rng.choice(changes)()


@pytest.fixture(scope="module")
def agreement(tmp_path_factory):
    """Every config as chromiq and as AI-Toolkit read it."""
    folder = tmp_path_factory.mktemp("agreement")
    rng = random.Random(15)
    documents = bases(folder)
    sound = list(documents)
    for number in range(MUTATIONS):
        document = deepcopy(documents[rng.choice(sound)])
        for _ in range(rng.randint(1, 4)):
            change(document, rng)
        documents[f"changed-{number}"] = document
    paths = {}
    for number, (name, document) in enumerate(documents.items()):
        as_json = number % 4 == 0 or name.startswith("ui-")
        paths[name] = folder / f"{name}.{'json' if as_json else 'yaml'}"
        text = dump_config(document, as_json=as_json)
        paths[name].write_text(text.replace('"${CHROMIQ_STEPS}"', "${CHROMIQ_STEPS}"), encoding="utf-8")
    return paths, read_as_ai_toolkit(paths.values(), folder)


def test_every_value_is_the_one_that_ai_toolkit_holds(agreement, monkeypatch):
    monkeypatch.setenv("CHROMIQ_STEPS", "77")
    paths, held = agreement
    counted = Counter()
    disagreements = []
    for name, path in paths.items():
        job, findings = examine_job(path)
        errors = [found for found in findings if found.severity == "error"]
        theirs = held[str(path)]
        counted["configs"] += 1
        if "error" in theirs:
            counted["refused by both"] += bool(errors)
            if not errors:
                disagreements.append((name, "AI-Toolkit refuses it", theirs["error"]))
            continue
        for found in errors:
            if not found.message.startswith(WRONG_KIND):
                disagreements.append((name, "chromiq refuses it", str(found)))
        counted["of a wrong kind, which AI-Toolkit meets later"] += bool(errors)
        assert job is not None, (name, errors)
        wrong = {found.where.partition(": ")[2] for found in errors}
        count, differ = compare(job, theirs, wrong)
        counted["values"] += count
        disagreements += [(name, *each) for each in differ]
    print(dict(counted))
    assert disagreements == []
    assert counted["configs"] > MUTATIONS + 50
    assert counted["refused by both"] > 20
