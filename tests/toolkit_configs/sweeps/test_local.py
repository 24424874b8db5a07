"""A sweep on this machine: one run at a time on each device, by the stand-in of standin_trainer."""

import io
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from fake_nvml import install_gpus
from rich.console import Console
from standin_trainer import behave, make_trainer

import chromiq.toolkit_configs.sweeps.local as local
from chromiq.errors import ChromiqError, InterruptedRunError, UsageError
from chromiq.files import folder_lock
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.runs.status import read_status
from chromiq.toolkit_configs.schema.trainer_job import read_job
from chromiq.toolkit_configs.sweeps.grid import on_devices, read_grid, write_configs
from chromiq.toolkit_configs.sweeps.local import cells_view, follow_sweep, sweep_view, train_jobs
from chromiq.toolkit_configs.sweeps.slurm import BatchJob
from chromiq.toolkit_configs.trainer.devices import find_gpus, read_devices

COMMAND = """#!{python}
import sys
from chromiq.toolkit_configs.trainer import checkout as toolkit, engine
engine._PATIENCE_S = 2; toolkit.PINNED_COMMIT = {commit!r}
from chromiq_cli.main import main
main()
"""


@pytest.fixture(scope="module")
def trainer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trainer") / "ai-toolkit"
    return folder, make_trainer(folder)


@pytest.fixture
def trainer(trainer_folder, tmp_path, monkeypatch):
    """Makes the trainer end in the way asked for; chromiq is the real one and takes its commit for pinned."""
    folder, commit = trainer_folder
    command = tmp_path / "chromiq"
    command.write_text(COMMAND.format(python=sys.executable, commit=commit))
    command.chmod(0o755)
    monkeypatch.setenv("CHROMIQ_AI_TOOLKIT", str(folder))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(local, "chromiq_command", lambda: str(command))
    for every in ("_POLL_EVERY_S", "_FOLLOW_EVERY_S"):
        monkeypatch.setattr(local, every, 0.05)
    return lambda ending: behave(folder, ending)


@pytest.fixture
def grid(dataset, tmp_path):
    """Three runs; a test that needs fewer says how many, as each takes seconds."""
    (tmp_path / "config.yaml").write_text(render_job("kontext", dataset, preset="smoke", name="cell"))
    return write_grid(tmp_path / "grid.yaml", 3)


def write_grid(path, runs):
    path.write_text(f"config: config.yaml\ngrid:\n  seed: {[*range(1, runs + 1)]}\n")
    return path


@pytest.fixture
def sweep(tmp_path):
    return tmp_path / "sweep"


@pytest.fixture
def sweep_train(chromiq, grid, sweep):
    def run(*arguments):
        result = chromiq("sweep-train", grid, "--out", sweep, "--json", *arguments)
        return result.code, result.document, result.err

    return run


def train(jobs, devices, out, on_status=lambda _: None):
    with folder_lock(out / "logs", "chromiq sweep-train"):
        return train_jobs(jobs, devices, out, on_status)


def test_runs_queue_for_devices_and_a_failure_does_not_stop_the_others(
    trainer, sweep_train, sweep, chromiq, dataset
):
    trainer("fails with seed 2")
    code, document, said = sweep_train("--devices", "cuda:0,cuda:1")
    assert code == 3
    runs = document["runs"]
    assert [run["state"] for run in runs] == ["done", "failed", "done"]
    assert [run["exit_code"] for run in runs] == [0, 1, 0]
    assert "smaller preset" in runs[1]["message"]
    assert "cell_seed1: done on cuda:0" in said
    assert "cell_seed2: failed on cuda:1, AI-Toolkit failed at step 5: out of GPU memory" in said
    reported = [json.loads((dataset.parent / "runs" / run["name"] / "call.json").read_text()) for run in runs]
    assert [seed for seed, *_ in reported] == ["1", "2", "3"]
    assert [device for _, device, *_ in reported[:2]] == ["0", "1"]
    # The first two met; the third began when a device was free, and had it to itself.
    assert all(met for *_, met in reported)
    _, device, begun, *_ = reported[2]
    assert begun > reported[int(device)][3]
    records = [json.loads((dataset.parent / "runs" / run["name"] / "run.json").read_text()) for run in runs]
    assert [record["seed"] for record in records] == [1, 2, 3]

    # From elsewhere it looks the same.
    result = chromiq("status", sweep, "--watch", "--json")
    code, document = result.code, result.document
    assert code == 3
    assert [(run["name"][-1], run["state"], run["step"]) for run in document["runs"]] == [
        ("1", "done", 20),
        ("2", "failed", 5),
        ("3", "done", 20),
    ]

    # The same command again trains what is missing, and nothing else.
    done = [dataset.parent / "runs" / runs[index]["name"] / "run.json" for index in (0, 2)]
    before = [path.read_bytes() for path in done]
    trainer("good")
    code, document, said = sweep_train("--devices", "cuda:0,cuda:1")
    assert code == 0
    assert [run["state"] for run in document["runs"]] == ["done"] * 3
    assert [path.read_bytes() for path in done] == before
    assert "cell_seed2: done on cuda:0" in said


