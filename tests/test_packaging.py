"""The wheel holds all that an installed chromiq needs, and works away from the source."""

import os
import subprocess
import sys
import tarfile
import zipfile

import pytest
from places import ROOT


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the checkout, links as links: what is built leaves its traces there."""
    source = tmp_path_factory.mktemp("source")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("the source is no git checkout, so its own files are unknown")
    for name in filter(None, listed.stdout.split("\0")):
        path, copy = ROOT / name, source / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            copy.symlink_to(path.readlink())
        elif path.is_file():
            copy.write_bytes(path.read_bytes())
    return source


def wheel_of(source, folder):
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "--wheel-dir",
            str(folder),
            str(source),
        ],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return wheel_of(source, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(source, wheel):
    stages = [link.name for link in (source / "chromiq").iterdir() if link.is_symlink()]
    assert "templates" in stages
    folders = {
        "chromiq": "chromiq",
        "chromiq_cli": "chromiq_cli",
        **{name: f"chromiq/{name}" for name in stages},
    }
    ours = {
        f"{inside}/{path.relative_to(source / folder).as_posix()}"
        for folder, inside in folders.items()
        for path in (source / folder).rglob("*")
        if path.is_file() and path.resolve().is_relative_to(source / folder)
    }
    names = set(zipfile.ZipFile(wheel).namelist())
    assert ours == {name for name in names if ".dist-info" not in name}
    assert len([name for name in ours if name.endswith(".j2")]) > 10


def test_the_sdist_holds_no_links_and_makes_the_same_wheel(source, wheel, tmp_path):
    code = f"from setuptools import build_meta; print(build_meta.build_sdist({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert not [member.name for member in members if member.issym() or member.islnk()]
    assert not [member.name for member in members if "/tests/" in member.name]
    contents = []
    for each in (wheel, wheel_of(sdist, tmp_path)):
        archive = zipfile.ZipFile(each)
        contents.append({name: archive.read(name) for name in archive.namelist() if "dist-info" not in name})
    assert contents[0] == contents[1]


@pytest.mark.network
@pytest.mark.timeout(900)
@pytest.mark.skipif("CHROMIQ_NETWORK" not in os.environ, reason="set CHROMIQ_NETWORK=1 to install from PyPI")
def test_it_lives_beside_hugging_faces_evaluate(wheel, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel), "evaluate"], check=True)
    code = (
        "import evaluate, chromiq.evaluate.score.scores, sys\n"
        "assert evaluate.Metric and 'torch' not in sys.modules\n"
        "sys.argv = ['chromiq', 'score', '--help']\n"
        "from chromiq_cli.main import main; main()"
    )
    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Measure the colour difference" in done.stdout


def test_torch_is_no_requirement_of_the_core(wheel):
    archive = zipfile.ZipFile(wheel)
    (metadata,) = [name for name in archive.namelist() if name.endswith("METADATA")]
    required = [
        line for line in archive.read(metadata).decode().splitlines() if line.startswith("Requires-Dist")
    ]
    core = [line for line in required if "extra ==" not in line]
    assert core
    assert not [line for line in core if "torch" in line or "diffusers" in line]


def test_it_runs_from_the_wheel_elsewhere(wheel, tmp_path):
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    code = (
        "import sys, chromiq, chromiq.templates\n"
        f"assert chromiq.__file__.startswith({str(site)!r}), chromiq.__file__\n"
        "sys.argv = ['chromiq', '--version']\n"
        "from chromiq_cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("chromiq ")
