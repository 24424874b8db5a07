"""The Slurm script runs chromiq train, whatever the names, and resumes after preemption."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import chromiq.toolkit_configs.sweeps.slurm as targets
from chromiq.errors import UnsoundError, UsageError
from chromiq.files import sha256_file, write_json
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.schema.trainer_job import read_job
from chromiq.toolkit_configs.sweeps.grid import read_grid, write_configs
from chromiq.toolkit_configs.sweeps.slurm import (
    Resources,
    batch_job,
    read_resources,
    slurm_script,
    write_script,
)

NASTY = 'it\'s $(touch owned) & "more" é'
# Stands for chromiq on the node: tells how it was called, and on SIGTERM saves and ends.
CHROMIQ = """#!/bin/bash
printf '%s\\n' "${SEED:-none}" "$@" > "$REPORTED"
trap 'kill %1; echo saved >> "$REPORTED"; exit 130' TERM
if [ -n "${LINGER:-}" ]; then sleep 30 2> "$REPORTED.started" & wait $!; fi
exit "${ENDS:-0}"
"""


@pytest.fixture
def config(dataset, tmp_path):
    folder = tmp_path / NASTY
    folder.mkdir()
    path = folder / "config.yaml"
    path.write_text(render_job("kontext", dataset, name="r", training_folder=folder / "runs"))
    return path


@pytest.fixture
def node(tmp_path, monkeypatch):
    """Runs a script as a node would; says what chromiq and scontrol were called with."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name, text in (("chromiq", CHROMIQ), ("scontrol", '#!/bin/bash\necho "$@" > "$REPORTED.scontrol"\n')):
        (bin_folder / name).write_text(text)
        (bin_folder / name).chmod(0o755)
    monkeypatch.setattr(targets, "chromiq_command", lambda: "chromiq")

    def start(script, **environment):
        reported = tmp_path / "reported"
        reported.unlink(missing_ok=True)
        path = tmp_path / "job.sh"
        path.write_text(script)
        subprocess.run(["bash", "-n", path], check=True)
        process = subprocess.Popen(
            ["bash", path],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={"PATH": f"{bin_folder}:{os.environ['PATH']}", "REPORTED": str(reported), **environment},
        )
        return process, reported

    return start


def finished(process):
    _, said = process.communicate(timeout=30)
    return process.returncode, said


def test_the_batch_script_runs_chromiq_train(config, node, tmp_path):
    script = slurm_script("r", [batch_job(config, "ai-toolkit")], Resources())
    process, reported = node(script, SLURM_JOB_ID="7")
    assert finished(process) == (0, "")
    assert reported.read_text().splitlines() == ["none", "train", str(config), "--engine", "ai-toolkit"]
    assert not list(tmp_path.rglob("owned"))


@pytest.mark.parametrize("same", [True, False])
def test_a_run_is_resumed_if_its_config_is_the_same(config, node, same):
    run = read_job(config).run_folder
    digests = [sha256_file(config), "0" * 64]
    now, earlier = digests if same else reversed(digests)
    write_json(run / "run.json", {"config_sha256": now, "sessions": [{"config_sha256": earlier}]})
    process, reported = node(slurm_script("r", [batch_job(config, "smoke")], Resources()), SLURM_JOB_ID="7")
    assert finished(process)[0] == 0
    assert ("--resume" in reported.read_text().splitlines()) is same


def test_a_missing_config_is_left_to_chromiq_to_report(config, node):
    script = slurm_script("r", [batch_job(config, "smoke")], Resources())
    config.unlink()
    process, reported = node(script, ENDS="2", SLURM_JOB_ID="7")
    assert finished(process)[0] == 2
    assert str(config) in reported.read_text()


def test_a_failed_run_fails_the_job_and_is_not_requeued(config, node):
    process, reported = node(
        slurm_script("r", [batch_job(config, "smoke")], Resources()), ENDS="10", SLURM_JOB_ID="7"
    )
    assert finished(process)[0] == 10
    assert not Path(f"{reported}.scontrol").exists()


