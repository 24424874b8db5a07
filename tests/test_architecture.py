"""Which package may import which, the tree of folders, and what the light commands must never load."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from places import ROOT

# Each stage may import those before it; `chromiq/NAME` is a link to the stage's folder.
STAGES = ("sample_catalogue", "dataset_builder", "correction", "toolkit_configs", "evaluate", "studio")
LAYERS = ("chromiq", *STAGES, "chromiq_cli")
RUNS_TEXT = {"os.system", "os.popen", "eval", "exec", "subprocess.getoutput", "torch.load", "yaml.load"}
# One file for each verb; elsewhere a larger folder is split.
MOST_FILES = {"chromiq_cli": 30}
HEAVY = ("torch", "transformers", "diffusers", "peft", "skimage", "scipy", "cv2", "supervision", "matplotlib")


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def imported_packages(path: Path) -> frozenset[str]:
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {package_of(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {package_of(f"{node.module}.{alias.name}") for alias in node.names}
    return frozenset(found)


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


def folders(layer: str) -> set[Path]:
    """A layer's folders with files in them, relative to the checkout."""
    found = {path.parent for path in (ROOT / layer).rglob("*") if path.is_file()}
    own = {path for path in found if path.resolve().is_relative_to(ROOT / layer)}
    own = {path for path in own if not (path.parent / "model_index.json").is_file()}  # parts of a checkpoint
    return {path.relative_to(ROOT) for path in own if "__pycache__" not in path.parts}


def test_the_folders_are_those_of_the_tree_in_the_contributor_guide():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (tree,) = re.findall(r"^```\n(chromiq/.*?)^```", text, re.DOTALL | re.MULTILINE)
    documented, parents = set(), []
    for line in tree.splitlines():
        indent, name = re.match(r"( *)([\w.]+)/", line).groups()
        parents = [*parents[: len(indent) // 4], name]
        documented.add(Path(*parents))
    assert {path.parts[0] for path in documented} == {*LAYERS, "templates"}
    assert documented == set().union(*(folders(layer) for layer in (*LAYERS, "templates")))


@pytest.mark.parametrize("layer", LAYERS)
def test_no_two_folders_import_each_other(layer):
    """Of each pair of folders of which none is within the other, at most one imports the other."""
    imports = set()
    for path in sources(layer):
        for module in imported_modules(path):
            other = folder_of(module)
            here = path.parent.relative_to(ROOT)
            if other and not (here.is_relative_to(other) or other.is_relative_to(here)):
                imports.add((here, other))
    assert {f"{a} <-> {b}" for a, b in imports if (b, a) in imports and a < b} == set()


def imported_modules(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def folder_of(module: str) -> Path | None:
    """The folder of one of our modules, relative to the checkout."""
    parts = module.split(".")
    parts = parts[1:] if parts[0] == "chromiq" and len(parts) > 1 and parts[1] in STAGES else parts
    path = ROOT.joinpath(*parts)
    if parts[0] not in LAYERS or not (path.is_dir() or path.with_suffix(".py").is_file()):
        return None
    return (path if path.is_dir() else path.parent).relative_to(ROOT)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_folder_can_be_taken_in_at_a_glance(layer):
    files: dict[Path, int] = {}
    for path in sources(layer):
        files[path.parent] = files.get(path.parent, 0) + (path.name != "__init__.py")
    largest = MOST_FILES.get(layer, 14)
    assert {folder.name: count for folder, count in files.items() if count > largest} == {}


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


# Ruff's S rules see neither an import of pickle, nor `torch.load`, nor a computed `shell=`.
def test_no_pickle_and_no_shell():
    for path in (path for layer in LAYERS for path in sources(layer)):
        assert "pickle" not in imported_packages(path), path
        for node in nodes(path):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                assert getattr(node.value, "value", None) is False, path
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in RUNS_TEXT, path
