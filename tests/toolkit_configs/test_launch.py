"""Launching: what is recorded, and what becomes of a trainer that misbehaves (see standin_trainer)."""

import json
import os
import re

import pytest
import yaml
from command_line import events
from standin_trainer import behave, make_trainer

import chromiq.toolkit_configs.trainer.engine as engine
from chromiq.errors import AccessError, ChromiqError, UnsoundError, UsageError
from chromiq.toolkit_configs.launch import plan, train_config
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.runs.record import read_record
from chromiq.toolkit_configs.runs.status import read_status
from chromiq.toolkit_configs.schema.trainer_job import read_job
from chromiq.toolkit_configs.trainer import checkout as toolkit
from chromiq.toolkit_configs.trainer.output import Launch, Limits


def test_a_good_run_is_recorded(trainer, config, run_folder):
    trainer("good")
    seen = []
    final = train_config(config, "ai-toolkit", on_status=lambda status: seen.append(status.step))
    assert final == run_folder / "chromiq_v1.safetensors"
    assert {10, 20} <= set(seen)
    status = read_status(run_folder)
    assert (status.state, status.step, status.loss) == ("done", 20, 1.5)
    record = status.record
    assert set(record.checkpoints) == {"chromiq_v1_000000010.safetensors", "chromiq_v1.safetensors"}
    assert all(len(digest) == 64 for digest in record.checkpoints.values())
    assert record.toolkit_commit == toolkit.PINNED_COMMIT
    assert (record.device, record.versions["torch"]) == ("cpu", "2.13.0+cpu")
    assert len(record.config_sha256) == len(record.dataset_sha256) == 64
    assert events(run_folder, "checkpoint") == [
        {"step": 10, "file": "chromiq_v1_000000010.safetensors"},
        {"step": 20, "file": "chromiq_v1.safetensors"},
    ]
    assert "loss: 1.500e+00" in (run_folder / "log.txt").read_text()


def test_a_resume_that_starts_at_step_0_is_warned_about(trainer, config):
    trainer("good")
    before = [finding.code for finding in plan(config, "ai-toolkit", resume=True).findings]
    train_config(config, "ai-toolkit")
    after = [finding.code for finding in plan(config, "ai-toolkit", resume=True).findings]
    assert ("run.start" in before, "run.start" in after) == (True, False)


def test_its_loss_log_is_trusted_before_its_progress_bar(trainer, config, run_folder):
    pytest.importorskip("tensorboard")
    trainer("good with a log")
    train_config(config, "ai-toolkit")
    losses = {values["step"]: values["loss"] for values in events(run_folder, "step")}
    # Rows count from 0, the bar's 9.9 belongs to no step that it names.
    assert losses == {2: 2.5, 10: 1.5, 20: 1.25}
    assert [values["file"] for values in events(run_folder, "sample")] == ["samples/1__000000010_0.jpg"]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(run_folder / "tensorboard"))
    board.Reload()
    assert [(scalar.step, scalar.value) for scalar in board.Scalars("train/loss")] == [*losses.items()]


@pytest.mark.parametrize(
    ("ending", "error", "said"),
    [
        ("nothing saved, exit 0", ChromiqError, "exit code 0 without a final checkpoint at step 20"),
        ("saves less than all", ChromiqError, "without a final checkpoint at step 20: it reached step 10"),
        ("torn final", ChromiqError, "without a final checkpoint"),
        ("out of memory", ChromiqError, "out of GPU memory"),
        ("out of memory thrice", ChromiqError, "out of GPU memory"),
        ("gated", AccessError, "HF_TOKEN"),
        ("forbidden", AccessError, "accept its licence"),
        ("no GPU", ChromiqError, "check nvidia-smi"),
        ("locked", ChromiqError, "another program holds"),
        ("full disk", ChromiqError, "disk is full"),
        ("broken environment", ChromiqError, "chromiq toolkit setup"),
        ("killed by the system", ChromiqError, "killed by the system at step 4"),
        ("nan", UnsoundError, r"after step 5: the loss is NaN.*lower train\.lr"),
        ("nan in the log", UnsoundError, "after step 3: the loss is NaN"),
        ("no mask", UnsoundError, "the mask was not applied"),
    ],
)
def test_a_failed_run_says_how_to_fix_it(trainer, config, run_folder, ending, error, said):
    trainer(ending)
    with pytest.raises(error, match=said) as caught:
        train_config(config, "ai-toolkit")
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    status = read_status(run_folder)
    assert status.state == "failed"
    assert status.record.message == str(caught.value)
    assert (run_folder / "log.txt").is_file()