@pytest.mark.parametrize(
    ("environment", "job"),
    [
        ({"SLURM_JOB_ID": "7"}, "7"),
        ({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "8", "SLURM_ARRAY_TASK_ID": "0"}, "8_0"),
    ],
)
def test_near_its_time_limit_a_run_stops_and_is_requeued(config, node, environment, job):
    script = slurm_script("r", [batch_job(config, "smoke")], Resources())
    process, reported = node(script, LINGER="1", **environment)
    deadline = time.monotonic() + 20
    while not Path(f"{reported}.started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGUSR1)
    assert finished(process)[0] == 130
    assert reported.read_text().splitlines()[-1] == "saved"
    assert Path(f"{reported}.scontrol").read_text() == f"requeue {job}\n"


@pytest.mark.parametrize("number", ["USR1", "TERM"])
def test_an_early_signal_reaches_the_run_and_no_other_process(config, node, tmp_path, number):
    script = slurm_script("r", [batch_job(config, "smoke")], Resources())
    early = tmp_path / "early.sh"  # read by each bash that starts; sends the signal in the narrow moment
    early.write_text(f"""trap 'if [ "$BASH_COMMAND" = "child=\\$!" ]; then
      until [ -e "$REPORTED.started" ]; do sleep 0.02; done; kill -{number} $$; fi' DEBUG\n""")
    process, reported = node(script, LINGER="1", SLURM_JOB_ID="7", BASH_ENV=str(early))
    assert finished(process)[0] == 130
    assert reported.read_text().splitlines()[-1] == "saved"
    assert Path(f"{reported}.scontrol").exists() == (number == "USR1")


def test_a_preempted_script_waits_for_the_run_and_leaves_requeueing_to_slurm(config, node):
    script = slurm_script("r", [batch_job(config, "smoke")], Resources())
    process, reported = node(script, LINGER="1", SLURM_JOB_ID="7")
    deadline = time.monotonic() + 20
    while not Path(f"{reported}.started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert finished(process)[0] == 130
    assert reported.read_text().splitlines()[-1] == "saved"
    assert not Path(f"{reported}.scontrol").exists()


def test_headers_request_the_given_resources(config):
    asked = read_resources(["gpus=2", "gpu=a100", "hours=1.5", "partition=long jobs", "at_once=2"])
    script = slurm_script("r", [batch_job(config, "ai-toolkit")] * 3, asked)
    lines = [line for line in script.splitlines() if line.startswith("#SBATCH")]
    for wanted in (
        '--gpus="a100:2"',
        "--time=1:30:00",
        '--partition="long jobs"',
        "--array=0-2%2",
        "--requeue",
        "--signal=B:USR1@300",
    ):
        assert f"#SBATCH {wanted}" in lines, wanted
    assert not [line for line in lines if "account" in line]


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("gpu", "'gpu' is not KEY=VALUE"),
        ("gpus=many", "gpus must be a whole number"),
        ("gpus=-1", "gpus must be greater than or equal to 0"),
        ("colour=red", "colour is not a known key. Known keys: gpus, "),
        ("partition=a\n#SBATCH b", "is not KEY=VALUE"),
    ],
)
def test_invalid_resources(assignment, said):
    with pytest.raises(UsageError) as caught:
        read_resources([assignment])
    assert said in str(caught.value)


@pytest.fixture
def grid(config):
    path = config.parent / "grid.yaml"
    path.write_text(
        "config: config.yaml\ngrid:\n  train.lr: [1e-4, 2e-4]\n  network.linear: [16, 64]\n  seed: [1, 2]\n"
    )
    return path


def test_a_grid_is_every_combination_under_unique_names(grid, config):
    found = read_grid(grid)
    settings = [(each.job.process.train.lr, each.job.process.network.linear, each.seed) for each in found]
    assert settings == [(lr, rank, seed) for lr in (1e-4, 2e-4) for rank in (16, 64) for seed in (1, 2)]
    assert len({each.job.run_folder for each in found}) == 8
    assert found[0].name == "r_lr1e-4_linear16_seed1"
    # Alpha over rank stays.
    assert [each.job.process.network.linear_alpha for each in found[:3:2]] == [16, 64]
    assert read_job(config).process.network.linear == 32


def grid_of(grid, text):
    grid.write_text(f"config: config.yaml\ngrid: {{{text}}}\n")
    return [each.job for each in read_grid(grid)]


def test_a_grid_takes_what_the_trainer_takes(grid):
    first, second, third = grid_of(grid, "dataset.resolution: [512, [512, 768], [256]]")
    assert [job.process.datasets[0].resolution for job in (first, second, third)] == [
        [512],
        [512, 768],
        [256],
    ]
    assert [job.process.save.save_every for job in grid_of(grid, "save.save_every: [0, 5]")] == [0, 5]
    (job,) = grid_of(grid, "datasets.default_caption: [null]")
    assert job.document["config"]["process"][0]["datasets"][0]["default_caption"] is None
    without, with_ema = grid_of(grid, "train.ema_config: [null, {use_ema: true}]")
    assert without.document["config"]["process"][0]["train"]["ema_config"] is None
    assert with_ema.document["config"]["process"][0]["train"]["ema_config"]["use_ema"] is True


def test_an_alpha_within_a_mapping_is_kept(grid):
    (job,) = grid_of(grid, "network: [{linear: 16, linear_alpha: 8}]")
    assert (job.process.network.linear, job.process.network.linear_alpha) == (16, 8)


def test_runs_share_no_value(grid):
    first, second = grid_of(grid, "model.model_kwargs: [{a: [1]}], train.steps: [5, 6]")
    kwargs = [job._document["config"]["process"][0]["model"]["model_kwargs"] for job in (first, second)]
    assert kwargs[0] == kwargs[1]
    assert kwargs[0]["a"] is not kwargs[1]["a"]