@pytest.mark.parametrize("ending", ["saves two LoRAs", "saves a folder"])
def test_a_run_whose_result_is_more_than_one_file_is_done(trainer, sweep_train, sweep, grid, chromiq, ending):
    write_grid(grid, 1)
    trainer(ending)
    assert sweep_train("--devices", "cpu")[0] == 0
    trainer("out of memory")
    code, document, _ = sweep_train("--devices", "cpu")
    runs = document["runs"] + chromiq("status", sweep, "--json").document["runs"]
    assert (code, [Path(run["lora"]).exists() for run in runs]) == (0, [True] * 2)


def test_a_run_of_another_config_is_never_resumed(trainer, sweep_train, sweep, grid, dataset, chromiq):
    write_grid(grid, 2)
    trainer("good")
    run = dataset.parent / "runs" / "cell_seed1"
    run.mkdir(parents=True)
    (run / "cell_seed1_000000010.safetensors").write_bytes(b"other content")
    code, document, _ = sweep_train("--devices", "cpu,cpu")
    assert code == 3
    assert document["runs"][0]["exit_code"] == 10
    assert (run / "cell_seed1_000000010.safetensors").read_bytes() == b"other content"
    followed = chromiq("status", sweep, "--watch", "--json")
    assert followed.code == 3
    assert [each["state"] for each in followed.document["runs"]] == ["failed", "done"]
    # Started again, it is waiting until its turn comes.
    jobs = [BatchJob(path, read_job(path)) for path in sorted((sweep / "configs").iterdir())]
    shutil.rmtree(run)
    states = []
    train(jobs, ["cpu"], sweep, lambda _: states.append([cell.state for cell in next(follow_sweep(sweep))]))
    assert states[0] == ["waiting", "done"]
    assert states[-1] == ["done", "done"]


def test_a_run_that_failed_waits_again_in_its_restarted_sweep(trainer, grid, sweep):
    jobs = write_configs(on_devices(read_grid(grid), ["cpu"]), sweep, "ai-toolkit")[:2]
    states = []
    for ending in ("out of memory", "good"):
        trainer(ending)
        train(
            jobs, ["cpu"], sweep, lambda _: states.append([cell.state for cell in next(follow_sweep(sweep))])
        )
        assert states[0] == ["waiting"] * 3
        assert states[-1] == ["failed" if ending != "good" else "done"] * 2 + ["waiting"]
        states.clear()


@pytest.mark.parametrize("target", ["local", "slurm"])
def test_a_sweep_removes_no_config_and_follows_only_its_own(
    trainer, sweep_train, sweep, grid, chromiq, target
):
    trainer("good")
    configs, arguments = (
        sweep / "configs",
        ["--devices", "cpu"] if target == "local" else ["--target", target],
    )
    configs.mkdir(parents=True)
    grid.with_name("config.yaml").rename(configs / "base.yaml")
    (configs / "notes.yaml").write_text("of somebody else")
    for seeds in ("[10, 2, 3]", "[10, 2]"):
        grid.write_text(f"config: sweep/configs/base.yaml\ngrid:\n  seed: {seeds}\n")
        assert sweep_train(*arguments)[0] == 0
    assert {path.name for path in configs.iterdir()} == {
        *("base.yaml", "notes.yaml", "cell_seed10.yaml", "cell_seed2.yaml", "cell_seed3.yaml")
    }
    shown = chromiq("status", sweep, "--json")
    assert (shown.code, [run["name"] for run in shown.document["runs"]]) == (0, ["cell_seed10", "cell_seed2"])


