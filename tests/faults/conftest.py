"""Two small sound photos to make pairs of, and the command line in this process."""

import pytest

from chromiq.sample_catalogue.catalogue import write_catalogue


@pytest.fixture(scope="session")
def two_photos(tmp_path_factory):
    """The bytes of a still-life and of an on-model photo, 120x150."""
    folder = tmp_path_factory.mktemp("photos")
    write_catalogue(folder, pairs=1, size_wh=(120, 150))
    return (folder / "still-life1.jpg").read_bytes(), (folder / "on_model1.jpg").read_bytes()


@pytest.fixture
def chromiq(chromiq):
    """Run a verb with ``--json``: its exit code, its document and what it said on stderr."""

    def run(*arguments):
        result = chromiq(*arguments, "--json")
        return result.code, result.document if result.out else {}, result.err

    return run