def test_a_final_checkpoint_of_an_earlier_launch_is_not_of_this_one(trainer, config, run_folder):
    trainer("good")
    train_config(config, "ai-toolkit")
    trainer("nothing saved, exit 0")
    again = Launch(config, read_job(config))
    with pytest.raises(ChromiqError, match="exit code 0 without a final checkpoint"):
        engine.run(again, lambda event: None)


def test_problems_that_the_trainer_only_logs_are_reported(trainer, config, run_folder):
    trainer("swallows")
    train_config(config, "ai-toolkit")
    assert [values["code"] for values in events(run_folder, "warning")] == ["skipped_image", "optimizer_lost"]


def test_nan_can_be_allowed_and_is_reported_once(trainer, config, run_folder):
    trainer("nan, continues")
    train_config(config, "ai-toolkit", limits=Limits(stop_on_nan=False))
    assert [values["code"] for values in events(run_folder, "warning")] == ["nan"]


def test_a_stall_can_stop_a_run(trainer, config, run_folder):
    trainer("stalls")
    with pytest.raises(ChromiqError, match=r"after step [05]: no output for 1 s"):
        train_config(config, "ai-toolkit", limits=Limits(stall_s=1, stop_on_stall=True))
    assert [values["code"] for values in events(run_folder, "warning")] == ["stall"]
    assert events(run_folder, "memory")[0]["host_bytes"] > 0


def test_a_child_that_keeps_the_pipe_open_does_not_block_the_end(trainer, config):
    trainer("a child keeps its output open")
    assert train_config(config, "ai-toolkit").is_file()


def test_a_flood_of_output_is_logged_in_bounded_memory(trainer, config, run_folder):
    trainer("floods")
    train_config(config, "ai-toolkit")
    assert (run_folder / "log.txt").stat().st_size > 100_000_000
    (run_folder / "log.txt").unlink()


