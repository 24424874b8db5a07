"""Runs that are stopped, killed, gone on with and looked at from elsewhere (see standin_trainer)."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from command_line import events
from places import ROOT
from standin_trainer import is_gone

from chromiq.errors import ChromiqError, LockedError, UnsoundError
from chromiq.toolkit_configs.launch import plan, train_config
from chromiq.toolkit_configs.runs.checkpoints import find_checkpoints, saved_step
from chromiq.toolkit_configs.runs.events import Event
from chromiq.toolkit_configs.runs.record import read_record, write_record
from chromiq.toolkit_configs.runs.status import follow, read_status


def start(config, trainer_folder, *arguments, first=""):
    commit = trainer_folder[1]
    code = (
        f"{first}\n"
        "import sys\n"
        "from chromiq.toolkit_configs.trainer import checkout as toolkit, engine\n"
        f"engine._PATIENCE_S = 1; toolkit.PINNED_COMMIT = {commit!r}\n"
        "from chromiq_cli.main import main\n"
        f"sys.argv = ['chromiq', 'train', {str(config)!r}, *{arguments!r}]\n"
        "main()"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True)


def wait_for(path):
    deadline = time.monotonic() + 60
    while not (path.is_file() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return int(path.read_text())


@pytest.mark.parametrize(
    ("ending", "number", "saved"),
    [
        ("hangs with a child", signal.SIGINT, 5),
        ("stops when asked", signal.SIGTERM, 0),
        ("stops when asked", signal.SIGHUP, 0),
    ],
)
def test_stopping_a_run_ends_its_process_group_and_reports_lost_steps(
    trainer, trainer_folder, config, run_folder, ending, number, saved
):
    trainer(ending)
    process = start(config, trainer_folder)
    child = wait_for(run_folder / "child")
    assert read_status(run_folder).state == "running"
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    lost = 7 - saved
    assert f"stopped at step 7 of 20; the newest checkpoint is of step {saved}: {lost} step" in said
    status = read_status(run_folder)
    assert (status.state, status.record.steps_done) == ("interrupted", 7)
    assert is_gone(child)


def test_a_trainer_that_takes_requests_saves_before_it_stops(trainer, trainer_folder, config, run_folder):
    trainer("saves when asked")
    process = start(config, trainer_folder)
    wait_for(run_folder / "child")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    (checkpoint,) = run_folder.glob("*.safetensors")
    assert saved_step(checkpoint) >= 3
    assert "interrupt again to stop at once" in said
    assert f"the newest checkpoint is of step {saved_step(checkpoint)}" in said


def test_a_second_interrupt_does_not_corrupt_the_record(trainer, trainer_folder, config, run_folder):
    trainer("stops when asked")
    insisting = (
        "import os, signal, chromiq.toolkit_configs.runs.status as sessions\n"
        "now = sessions.now\n"
        "def insisted():\n"
        "    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):\n"
        "        os.kill(os.getpid(), number)\n"
        "    return now()\n"
        "sessions.now = insisted"
    )
    process = start(config, trainer_folder, first=insisting)
    wait_for(run_folder / "child")
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped at step 7 of 20" in said
    assert read_status(run_folder).state == "interrupted"


def test_repeated_signals_of_a_scheduler_count_once(trainer, trainer_folder, config, run_folder):
    trainer("takes leave slowly")
    process = start(config, trainer_folder)
    wait_for(run_folder / "child")
    for _ in range(3):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert (run_folder / "left").is_file()
    assert read_status(run_folder).state == "interrupted"


def test_after_a_kill_the_orphan_is_named_and_the_run_resumes_from_a_complete_checkpoint(
    trainer, trainer_folder, config, run_folder
):
    trainer("hangs with a child")
    process = start(config, trainer_folder)
    wait_for(run_folder / "child")
    process.kill()
    process.wait()
    process.stderr.close()
    status = read_status(run_folder)
    assert status.state == "killed"
    with pytest.raises(LockedError, match=f"kill -INT -- -{status.record.trainer_process}"):
        train_config(config, "ai-toolkit", resume=True)
    os.killpg(status.record.trainer_process, signal.SIGKILL)
    while not is_gone(status.record.trainer_process):
        time.sleep(0.05)
    whole = (run_folder / "chromiq_v1_000000005.safetensors").read_bytes()
    (run_folder / "chromiq_v1_000000010.safetensors").write_bytes(whole[:-1])
    with (run_folder / "events.jsonl").open("a") as stream:
        stream.write('{"time": "2026-')
    trainer("resumes")
    assert plan(config, "ai-toolkit", resume=True).from_step == 5
    train_config(config, "ai-toolkit", resume=True)
    assert (run_folder / "torn-chromiq_v1_000000010.safetensors").is_file()
    record = read_record(run_folder)
    assert (record.state, record.steps_done, len(record.sessions)) == ("done", 20, 1)
    assert events(run_folder, "step")[-1]["step"] == 20
    assert "torn" in [values["code"] for values in events(run_folder, "warning")]


def test_a_trainer_that_restarts_instead_of_resuming_is_stopped(trainer, config, run_folder):
    trainer("good")
    train_config(config, "ai-toolkit")
    (run_folder / "chromiq_v1.safetensors").unlink()
    trainer("starts again")
    with pytest.raises(ChromiqError, match="resume from 10, but it started at step 1"):
        train_config(config, "ai-toolkit", resume=True)


@pytest.mark.parametrize("force", [False, True])
def test_a_finished_run_is_never_resumed_unasked(trainer, config, run_folder, force):
    trainer("good")
    final = train_config(config, "ai-toolkit")
    before = final.stat().st_mtime_ns, (run_folder / "run.json").read_bytes()
    assert train_config(config, "ai-toolkit", resume=True) == final
    assert (final.stat().st_mtime_ns, (run_folder / "run.json").read_bytes()) == before
    with pytest.raises(UnsoundError) as caught:
        train_config(config, "ai-toolkit", force=force)
    assert "run.exists" in {finding.code for finding in caught.value.findings}


def test_a_resume_reports_what_changed_since(trainer, config, dataset, monkeypatch):
    trainer("good")
    train_config(config, "ai-toolkit")
    config.write_text(config.read_text() + "# changed\n")
    caption = dataset / "gt" / "pair1.txt"
    caption.write_text(caption.read_text() + " once more")
    monkeypatch.setenv("SEED", "0")
    codes = {finding.code: finding.severity for finding in plan(config, "ai-toolkit", resume=True).findings}
    assert codes | {"run.config": "warning", "run.dataset": "warning", "run.seed": "warning"} == codes
    with pytest.raises(UnsoundError) as caught:
        plan(config, "smoke", resume=True)
    assert "run.engine" in {finding.code for finding in caught.value.findings}


def test_train_and_status_on_the_command_line(trainer, config, run_folder, chromiq):
    trainer("good with a log")
    result = chromiq("train", config)
    assert (result.code, result.out.strip()) == (0, str(run_folder / "chromiq_v1.safetensors"))
    assert "chromiq_v1: done, step 20 of 20, loss 1.2500" in result.err
    result = chromiq("status", run_folder, "--watch", "--json")
    document = result.document
    assert (result.code, document["state"], document["step"], document["loss"]) == (0, "done", 20, 1.25)
    assert document["newest_sample"] == "samples/1__000000010_0.jpg"
    result = chromiq("status", run_folder)
    assert result.code == 0
    assert "20/20" in result.out
    assert "chromiq_v1.safetensors" in result.out


def test_status_watch_follows_a_run_until_it_ends(trainer, trainer_folder, config, run_folder):
    trainer("stops when asked")
    process = start(config, trainer_folder)
    wait_for(run_folder / "child")
    states = []
    for status in follow(run_folder, every_s=0.05):
        states.append((status.state, status.step))
        if status.step == 7 and status.state == "running":
            process.terminate()
    process.communicate(timeout=60)
    assert ("running", 7) in states
    assert states[-1] == ("interrupted", 7)


def test_a_run_on_another_machine_is_alive_while_its_events_are_recent(trainer, config, run_folder):
    trainer("good")
    train_config(config, "ai-toolkit")
    record = json.loads((run_folder / "run.json").read_text())
    (run_folder / "run.json").write_text(json.dumps({**record, "state": "running", "host": "node7"}))
    assert read_status(run_folder).state == "running"
    old = Event("step", {"step": 20}, time.time() - 3600).as_line()
    (run_folder / "events.jsonl").write_text(old + "\n")
    assert read_status(run_folder).state == "killed"


def test_a_killed_run_is_reported_from_a_running_one(trainer, config, run_folder):
    from dataclasses import replace

    trainer("good")
    train_config(config, "ai-toolkit")
    record = read_record(run_folder)
    gone = subprocess.Popen(["true"])
    gone.wait()
    for process, state in ((os.getpid(), "running"), (gone.pid, "killed")):
        write_record(run_folder, replace(record, state="running", process=process))
        assert read_status(run_folder).state == state


def test_status_of_a_folder_without_a_run(tmp_path, chromiq):
    result = chromiq("status", tmp_path)
    assert result.code == 2
    assert "run.json" in result.err
    (tmp_path / "run.json").write_text("{")
    assert chromiq("status", tmp_path).code == 2


def test_checkpoints_of_another_run_are_not_counted(tmp_path):
    for name in ("lab_000000020", "lab_000000005", "lab", "lab2_000000030", "other"):
        (tmp_path / f"{name}.safetensors").touch()
    found = [path.stem for path in find_checkpoints(tmp_path, "lab")]
    assert found == ["lab_000000005", "lab_000000020", "lab"]