def test_a_sweep_of_an_earlier_version_is_all_its_configs(grid, sweep):
    write_configs(read_grid(grid), sweep, "ai-toolkit")
    (sweep / "sweep-train.json").unlink()
    names = [cell.job.name for cell in next(follow_sweep(sweep))]
    assert names == ["cell_seed1", "cell_seed2", "cell_seed3"]


@pytest.mark.parametrize("text", ["[", '{"a": 1}', "[1]"])
def test_a_damaged_list_of_configs_is_named(grid, sweep, chromiq, text):
    write_configs(read_grid(grid), sweep, "ai-toolkit")
    (sweep / "sweep-train.json").write_text(text)
    shown = chromiq("status", sweep)
    assert shown.code == 10
    assert "sweep-train.json: cannot be read: " in shown.err
    assert "Run the same chromiq sweep-train again" in shown.err


def test_a_second_sweep_changes_nothing_of_one_at_work(trainer, sweep_train, sweep, grid):
    trainer("good")
    with folder_lock(sweep / "logs", "chromiq sweep-train"):
        code, _, said = sweep_train("--devices", "cpu")
    assert (code, "chromiq sweep-train" in said) == (11, True)
    assert not (sweep / "configs").exists()


def test_of_a_finished_run_that_was_launched_again_the_newer_result_counts(trainer, sweep_train, grid, sweep):
    write_grid(grid, 1)
    trainer("good")
    assert sweep_train("--devices", "cpu")[0] == 0
    config = grid.with_name("config.yaml")
    config.write_text(config.read_text().replace("lr: 0.001", "lr: 0.002"))
    code, document, _ = sweep_train("--devices", "cpu")
    assert code == 1
    assert "run.exists" in (sweep / "logs" / "cell_seed1.log").read_text()
    followed = next(follow_sweep(sweep))
    assert [(each.state, each.message) for each in followed] == [
        (each["state"], each["message"]) for each in document["runs"]
    ]
    # Killed before it could report: nobody works on it, so that nobody waits for it.
    (sweep / "logs" / "cell_seed1.json").write_bytes(b"")
    assert next(follow_sweep(sweep))[0].ended
    with folder_lock(sweep / "logs", "chromiq sweep-train"):
        assert next(follow_sweep(sweep))[0].state == "waiting"


def test_a_damaged_record_fails_its_own_run_alone(trainer, sweep_train, sweep, chromiq, dataset):
    trainer("good")
    damaged = dataset.parent / "runs" / "cell_seed2" / "run.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    reason = f"{damaged}: cannot be read: "
    code, document, _ = sweep_train("--devices", "cpu")
    assert code == 3
    assert [run["state"] for run in document["runs"]] == ["done", "failed", "done"]
    assert reason in document["runs"][1]["message"]
    assert damaged.read_text() == "{"
    shutil.rmtree(sweep / "logs")  # as Slurm's jobs, which write none
    for arguments, wanted in (((), 0), (("--watch",), 3)):
        shown = chromiq("status", sweep, *arguments, "--json")
        assert shown.code == wanted
        assert [run["state"] for run in shown.document["runs"]] == ["done", "failed", "done"]
        assert shown.document["runs"][1]["message"].startswith(reason)
    # Neither does one whose sweep was killed before its turn.
    (sweep / "logs").mkdir()
    (sweep / "logs" / "cell_seed2.json").write_bytes(b"")
    cell = next(follow_sweep(sweep))[1]
    assert (cell.state, reason in (cell.message or "")) == ("failed", True)


def test_a_record_damaged_during_its_training_does_not_end_the_sweep(trainer, grid, sweep):
    trainer("takes leave slowly")
    (job, *_) = jobs = write_configs(on_devices(read_grid(grid), ["cpu"]), sweep, "ai-toolkit")[:1]
    seen = []

    def stop(cells):
        seen.append(cells[0].step)
        if cells[0].step == 7 and seen.count(7) == 1:
            (job.job.run_folder / "run.json").write_text("{")
        if seen.count(7) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(InterruptedRunError, match="0 of 1 runs done"):
        train(jobs, ["cpu"], sweep, stop)
    assert read_status(job.job.run_folder).state == "interrupted"