def test_the_token_reaches_the_trainer_and_no_file(trainer, config, run_folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret_token_of_this_test")
    trainer("prints the token")
    train_config(config, "ai-toolkit")
    assert (run_folder / "log.txt").read_text().count("***") == 3
    files = [path for path in run_folder.rglob("*") if path.is_file()]
    assert run_folder / "command" in files
    assert not [path for path in files if b"hf_secret" in path.read_bytes()]


def test_the_token_is_not_in_what_a_failed_run_says(trainer, config, run_folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret_token_of_this_test")
    trainer("fails with the token")
    with pytest.raises(ChromiqError, match=r"CUDA out of memory, \*\*\* \[1/20\]") as caught:
        train_config(config, "ai-toolkit")
    assert "hf_secret" not in str(caught.value)
    files = [path for path in run_folder.rglob("*") if path.is_file()]
    assert not [path for path in files if b"hf_secret" in path.read_bytes()]


def test_the_trainer_sees_its_own_folder_a_bounded_environment_and_absolute_paths(
    trainer, config, run_folder, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for you")
    monkeypatch.chdir(run_folder.parents[1])
    config.write_text(config.read_text().replace(f"{run_folder.parents[1]}/dataset/gt", "dataset/gt"))
    trainer("tells")
    train_config(config, "ai-toolkit")
    folder, environment, reported = json.loads((run_folder / "call.json").read_text())
    assert folder == os.environ["CHROMIQ_AI_TOOLKIT"]
    assert "PATH" in environment
    assert not {"PYTHONPATH", "AWS_SECRET_ACCESS_KEY"} & set(environment)
    process = reported["process"][0]
    assert process["datasets"][0]["folder_path"] == str(run_folder.parents[1] / "dataset" / "gt")
    assert process["logging"] == {"use_ui_logger": True, "log_every": 1}


@pytest.mark.parametrize(
    ("device", "restricted", "shown"),
    [("cuda:1", None, "1"), ("cuda:1", "4,6", "6"), ("cuda", "4,6", "4,6"), ("cpu", "4,6", "")],
)
def test_the_trainer_sees_only_the_device_of_the_config(
    trainer, config, run_folder, monkeypatch, device, restricted, shown
):
    """It takes the first that it sees, whatever its config says."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if restricted:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", restricted)
    config.write_text(re.sub(r'device: "?cpu"?', f'device: "{device}"', config.read_text()))
    trainer("tells")
    train_config(config, "ai-toolkit")
    _, environment, _ = json.loads((run_folder / "call.json").read_text())
    assert environment["CUDA_VISIBLE_DEVICES"] == shown


def test_training_does_not_fall_back_to_the_cpu_without_the_gpu(trainer, config, run_folder, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    config.write_text(re.sub(r'device: "?cpu"?', 'device: "cuda"', config.read_text()))
    trainer("good")
    with pytest.raises(UnsoundError) as caught:
        train_config(config, "ai-toolkit")
    assert [each.code for each in caught.value.findings if each.severity == "error"] == ["toolkit.device"]
    assert not run_folder.exists()


def test_several_processes_for_one_run_are_refused(trainer, config, run_folder, monkeypatch, chromiq):
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = chromiq("train", config)
    assert result.code == 2
    assert "chromiq sweep-train" in result.err
    assert not run_folder.exists()


def test_a_missing_base_model_is_refused_before_there_is_a_run(config, run_folder, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("chromiq.toolkit_configs.launch.dataset_digest", None)  # it may take minutes
    with pytest.raises(UsageError, match="no such folder, and no GPU"):
        train_config(config, "smoke")
    assert not run_folder.exists()


@pytest.mark.parametrize("seed", ["two", "-1", "4294967296"])
def test_a_seed_that_the_trainer_would_drop_is_refused(trainer, config, monkeypatch, seed):
    monkeypatch.setenv("SEED", seed)
    with pytest.raises(UsageError, match=r"SEED=.* is not an integer"):
        plan(config, "ai-toolkit")


@pytest.mark.parametrize(
    ("name", "folder", "code"),
    [
        ("log", "runs", "run.name"),
        ("e", "runs", "run.name"),
        ("job", "runs", "run.name"),
        ("torn", "runs", "run.name"),
        ("lab", "shop_cn/runs", "run.path"),
    ],
)
def test_run_names_and_paths_that_break_resuming_are_refused(trainer, dataset, name, folder, code):
    trainer("good")
    config = dataset.parent / "config.yaml"
    where = dataset.parent / folder
    config.write_text(render_job("kontext", dataset, preset="smoke", name=name, training_folder=where))
    with pytest.raises(UnsoundError) as caught:
        train_config(config, "ai-toolkit")
    assert code in {finding.code for finding in caught.value.findings}


def test_another_commit_is_refused_and_changes_are_recorded(
    trainer, trainer_folder, config, run_folder, monkeypatch
):
    trainer("good")
    monkeypatch.setattr(toolkit, "PINNED_COMMIT", "0" * 40)
    with pytest.raises(UnsoundError) as caught:
        train_config(config, "ai-toolkit")
    assert [finding.code for finding in caught.value.findings if finding.severity == "error"] == [
        "toolkit.commit"
    ]
    assert not run_folder.exists()
    (trainer_folder[0] / "patch.py").touch()
    try:
        train_config(config, "ai-toolkit", force=True)
    finally:
        (trainer_folder[0] / "patch.py").unlink()
    record = read_record(run_folder)
    assert record.toolkit_commit == trainer_folder[1]
    assert len(record.toolkit_changes_sha256) == 64


def test_an_unsound_dataset_is_never_launched_unless_forced(trainer, config, dataset, run_folder):
    trainer("good")
    (dataset / "masks" / "pair1.png").unlink()
    with pytest.raises(UnsoundError):
        train_config(config, "ai-toolkit")
    assert not run_folder.exists()
    assert train_config(config, "ai-toolkit", force=True).is_file()


def test_a_broken_environment_is_reported_before_launch(config, run_folder, tmp_path, monkeypatch):
    commit = make_trainer(tmp_path / "trainer")
    behave(tmp_path / "trainer", "good")
    (tmp_path / "trainer" / "venv" / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    monkeypatch.setenv("CHROMIQ_AI_TOOLKIT", str(tmp_path / "trainer"))
    monkeypatch.setattr(toolkit, "PINNED_COMMIT", commit)
    with pytest.raises(ChromiqError) as caught:
        train_config(config, "ai-toolkit")
    (fault,) = [finding for finding in caught.value.findings if finding.severity == "error"]
    assert (fault.code, fault.hint) == ("toolkit.environment", "Run 'chromiq toolkit setup'.")
    assert not run_folder.exists()


def test_a_trainer_with_changed_files_is_reported(trainer, trainer_folder, config):
    trainer("good")
    assert "toolkit.dirty" not in {finding.code for finding in plan(config, "ai-toolkit").findings}
    (trainer_folder[0] / "patch.py").touch()
    try:
        findings = {finding.code: finding for finding in plan(config, "ai-toolkit").findings}
    finally:
        (trainer_folder[0] / "patch.py").unlink()
    assert findings["toolkit.dirty"].severity == "warning"


def test_a_missing_environment_names_the_setup_command(config, tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMIQ_AI_TOOLKIT", str(tmp_path))
    (tmp_path / "run.py").touch()
    with pytest.raises(ChromiqError, match=r"no environment .*Create it with 'chromiq toolkit setup'"):
        train_config(config, "ai-toolkit")


def test_a_missing_trainer_names_the_command_that_fetches_it(config, tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMIQ_AI_TOOLKIT", str(tmp_path / "nothing"))
    with pytest.raises(ChromiqError, match="git submodule update --init vendor/ai-toolkit"):
        train_config(config, "ai-toolkit")


def test_a_dry_run_prints_what_would_run_and_writes_nothing(trainer, config, run_folder, chromiq):
    trainer("good")
    result = chromiq("train", config, "--dry-run", "--json")
    document = result.document
    assert result.code == 0
    folder = os.environ["CHROMIQ_AI_TOOLKIT"]
    assert document["command"] == [f"{folder}/venv/bin/python", "run.py", str(run_folder / "launched.yaml")]
    assert (document["working_directory"], document["steps"], document["save_every"]) == (folder, 20, 10)
    assert not run_folder.exists()


class TestOthersConfigs:
    """Configs that chromiq did not write are launched, watched, resumed and judged by their checkpoints."""

    @pytest.fixture
    def example(self, dataset, tmp_path):
        process = {
            "type": "sd_trainer",
            "training_folder": str(tmp_path / "output"),
            "device": "cpu",
            "network": {"type": "lora", "rank": 8},
            "datasets": [{"folder_path": str(dataset / "gt")}],
            "train": {"steps": 20, "lr": 1e-4},
            "model": {"name_or_path": str(tmp_path), "arch": "sdxl"},
        }
        return {"job": "extension", "config": {"name": "mine", "process": [process]}}

    @staticmethod
    def written(document, tmp_path):
        path = tmp_path / "mine.json"
        path.write_text(json.dumps(document))
        return path

    def test_an_sdxl_lora_is_trained_and_resumed(self, trainer, example, tmp_path):
        trainer("good")
        path, run = self.written(example, tmp_path), tmp_path / "output" / "mine"
        assert train_config(path, "ai-toolkit") == run / "mine.safetensors"
        assert read_status(run).state == "done"
        (run / "mine.safetensors").unlink()  # as if it had been stopped after step 10
        trainer("resumes")
        assert plan(path, "ai-toolkit", resume=True).from_step == 10
        assert train_config(path, "ai-toolkit", resume=True) == run / "mine.safetensors"
        assert [step["step"] for step in events(run, "step")][-10:] == list(range(11, 21))

    def test_wan_saves_two_loras(self, trainer, example, tmp_path):
        trainer("saves two LoRAs")
        process = example["config"]["process"][0]
        process["model"]["arch"] = "wan22_14b:t2v"
        process["datasets"][0]["num_frames"] = 41
        final = train_config(self.written(example, tmp_path), "ai-toolkit")
        assert final.name == "mine_low_noise.safetensors"
        record = read_record(final.parent)
        assert set(record.checkpoints) == {
            "mine_000000010_high_noise.safetensors",
            "mine_high_noise.safetensors",
            "mine_low_noise.safetensors",
        }

    def test_a_full_fine_tune_saves_a_folder(self, trainer, example, tmp_path):
        trainer("saves a folder")
        del example["config"]["process"][0]["network"]
        final = train_config(self.written(example, tmp_path), "ai-toolkit")
        assert final == tmp_path / "output" / "mine" / "mine"

    def test_a_slider_of_the_older_kind_of_job(self, trainer, example, tmp_path):
        trainer("good")
        process = example["config"]["process"][0]
        del process["datasets"]
        process.update(type="slider", slider={"targets": []})
        example["job"] = "train"
        example["config"]["training_folder"] = process.pop("training_folder")
        path = self.written(example, tmp_path)
        assert train_config(path, "ai-toolkit").name == "mine.safetensors"
        assert " on None" not in plan(path, "ai-toolkit", resume=True).summary[0]

    def test_a_job_that_trains_nothing_is_done_with_exit_code_0(
        self, trainer, example, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        example["job"] = "extract"
        example["config"]["process"] = [{"type": "locon", "filename": "x"}]
        (tmp_path / "base.safetensors").touch()
        example["config"] |= {"device": "cpu", "base_model": "base.safetensors", "output_folder": "output"}
        path = self.written(example, tmp_path)
        trainer("trains nothing")
        run = train_config(path, "ai-toolkit")
        assert run.name == "mine"
        launched = yaml.safe_load((run / "launched.yaml").read_text())
        assert launched["config"]["base_model"] == str(tmp_path / "base.safetensors")
        assert launched["config"]["output_folder"] == str(tmp_path / "output")
        trainer("broken environment")
        with pytest.raises(ChromiqError):
            train_config(path, "ai-toolkit", resume=True)

    def test_relative_paths_variables_and_the_web_interface(self, trainer, example, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MY_STEPS", "20")
        (tmp_path / "1.jpg").touch()
        (tmp_path / "in two words.jpg").touch()
        process = example["config"]["process"][0]
        process.update(type="ui_trainer", training_folder="output", sqlite_db_path="./aitk_db.db")
        process["sample"] = {"prompts": ["red --ctrl_img 1.jpg --w 64", "blue --ctrl_img no.jpg"]}
        process["sample"]["prompts"].extend(["green --ctrl_img in two words.jpg --w 64", "no --ctrl_img "])
        process["train"].update(steps="${MY_STEPS}", disable_sampling=True)
        path = self.written(example, tmp_path)
        path.write_text(path.read_text().replace('"${MY_STEPS}"', "${MY_STEPS}"))
        trainer("tells")
        train_config(path, "ai-toolkit")
        run = tmp_path / "output" / "mine"
        assert (run / f"config_as_written{path.suffix}").read_text() == path.read_text()
        reported = json.loads((run / "call.json").read_text())[2]["process"][0]
        assert reported["type"] == "diffusion_trainer"
        assert reported["training_folder"] == str(tmp_path / "output")
        assert reported["train"]["steps"] == 20
        prompts = reported["sample"]["prompts"]
        assert prompts == [
            f"red --ctrl_img {tmp_path / '1.jpg'} --w 64",
            "blue --ctrl_img no.jpg",
            f"green --ctrl_img {tmp_path / 'in two words.jpg'} --w 64",
            "no --ctrl_img ",
        ]
        assert reported["sqlite_db_path"] != "./aitk_db.db"  # the interface's own is never touched