def test_a_grids_array_trains_each_config_with_its_seed(grid, node, tmp_path):
    found = read_grid(grid)
    jobs = write_configs(found, tmp_path / "sweep", "smoke")
    path = write_script("sweep", jobs, tmp_path / "sweep", Resources())
    for index in (0, 7):
        process, reported = node(path.read_text(), SLURM_ARRAY_TASK_ID=str(index), SLURM_ARRAY_JOB_ID="1")
        assert finished(process)[0] == 0
        seed, verb, config, *_ = reported.read_text().splitlines()
        assert (seed, verb) == (str(found[index].seed), "train")
        written = read_job(Path(config))
        assert written == found[index].job


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("config: config.yaml\ngrid: {train.lrr: [1]}\n", UsageError, "Did you mean lr"),
        ("config: config.yaml\ngrid: {train.lr: [no]}\n", UsageError, "the value does not fit"),
        ("config: config.yaml\ngrid: {name: [a, b]}\n", UsageError, "a process's own name"),
        ("config: config.yaml\ngrid: {seed: [a]}\n", UsageError, "is not an integer"),
        ("config: config.yaml\ngrid: {train.steps: [5, 5]}\n", UsageError, "two runs would be called"),
        ("config: config.yaml\ngrid: {train.steps: []}\n", UsageError, "it may have 1 to 1000"),
        ("config: config.yaml\n", UnsoundError, "grid.form"),
        (
            "config: config.yaml\ngrid: {train.lr: [1], train.lr: [2]}\n",
            UnsoundError,
            "appears 2 times",
        ),
        ("a: [\n", UnsoundError, "grid.unreadable"),
        ("a: " + "[" * 5000, UnsoundError, "grid.unreadable"),
    ],
)
def test_invalid_grids(grid, text, error, said):
    grid.write_text(text)
    with pytest.raises(error) as caught:
        read_grid(grid)
    reported = [str(caught.value), *map(str, caught.value.findings)]
    assert any(said in each for each in reported), reported


def test_a_grid_that_is_not_there_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match=r"nope\.yaml: no such file"):
        read_grid(tmp_path / "nope.yaml")


def test_the_verb_writes_the_jobs_and_prints_the_submit_command(grid, tmp_path, chromiq):
    out = tmp_path / "my sweep"
    arguments = ["sweep-train", grid, "--target", "slurm", "--out", out]
    result = chromiq(*arguments, "--json")
    assert result.code == 0
    document = result.document
    assert len(document["runs"]) == 8
    assert chromiq(*arguments).out == f"sbatch '{document['jobs'][0]}'\n"


def test_a_config_of_the_user_s_that_has_the_name_of_a_run_is_not_overwritten(grid, tmp_path, chromiq):
    out, config = tmp_path / "out", tmp_path / "out" / "configs" / "r_lr2e-4_linear16_seed1.yaml"
    command = ("sweep-train", grid, "--target", "slurm", "--out", out)
    assert [chromiq(*command).code for _ in range(2)] == [0, 0]
    shutil.rmtree(out)
    config.parent.mkdir(parents=True)
    config.write_text("mine")
    refused = chromiq(*command)
    assert (refused.code, config.read_text(), len(list(config.parent.iterdir()))) == (2, "mine", 1)
    assert f"{config}: is not of a sweep" in refused.err


def test_train_writes_the_job_beside_its_config_and_trains_nothing(config, chromiq):
    result = chromiq("train", config, "--target", "slurm", "--job", "gpus=2")
    assert result.code == 0
    path = config.parent / "r.slurm.sh"
    assert result.out == f"sbatch {shlex.quote(str(path))}\n"
    assert "warning: the job requests 2 GPUs, but a run trains on one" in result.err
    assert shlex.quote(str(config)) in path.read_text()
    assert not (config.parent / "runs").exists()


def test_the_job_trains_with_the_options_of_train(config, node, chromiq):
    result = chromiq("train", config, "--target", "slurm", "--resume", "--force", "--on-stall", "stop")
    assert result.code == 0
    process, reported = node((config.parent / "r.slurm.sh").read_text(), SLURM_JOB_ID="7")
    assert finished(process)[0] == 0
    assert reported.read_text().splitlines()[3:] == [
        *("--engine", "ai-toolkit", "--resume", "--force", "--on-nan", "stop", "--on-stall", "stop"),
        *("--stall-minutes", "30"),
    ]


@pytest.mark.parametrize("options", [("--job", "gpus=1"), ("--target", "slurm", "--dry-run")])
def test_options_without_effect_are_refused(config, chromiq, options):
    assert chromiq("train", config, *options).code == 2
    assert not (config.parent / "r.slurm.sh").exists()
