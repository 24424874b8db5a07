"""The wheel holds all that an installed chromiq needs, and works away from the source."""

import os
import subprocess
import sys
import zipfile

import pytest
from places import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    # pip builds in the source tree and leaves build/ behind there, so it gets a copy.
    source = tmp_path_factory.mktemp("source")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("the source is no git checkout, so its own files are unknown")
    for name in filter(None, listed.stdout.split("\0")):
        path, copy = ROOT / name, source / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            copy.symlink_to(path.readlink())
        elif path.is_file():
            copy.write_bytes(path.read_bytes())
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--wheel-dir", str(folder), str(source)],
        check=True, capture_output=True,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_templates_and_data_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {name for name in names if name.startswith("chromiq/templates/")}
    ours = {path.name for path in (ROOT / "templates").iterdir() if path.suffix in (".j2", ".css", ".js")}
    assert {f"chromiq/templates/{name}" for name in ours} <= shipped
    assert len([name for name in shipped if name.endswith(".j2")]) >= 2
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"chromiq", "chromiq_cli"}


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
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("chromiq ")
