"""Jobs as chromiq renders them, under a real slurmctld: put back into the queue, and on to the last step."""

import json
import shlex
from importlib.util import find_spec

import pytest
from slurm_cluster import cluster, why_no_slurm

from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.runs.checkpoints import newest_step, saved_step
from chromiq.toolkit_configs.runs.status import read_status

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.models,
    pytest.mark.skipif(why_no_slurm() is not None, reason=str(why_no_slurm())),
    pytest.mark.skipif(
        not all(find_spec(name) for name in ("torch", "diffusers", "peft")), reason="needs '.[models]'"
    ),
    pytest.mark.timeout(600),
]
STEPS = 1500


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("slurm")) as found:
        yield found


@pytest.fixture
def config(dataset, tiny_kontext, tmp_path):
    overrides = {
        "model.name_or_path": str(tiny_kontext),
        "train.steps": str(STEPS),
        "save.save_every": "500",
        "dataset.resolution": "[128]",
        "device": "cpu",
    }
    path = tmp_path / "config.yaml"
    path.write_text(render_job("kontext", dataset, preset="smoke", name="on_slurm", overrides=overrides))
    return path


ASKED = ("--job", "gpus=0", "--job", "cpus=1", "--job", "memory_gb=1")


@pytest.fixture
def hand_in(slurm, chromiq):
    """Render for Slurm and do what it says: the job's number."""

    def run(*arguments):
        result = chromiq(*arguments, "--engine", "smoke", "--target", "slurm", *ASKED)
        assert result.code == 0
        command, script = shlex.split(result.out)
        assert command == "sbatch"
        return slurm.submit(script)

    return run


def test_a_requeued_job_trains_every_step(slurm, hand_in, config, dataset):
    run = dataset.parent / "runs" / "on_slurm"
    job = hand_in("train", config)

    def trained_beyond(step):
        slurm.until(lambda: (run / "run.json").is_file(), bool)
        slurm.until(lambda: read_status(run).step, lambda at: at > step)
        return newest_step(run, "on_slurm")

    # What Slurm sends before the time limit: the script saves and puts itself back.
    trained_beyond(10)
    slurm.ask("scancel", "--batch", "--signal=USR1", job)
    slurm.now(job)
    saved = newest_step(run, "on_slurm")
    assert 10 < saved < STEPS
    # Preempted: Slurm itself puts it back.
    slurm.until(lambda: read_status(run).record.sessions, bool)
    trained_beyond(saved + 10)
    slurm.ask("scontrol", "requeue", job)
    slurm.now(job)
    shown = slurm.wait(job, "COMPLETED", 240)
    assert (shown["ExitCode"], shown["Restarts"]) == ("0:0", "2")
    record = json.loads((run / "run.json").read_text())
    assert (record["state"], record["steps_done"]) == ("done", STEPS)
    assert [session["state"] for session in record["sessions"]] == ["interrupted", "interrupted"]
    steps = [session["steps_done"] for session in record["sessions"]]
    assert saved == steps[0] < steps[1] < STEPS
    assert saved_step(run / "on_slurm.safetensors") == STEPS
    print(slurm.folder.joinpath("jobs.txt").read_text())  # with -s: Slurm's own record


def test_an_array_trains_every_cell_of_a_grid(slurm, hand_in, config, dataset, tmp_path):
    grid = tmp_path / "grid.yaml"
    grid.write_text("config: config.yaml\ngrid:\n  train.lr: [1e-4, 2e-4]\n  train.steps: [40]\n")
    job = hand_in("sweep-train", grid, "--out", tmp_path / "sweep")
    for cell, rate in enumerate(("1e-4", "2e-4")):
        shown = slurm.wait(f"{job}_{cell}", "COMPLETED", 240)
        assert shown["ExitCode"] == "0:0"
        name = f"on_slurm_lr{rate}_steps40"
        assert saved_step(dataset.parent / "runs" / name / f"{name}.safetensors") == 40
    print(slurm.folder.joinpath("jobs.txt").read_text())
