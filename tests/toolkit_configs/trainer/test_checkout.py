"""Where the trainer stands, and how it is made ready; git is real, the trainer's files and pip stand in.

The real installation takes minutes and gigabytes; what it makes is tested under the marker ai_toolkit.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import chromiq.toolkit_configs.trainer.checkout as toolkit
import chromiq.toolkit_configs.trainer.setup as toolkit_setup
from chromiq.errors import ChromiqError, UnsoundError


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout that stands for the trainer's, one commit past the pinned one."""
    folder = tmp_path / "ai-toolkit"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text("venv/\n")
    (folder / "run.py").write_text("print('pinned')\n")
    (folder / "requirements.txt").write_text("-r base.txt\nscipy==1.12.0\n")
    (folder / "base.txt").write_text(
        "# a note\ntorchao==0.10.0\ngit+https://github.com/huggingface/diffusers.git@c943837  # newer\n\n"
    )
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "pinned")
    pinned = git(folder, "rev-parse", "HEAD")
    (folder / "run.py").write_text("print('newer')\n")
    git(folder, "commit", "--quiet", "-am", "newer")
    monkeypatch.setenv("CHROMIQ_AI_TOOLKIT", str(folder))
    for module in (toolkit, toolkit_setup):
        monkeypatch.setattr(module, "PINNED_COMMIT", pinned)
    return folder


def install_interpreter(folder, answer="", code=0, output=""):
    """An interpreter of an environment that gives canned answers."""
    python = folder / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\necho '{output}'\necho '{answer}'\nexit {code}\n")
    python.chmod(0o755)
    return python


def test_info_of_a_checkout_that_moved_and_was_changed(checkout, chromiq):
    answer = json.dumps({"device": "cpu", "versions": {"torch": "2.13.0"}})
    install_interpreter(checkout, answer, output="a library prints this first")
    (checkout / "extra.py").write_text("")
    result = chromiq("toolkit", "info", "--json")
    document = result.document
    assert result.code == 1
    assert document["commit"] == git(checkout, "rev-parse", "HEAD") != document["pinned"]
    assert document["dirty"] is True
    assert len(document["changes_sha256"]) == 64
    assert (document["device"], document["versions"]) == ("cpu", {"torch": "2.13.0"})
    assert "chromiq toolkit setup" in result.err
    codes = {finding.code: finding.severity for finding in toolkit.toolkit_findings(toolkit.toolkit_info())}
    assert codes == {"toolkit.commit": "error", "toolkit.dirty": "warning"}


def test_info_of_an_environment_that_does_not_import(checkout):
    install_interpreter(checkout, code=1)
    info = toolkit.toolkit_info()
    assert info.versions == {}
    assert "chromiq toolkit setup" in info.problem


def test_setup_moves_a_clean_checkout_to_the_pinned_commit(checkout):
    toolkit_setup.bring_commit(checkout, lambda _: None)
    assert git(checkout, "rev-parse", "HEAD") == toolkit_setup.PINNED_COMMIT
    assert (checkout / "run.py").read_text() == "print('pinned')\n"


def test_setup_leaves_a_changed_checkout_alone(checkout):
    (checkout / "run.py").write_text("mine\n")
    with pytest.raises(UnsoundError, match="stash"):
        toolkit_setup.bring_commit(checkout, lambda _: None)
    assert (checkout / "run.py").read_text() == "mine\n"


def test_setup_without_a_checkout_says_how_to_make_one(tmp_path):
    with pytest.raises(ChromiqError, match=r"git clone https://github\.com/ostris/ai-toolkit\.git"):
        toolkit_setup.bring_commit(tmp_path / "nothing", lambda _: None)


def test_git_requirements_become_pinned_packages(checkout):
    assert toolkit_setup.requirements(checkout) == [
        "torch",
        "torchvision",
        "torchaudio",
        "torchao==0.10.0",
        "diffusers==0.39.0",
        "scipy==1.12.0",
    ]


def test_a_git_requirement_without_a_pin_is_an_error(checkout):
    (checkout / "base.txt").write_text("git+https://example.org/a/unheard-of.git\n")
    with pytest.raises(ChromiqError, match="Pin unheard-of there"):
        toolkit_setup.requirements(checkout)


def test_the_constraints_fit_the_versions_that_facts_name():
    pins = toolkit_setup.pins()
    assert (pins["torch"], pins["transformers"], pins["peft"]) == ("2.13.0", "5.5.3", "0.18.1")
    assert len(pins) > 100


def test_an_installation_that_fails_says_pips_last_line_and_resumes_later(checkout):
    python = install_interpreter(checkout, "ERROR: No matching distribution", code=1, output="Collecting a")
    said = []
    with pytest.raises(ChromiqError, match=r"No matching distribution.*again resumes"):
        toolkit_setup.install(python, checkout, said.append)
    assert any(text.startswith("1 of ") for text in said)
    assert "Collecting a" in (checkout / "venv" / "chromiq-setup.log").read_text()
    python.write_text("#!/bin/sh\necho done\n")
    toolkit_setup.install(python, checkout, said.append)
    python.write_text("#!/bin/sh\nexit 1\n")
    toolkit_setup.install(python, checkout, said.append)  # Installed already: pip is not asked.
    (checkout / "base.txt").write_text("torchao==0.11.0\n")
    with pytest.raises(ChromiqError):
        toolkit_setup.install(python, checkout, said.append)


def test_torchvision_and_torchaudio_are_importable_with_a_cpu_torch(checkout, tmp_path):
    site = tmp_path / "site"
    (site / "torchaudio" / "lib").mkdir(parents=True)
    library = site / "torchaudio" / "lib" / "_torchaudio.abi3.so"
    library.touch()
    python = install_interpreter(checkout, "12.9", output=str(site))
    assert toolkit_setup.fix_cpu_build(python) is False
    assert library.is_file()
    python.write_text(f"#!/bin/sh\necho {site}\necho cpu\n")
    assert toolkit_setup.fix_cpu_build(python) is True
    assert not library.exists()
    assert Path(site / "chromiq_cpu_torch.pth").read_text() == "import chromiq_cpu_torch\n"
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); import chromiq_cpu_torch, types\n"
        "sys.modules['torch'] = torch = types.ModuleType('torch')\n"
        "class Library:\n    def __init__(self, *names): print(names)\n"
        "    def define(self, text): print(text)\n"
        "torch.library = types.SimpleNamespace(Library=Library)\n"
        "try:\n    import torchvision.nothing_of_this_name\nexcept ModuleNotFoundError: pass\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "('torchvision', 'FRAGMENT')"
    assert [line.split("(")[0] for line in done.stdout.splitlines()[1:]] == ["nms", "qnms"]


def test_a_slow_answer_is_not_taken_for_a_broken_environment(monkeypatch):
    monkeypatch.setattr(toolkit, "_ASK_PATIENCE_S", 0.1)
    with pytest.raises(ChromiqError, match=r"no answer within 0\.1 s"):
        toolkit.output_of([sys.executable, "-c", "import time; time.sleep(30)"])
