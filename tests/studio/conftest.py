"""A batch of drawn photos and the page over it."""

import shutil

import pytest
from chromium import CHROMIUM
from studio_client import client_of, finish

from chromiq.correction.batch import BatchInputs, correct_batch
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.sample_catalogue.catalogue import write_catalogue
from chromiq.studio import jobs


@pytest.fixture(scope="session")
def made_shoot(tmp_path_factory):
    """Three drawn pairs and their corrections; not to be written to."""
    root = tmp_path_factory.mktemp("shoot")
    write_catalogue(root / "photos", pairs=3, size_wh=(224, 280))
    correct_batch(BatchInputs(root / "photos"), root / "corrected", ClassicSegmenter())
    return root


@pytest.fixture
def shoot(made_shoot):
    """The same, put back afterwards: its records hold the paths of the photos."""
    before = made_shoot.with_name(f"{made_shoot.name}-before")
    shutil.copytree(made_shoot, before, dirs_exist_ok=True)
    yield made_shoot
    shutil.rmtree(made_shoot)
    before.rename(made_shoot)


@pytest.fixture
def page(shoot, monkeypatch):
    """A client of the page, and the address of the results; it corrects photos in this process."""
    monkeypatch.setattr(jobs, "map_in_processes", lambda correct, works, *_, **__: map(correct, works))
    client, address = client_of(shoot)
    yield client, address
    finish(client, address)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One Chromium for all tests of the page."""
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    from studio_browser import Browser

    opened = Browser(tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()
