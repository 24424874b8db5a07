"""The pin moves to another commit, and what that changes is said."""

import json
import subprocess

import pytest
from trainer_files import write_trainer_files

from chromiq.errors import ChromiqError, UnsoundError, UsageError
from chromiq.toolkit_configs.schema.trainer_source import TrainerSource, read_source
from chromiq.toolkit_configs.trainer import setup
from chromiq.toolkit_configs.trainer.checkout import toolkit_info


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A clone of a remote that has one commit more, and a committed file of keys to be written."""

    def git(folder, *arguments):
        command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    remote, folder = tmp_path / "remote", tmp_path / "clone"
    remote.mkdir()
    write_trainer_files(remote)
    (remote / "run.py").touch()
    git(remote, "init", "-q", "-b", "main")
    git(remote, "add", ".")
    git(remote, "commit", "-qm", "first")
    git(tmp_path, "clone", "-q", str(remote), str(folder))
    first = git(remote, "rev-parse", "HEAD")
    modules = remote / "toolkit" / "config_modules.py"
    modules.write_text(modules.read_text().replace("'got', 2", "'got', 5"))
    git(remote, "commit", "-qam", "second")
    known = read_source(folder).model_copy(update={"commit": first})
    written = tmp_path / "trainer.json"
    monkeypatch.setenv("CHROMIQ_AI_TOOLKIT", str(folder))
    monkeypatch.setattr(setup, "pinned_source", lambda: known)
    monkeypatch.setattr(setup, "SOURCE_FILE", written)
    monkeypatch.setattr("chromiq.toolkit_configs.trainer.checkout.PINNED_COMMIT", first)
    return folder, written, first, git(remote, "rev-parse", "HEAD"), git


def test_a_dry_run_says_what_would_change_and_changes_nothing(checkout, chromiq):
    folder, written, first, second, git = checkout
    result = chromiq("toolkit", "update", second, "--dry-run")
    assert result.code == 0
    assert result.out.splitlines()[0] == f"{first[:12]} -> {second[:12]}"
    assert "train.got: default 2 -> 5" in result.out
    assert not written.exists()
    assert git(folder, "rev-parse", "HEAD") == first


def test_the_pin_moves_and_the_keys_are_written(checkout, chromiq):
    folder, written, first, second, git = checkout
    result = chromiq("toolkit", "update", "main", "--json")  # known: as it was cloned
    assert (result.document["before"], result.document["after"]) == (first, first)
    assert result.document["differences"] == []
    result = chromiq("toolkit", "update", second, "--json")
    assert result.document["after"] == second
    assert git(folder, "rev-parse", "HEAD") == second
    found = TrainerSource.model_validate(json.loads(written.read_text()))
    assert (found.commit, found.sections["train"]["got"].default) == (second, 5)


EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def test_what_cannot_be_updated_is_refused(checkout, tmp_path, monkeypatch):
    folder, written, _, second, git = checkout
    with pytest.raises(ChromiqError, match="cannot be read"):
        setup.update_toolkit(git(folder, "commit-tree", EMPTY_TREE, "-m", "nothing"))
    with pytest.raises(UsageError):
        setup.update_toolkit("--upload-pack=x")
    with pytest.raises(ChromiqError, match="fetch"):
        setup.update_toolkit("0" * 40)
    (folder / "run.py").write_text("changed")
    with pytest.raises(UnsoundError, match="changed files"):
        setup.update_toolkit(second)
    assert not written.exists()
    monkeypatch.setenv("CHROMIQ_AI_TOOLKIT", str(tmp_path))
    with pytest.raises(ChromiqError, match="toolkit setup"):
        setup.update_toolkit(second)


def test_info_says_how_far_the_pin_is_behind(checkout):
    folder, _, _, _, git = checkout
    assert toolkit_info().behind == 0
    git(folder, "fetch", "-q")
    assert toolkit_info().behind == 1
