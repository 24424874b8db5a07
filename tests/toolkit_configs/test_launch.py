"""Launching: what is recorded, and what becomes of a trainer that misbehaves.

The trainer here is a script that stands for AI-Toolkit: it is started the same way and prints the same
lines, and then does what the real one has been seen to do when things go wrong.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chromiq.errors import AccessError, ChromiqError, UnsoundError, UsageError
from toolkit_configs.engines.ai_toolkit import read_progress
from toolkit_configs.launch import launch
from toolkit_configs.render import render_job
from toolkit_configs.runs import find_checkpoints, read_status

PRELUDE = """
import json, os, signal, subprocess, sys, time, yaml
config = yaml.safe_load(open(sys.argv[1]))["config"]
run = os.path.join(config["process"][0]["training_folder"], config["name"])
def step(n, loss="1.500e+00"):
    sys.stderr.write(f"\\rlab:  50%|###  | {n}/20 [00:01<00:00,  2.40it/s, lr: 1.0e-04 loss: {loss}]")
    sys.stderr.flush()
def save(name):
    open(os.path.join(run, name), "wb").write(b"lora")
"""
ENDINGS = {
    "good": "step(10); save('chromiq_v1_000000010.safetensors'); step(20); save('chromiq_v1.safetensors')",
    "nothing saved, exit 0": "step(10)",
    "out of memory": "step(3); sys.exit('torch.OutOfMemoryError: CUDA out of memory. ')",
    "gated": "sys.exit('huggingface_hub.errors.GatedRepoError: 401 Client Error.')",
    "broken environment": "import no_such_module",
    "floods": "print('x' * 100_000_000); save('chromiq_v1.safetensors')",
    "prints the token": "print(os.environ['HF_TOKEN']); save('chromiq_v1.safetensors')",
    "tells": "json.dump([os.getcwd(), dict(os.environ)], open(os.path.join(run, 'told.json'), 'w')); "
             "save('chromiq_v1.safetensors')",
    "hangs with a child": "signal.signal(signal.SIGINT, signal.SIG_IGN); step(7)\n"
                          "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
                          "open(os.path.join(run, 'child'), 'w').write(str(child.pid)); time.sleep(600)",
}  # fmt: skip


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    """Installs a trainer that ends in the way asked for."""
    folder = tmp_path / "ai-toolkit"
    (folder / "venv" / "bin").mkdir(parents=True)
    (folder / "venv" / "bin" / "python").symlink_to(sys.executable)
    # A symlinked interpreter finds this environment's packages through its own configuration.
    (folder / "venv" / "pyvenv.cfg").write_text(Path(sys.prefix, "pyvenv.cfg").read_text())
    site = next(Path(sys.prefix, "lib").glob("python3*"))
    (folder / "venv" / "lib").mkdir()
    (folder / "venv" / "lib" / site.name).symlink_to(site)
    monkeypatch.setenv("CHROMIQ_AI_TOOLKIT", str(folder))
    return lambda ending: (folder / "run.py").write_text(PRELUDE + ENDINGS[ending])


@pytest.fixture
def config(dataset, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(render_job("kontext", dataset, preset="smoke"))
    return path


@pytest.fixture
def run_folder(dataset):
    return dataset.parent / "runs" / "chromiq_v1"


def test_a_good_run_is_recorded(trainer, config, run_folder):
    trainer("good")
    seen = []
    final = launch(config, "ai-toolkit", on_progress=lambda done, total: seen.append((done, total)))
    assert final == run_folder / "chromiq_v1.safetensors"
    assert seen == [(10, 20), (20, 20)]
    status = read_status(run_folder)
    assert (status.state, status.step, status.loss) == ("done", 20, 1.5)
    assert set(status.record.checkpoints) == {"chromiq_v1_000000010.safetensors", "chromiq_v1.safetensors"}
    assert "loss: 1.500e+00" in (run_folder / "log.txt").read_text()


@pytest.mark.parametrize(
    ("ending", "error", "said"),
    [
        ("nothing saved, exit 0", ChromiqError, "exit code 0 and without a final checkpoint at step 10"),
        ("out of memory", ChromiqError, "smaller preset"),
        ("gated", AccessError, "HF_TOKEN"),
        ("broken environment", ChromiqError, "environment is broken"),
    ],
)
def test_a_failed_run_says_its_cure(trainer, config, run_folder, ending, error, said):
    trainer(ending)
    with pytest.raises(error, match=said) as caught:
        launch(config, "ai-toolkit")
    assert type(caught.value) is error
    status = read_status(run_folder)
    assert status.state == "failed"
    assert status.record.message == str(caught.value)


def test_a_flood_of_output_is_kept_and_does_no_harm(trainer, config, run_folder):
    trainer("floods")
    launch(config, "ai-toolkit")
    assert (run_folder / "log.txt").stat().st_size > 100_000_000


def test_the_token_reaches_the_trainer_and_no_file(trainer, config, run_folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret_token_of_this_test")
    trainer("prints the token")
    launch(config, "ai-toolkit")
    assert "***" in (run_folder / "log.txt").read_text()
    assert not [path for path in run_folder.iterdir() if b"hf_secret_token_of_this_test" in path.read_bytes()]


def test_the_trainer_sees_its_own_folder_and_a_bounded_environment(trainer, config, run_folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for you")
    trainer("tells")
    launch(config, "ai-toolkit")
    folder, environment = json.loads((run_folder / "told.json").read_text())
    assert folder == os.environ["CHROMIQ_AI_TOOLKIT"]
    assert "PATH" in environment
    assert not {"PYTHONPATH", "AWS_SECRET_ACCESS_KEY"} & set(environment)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_ends_its_whole_group_and_says_what_is_lost(
    trainer, config, run_folder, number, monkeypatch, tmp_path
):
    trainer("hangs with a child")
    code = (
        "import sys, toolkit_configs.engines.ai_toolkit as engine\n"
        "engine._PATIENCE_S = 1\n"
        "from chromiq_cli.main import main\n"
        f"sys.argv = ['chromiq', 'train', {str(config)!r}]\n"
        "main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True
    )
    child = run_folder / "child"
    deadline = time.monotonic() + 60
    while not (child.is_file() and child.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped at step 7 of 20; the newest checkpoint is of step 0, so 7 steps are lost" in said
    assert read_status(run_folder).state == "interrupted"
    state = Path(f"/proc/{child.read_text()}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_an_unsound_dataset_is_never_launched_unless_forced(trainer, config, dataset, run_folder):
    trainer("good")
    (dataset / "masks" / "pair1.png").unlink()
    with pytest.raises(UnsoundError):
        launch(config, "ai-toolkit")
    assert not run_folder.exists()
    assert launch(config, "ai-toolkit", force=True).is_file()


def test_without_the_trainer_the_command_that_brings_it_is_said(config, tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMIQ_AI_TOOLKIT", str(tmp_path / "nothing"))
    with pytest.raises(ChromiqError, match="git submodule update --init vendor/ai-toolkit"):
        launch(config, "ai-toolkit")


def test_a_killed_run_is_told_from_a_running_one(trainer, config, run_folder):
    trainer("good")
    launch(config, "ai-toolkit")
    record = json.loads((run_folder / "run.json").read_text())
    gone = subprocess.Popen(["true"])
    gone.wait()
    for process, state in ((os.getpid(), "running"), (gone.pid, "killed")):
        (run_folder / "run.json").write_text(json.dumps({**record, "state": "running", "process": process}))
        assert read_status(run_folder).state == state


def test_status_of_a_folder_without_a_run(tmp_path):
    with pytest.raises(UsageError, match=r"run\.json"):
        read_status(tmp_path)


def test_checkpoints_of_another_run_are_not_counted(tmp_path):
    for name in ("lab_000000020", "lab_000000005", "lab", "lab2_000000030", "other"):
        (tmp_path / f"{name}.safetensors").touch()
    found = [path.stem for path in find_checkpoints(tmp_path, "lab")]
    assert found == ["lab_000000005", "lab_000000020", "lab"]


def test_progress_lines():
    assert read_progress("Loading: 50%|##  | 3/6 [00:01<00:01, 2.0it/s]") is None
    event = read_progress("a: 5%|▌ | 1/20 [00:01<?, 2.40s/it, lr: 1.0e-04 loss: nan]")
    assert event.step == 1
    assert event.loss != event.loss
