"""Who may know whom, and what the light commands must never load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

# Each stage may import those before it; `chromiq/NAME` is a link to the stage's folder.
STAGES = ("sample_catalogue", "dataset_builder", "correction", "toolkit_configs", "evaluate")
LAYERS = ("chromiq", *STAGES, "chromiq_cli")
RUNS_TEXT = {"os.system", "os.popen", "eval", "exec", "subprocess.getoutput", "torch.load", "yaml.load"}
HEAVY = ("torch", "transformers", "diffusers", "peft", "skimage", "scipy", "cv2", "supervision", "matplotlib")


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {package_of(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {package_of(f"{node.module}.{alias.name}") for alias in node.names}
    return found


def package_of(module: str) -> str:
    """The stage that a module belongs to, or its top-level package."""
    first, *rest = module.split(".")
    return rest[0] if first == "chromiq" and rest and rest[0] in STAGES else first


def sources(layer: str) -> list[Path]:
    """A layer's own files, without those behind the links in ``chromiq/``."""
    files = (ROOT / layer).rglob("*.py")
    return sorted(path for path in files if path.resolve().is_relative_to(ROOT / layer))


@pytest.mark.parametrize("layer", LAYERS)
def test_a_stage_imports_no_later_stage(layer):
    later = set(LAYERS[LAYERS.index(layer) + 1 :])
    assert sources(layer)
    offenders = {path.name: imported_packages(path) & later for path in sources(layer)}
    assert {name: packages for name, packages in offenders.items() if packages} == {}


def test_nobody_imports_the_vendored_trainer():
    ours = [path for layer in LAYERS for path in sources(layer)]
    foreign = {"toolkit", "jobs", "extensions_built_in", "vendor"}
    assert {path.name for path in ours if imported_packages(path) & foreign} == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["doctor", "--help"], ["render", "--help"]])
def test_light_commands_load_nothing_heavy(arguments):
    code = (
        "import sys\n"
        "from chromiq_cli.main import main\n"
        f"sys.argv = ['chromiq', *{arguments!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_no_pickle_and_no_shell():
    for layer in LAYERS:
        for path in sources(layer):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            assert "pickle" not in imported_packages(path), path
            shells = [
                node
                for node in ast.walk(tree)
                if isinstance(node, ast.keyword)
                and node.arg == "shell"
                and getattr(node.value, "value", None) is not False
            ]
            assert not shells, path
            called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
            assert not called & RUNS_TEXT, path
