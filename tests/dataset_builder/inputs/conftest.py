"""Small drawn pairs, for tests that build a dataset and change what the user gave."""

import pytest

from chromiq.sample_catalogue.catalogue import write_catalogue


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory):
    """Three small drawn pairs with their exact masks; not to be written to."""
    folder = tmp_path_factory.mktemp("small") / "catalogue"
    write_catalogue(folder, pairs=3, size_wh=(96, 120))
    return folder
