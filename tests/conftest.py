"""What many tests start from: a dataset built of drawn pairs, small, and a copy of it to spoil."""

import os
import shutil
import signal
import sys

# Read as torch is loaded, here and in child processes: where `make test` runs two tests on two cores,
# the threads of both would wait for each other, and the suite take three times as long.
os.environ["OMP_NUM_THREADS"] = "1"
# As containers set it; each child process would compile the whole package again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import pytest
from command_line import run_command
from drawn_dataset import build_drawn_dataset
from hypothesis import settings

from chromiq.dataset_builder.segmenters.small import weights
from chromiq.errors import AccessError

# Programs, which import what only their own surroundings have.
collect_ignore = [
    "faults/fuzz.py",
    "support/spy_on_ai_toolkit.py",
    "support/read_as_ai_toolkit.py",
    "support/tiny_trainer.py",
]


# As for child processes above: each run would rewrite the assertions of all tests again.
sys.dont_write_bytecode = False

# A shell starts what runs in the background with SIGINT ignored, and so would every process of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


# How long an example takes says how busy the machine is.
settings.register_profile("chromiq", settings.default, deadline=None)
settings.load_profile("chromiq")


@pytest.fixture(scope="session", autouse=True)
def offline():
    """No test asks the hub; those of the request turn it on against a server of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="session", autouse=True)
def small_weights(tmp_path_factory):
    """The small person models, fetched on first use; without them the tests that need them skip, saying why.

    All other tests see an empty cache, so that they do the same on every machine.
    """
    real = weights.weights_folder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(weights.CACHE_VARIABLE, str(tmp_path_factory.getbasetemp() / "no_weights"))
        yield lambda: _fetched(real)


@pytest.fixture(scope="session")
def all_small_weights(small_weights):
    """The same with the model that tells hair and skin."""

    def fetched():
        files = small_weights()
        folder = files[weights.FILES[0].name].parent
        return files | {weights.MULTICLASS.name: _or_skip(weights.fetch_multiclass, folder)}

    return fetched


def _fetched(folder):
    files = _or_skip(weights.fetch_small_weights, folder)
    return {file.name: files[file.name] for file in weights.FILES}


def _or_skip(fetch, folder):
    try:
        return fetch(folder)
    except AccessError as error:
        pytest.skip(f"no small weights: {error}")


@pytest.fixture
def chromiq(monkeypatch, capsys):
    """Run a command line in this process."""
    return lambda *arguments: run_command(monkeypatch, capsys, *arguments)


@pytest.fixture(scope="session")
def built_dataset(tmp_path_factory):
    """Four drawn pairs, one of them held out, and their dataset; not to be written to."""
    return build_drawn_dataset(tmp_path_factory.mktemp("built"))


@pytest.fixture
def dataset(built_dataset, tmp_path):
    """A copy of the dataset, to spoil."""
    shutil.copytree(built_dataset, tmp_path / "dataset")
    return tmp_path / "dataset"
