"""Train, generate, sweep and correct --batch ended at any instant: the same command gives the same bytes.

An instant is the moment before a file changes, or some bytes into the change (see `killable`). One per verb
is chosen, between two writes that belong together, and one is drawn;
``CHROMIQ_KILLS=50 pytest tests/faults/test_kill_runs.py -s`` draws more and prints which.
"""

import hashlib
import json
import os
import random
import signal

import numpy as np
import pytest
from killable import Killable
from noise_testset import write_noise_testset

from chromiq.dataset_builder.degrade import degrade
from chromiq.errors import EXIT_DONE, EXIT_SKIPPED
from chromiq.files import LOCK_NAME
from chromiq.photos.images import write_mask, write_photo
from chromiq.sample_catalogue.catalogue import draw_pair

KILLS = int(os.environ.get("CHROMIQ_KILLS", "1"))
# They tell when and by which process, name the folder of the run, or are for nobody but a resume.
LEFT_OUT = {
    *(LOCK_NAME, "run.json", "events.jsonl", "r.state.safetensors"),
    *("config.yaml", "config_as_written.yaml"),
}
pytestmark = [pytest.mark.models, pytest.mark.timeout(10 * KILLS + 200)]


@pytest.fixture(scope="module")
def killable():
    for name in ("torch", "diffusers", "peft"):
        pytest.importorskip(name)
    with Killable() as process:
        yield process


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    from chromiq.toolkit_configs.smoke_engine.tiny_checkpoint import build_tiny_kontext

    return build_tiny_kontext(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def configured(built_dataset, tiny):
    """Write a config into a folder: three steps, each saved, the last and the one before it kept."""
    from chromiq.toolkit_configs.render.job import render_job

    settings = {
        "model.name_or_path": str(tiny),
        "train.steps": "3",
        "save.save_every": "1",
        "save.max_step_saves_to_keep": "1",
        "dataset.resolution": "[64]",
    }

    def write(folder):
        text = render_job(
            "kontext", built_dataset, preset="smoke", name="r", training_folder=folder, overrides=settings
        )
        (folder / "config.yaml").write_text(text)

    return write


@pytest.fixture(scope="module")
def trained(killable, configured, tmp_path_factory):
    """A run that nothing ended."""
    folder = tmp_path_factory.mktemp("trained")
    configured(folder)
    ended = killable.run(folder, "train", "config.yaml", "--engine", "smoke", "--resume")
    assert ended.code == 0, ended.said
    return folder / "r"


@pytest.fixture(scope="module")
def testset(tmp_path_factory):
    return write_noise_testset(tmp_path_factory.mktemp("testset"))


def contents(folder):
    """Every file below a folder that is a result, by the digest of its bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in LEFT_OUT and path.parent.name != "tensorboard"
    }


def end_and_resume(killable, tmp_path, arguments, after, out="out", prepare=lambda folder: None):
    """End a command right after a named change and at drawn instants, each in its folder; give it again."""
    whole = tmp_path / "whole"
    whole.mkdir()
    prepare(whole)
    ended = killable.run(whole, *arguments)
    assert ended.code in {EXIT_DONE, EXIT_SKIPPED}, ended.said
    code, changes, wanted = ended.code, len(ended.changes), contents(whole / out)
    instants = [(at, midway) for at in range(1, changes + 1) for midway in (False, True)]
    # The change is the one at index() + 1 from one: the next comes after it.
    chosen, log = (ended.changes.index(after) + 2, False), []
    drawn = random.Random(arguments[0]).sample(instants, min(KILLS, len(instants)))
    for at, midway in (chosen, *drawn):
        folder = tmp_path / f"{at}{'m' * midway}"
        folder.mkdir()
        prepare(folder)
        where = f"{arguments[0]}: {'within' if midway else 'before'} change {at} of {changes}"
        ended = killable.run(folder, *arguments, at=at, midway=midway)
        # Within the last changes nothing may be left to write.
        assert ended.code in ({-signal.SIGXFSZ, code} if midway else {-signal.SIGKILL}), (
            f"{where}: {ended.said}"
        )
        log.append(f"{at}{'m' * midway}{' (ran through)' * (ended.code == code)}")
        ended = killable.run(folder, *arguments)
        assert ended.code == code, f"{where}: {ended.said}"
        got = contents(folder / out)
        assert got == wanted, f"{where}: {sorted(set(got.items()) ^ set(wanted.items()))}"
        yield folder
    print(f"{arguments[0]}: {changes} changes of files, ended at", ", ".join(log))


def test_train(killable, configured, tmp_path):
    command = ("train", "config.yaml", "--engine", "smoke", "--resume")
    for folder in end_and_resume(killable, tmp_path, command, "os.rename r.safetensors", "r", configured):
        ended = killable.run(folder, "status", "r", "--json")
        assert ended.code == 0, ended.said
        status = json.loads(ended.said)
        assert (status["state"], status["step"]) == ("done", 3)


def test_generate(killable, tiny, trained, testset, tmp_path):
    lora = ("--lora", trained / "r.safetensors", "--checkpoint", tiny)
    command = (
        "generate",
        "--control",
        testset / "control",
        "--out",
        "out",
        "--prompt",
        "red",
        "--steps",
        1,
        *lora,
    )
    for _ in end_and_resume(killable, tmp_path, command, "os.rename a.png"):
        pass


def test_sweep(killable, trained, testset, tmp_path):
    command = ("sweep", trained, "--testset", testset, "--out", "out", "--steps", 1)
    for _ in end_and_resume(killable, tmp_path, command, "os.rename curve.png"):
        pass


@pytest.mark.parametrize("decided", [False, True], ids=["undecided", "with decisions"])
def test_correct_batch(killable, tmp_path, decided):
    for index in (0, 1):
        pair = draw_pair(index, size_wh=(160, 200))
        photo, _ = degrade(pair.on_model, pair.on_model_mask, "published", np.random.default_rng(5))
        write_photo(tmp_path / "pairs" / f"still-life{index}.png", pair.still_life)
        write_photo(tmp_path / "pairs" / f"on_model{index}.png", photo)
        write_mask(tmp_path / "masks" / f"on_model{index}.png", pair.on_model_mask)
    pairs = ("--batch", tmp_path / "pairs", "--masks", tmp_path / "masks")
    command = ("correct", *pairs, "--out", "out", "--segmenter", "classic", "--export", "cube")

    def decide(folder):
        if decided:
            (folder / "out").mkdir()
            (folder / "out" / "decisions.csv").write_text("key;decision;strength\n0;force;0,7\n1;keep;\n")

    for _ in end_and_resume(killable, tmp_path, command, "os.rename on_model0.png", "out", decide):
        pass