@pytest.mark.parametrize(
    ("result", "state", "message"),
    [
        ({"error": "stopped", "exit_code": 130}, "interrupted", "stopped; its log is"),
        ({"error": "locked", "exit_code": 11}, "failed", "locked; its log is"),
        ({"error": "no code"}, "failed", "no code; its log is"),
        ({}, "interrupted", "its sweep ended before it began"),
    ],
)
def test_a_run_that_ended_before_it_made_its_folder_has_the_state_of_its_result(
    grid, sweep, result, state, message
):
    (job, *_) = write_configs(on_devices(read_grid(grid), ["cpu"]), sweep, "ai-toolkit")
    (sweep / "logs").mkdir()
    (sweep / "logs" / f"{job.name}.json").write_text(json.dumps(result))
    cell = next(follow_sweep(sweep))[0]
    assert (cell.state, (cell.message or "").startswith(message)) == (state, True)


def test_a_stopped_sweep_ends_its_runs_first_and_resumes(trainer, grid, tmp_path, chromiq):
    trainer("takes leave slowly")
    jobs = write_configs(on_devices(read_grid(grid), ["cpu"]), tmp_path / "sweep", "ai-toolkit")
    seen = []

    def stop(cells):
        seen.append(cells)
        steps = [cell.run.step if cell.run else 0 for cell in cells]
        if steps == [7, 7, 0] and {cell.state for cell in cells} == {"running", "waiting"}:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(InterruptedRunError, match=r"0 of 3 runs done. Run the same command to resume"):
        train(jobs, ["cpu", "cpu"], tmp_path / "sweep", stop)
    assert [cell.state for cell in seen[-1]] == ["interrupted", "interrupted", "waiting"]
    for job in jobs[:2]:
        assert (job.job.run_folder / "left").is_file()
        assert read_status(job.job.run_folder).state == "interrupted"
    live = Console(file=io.StringIO(), force_terminal=True, width=200)
    live.print(cells_view([*seen[-1]]))
    drawn = live.file.getvalue()
    assert "3 runs: 2 interrupted, 1 waiting" in drawn
    assert drawn.count("7/20") == 2
    lines = Console(file=io.StringIO())
    with sweep_view(lines) as show:
        show(seen[-1])
    code, out, _ = chromiq("status", tmp_path / "sweep")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("cell")] == [
        ["cell_seed1", "cpu"],
        ["cell_seed2", "cpu"],
        ["cell_seed3", "interrupted"],
    ]
    assert lines.file.getvalue().splitlines()[0].startswith("cell_seed1: interrupted on cpu, ")


@pytest.mark.parametrize("text", ["cuda:0,cuda:0", "cuda,cuda:0", "gpu", "", "cuda:0,,cuda:1"])
def test_invalid_devices(text):
    with pytest.raises(UsageError, match="devices"):
        read_devices(text)


def test_more_devices_than_visible_gpus_are_refused(trainer, grid, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    jobs = write_configs(read_grid(grid), tmp_path / "sweep", "ai-toolkit")
    with pytest.raises(UsageError, match="cuda:1 is not visible"):
        train(jobs, ["cuda:0", "cuda:1"], tmp_path / "sweep")
    assert not (tmp_path / "runs").exists()


def test_without_the_command_nothing_is_started(grid, tmp_path, monkeypatch):
    monkeypatch.setattr(local, "chromiq_command", lambda: "no-such-chromiq")
    jobs = write_configs(read_grid(grid), tmp_path / "sweep", "ai-toolkit")
    with pytest.raises(ChromiqError, match="no-such-chromiq is not on the PATH"):
        train(jobs, ["cpu"], tmp_path / "sweep")


def test_visible_gpus_are_listed_in_cuda_order(monkeypatch):
    install_gpus(monkeypatch, [("Zero", "GPU-a", 100, 90), ("One", "GPU-b", 200, 150)])
    found = {}
    for visible in ("", "1,0", "GPU-b"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        found[visible] = [gpu.name for gpu in find_gpus()]
    assert found == {"": [], "1,0": ["One", "Zero"], "GPU-b": ["One"]}


@pytest.mark.parametrize(
    "arguments", [("--job", "gpus=1"), ("--target", "slurm", "--devices", "cpu"), ("--devices", "tpu")]
)
def test_options_that_exclude_each_other(sweep_train, arguments):
    code, document, _ = sweep_train(*arguments)
    assert code == document["exit_code"] == 2
