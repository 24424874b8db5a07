"""The tiny checkpoint, built once."""

import pytest


@pytest.fixture(scope="session")
def tiny_kontext(tmp_path_factory):
    """A FLUX.1-Kontext checkpoint of the real classes with random weights."""
    from toolkit_configs.engines.tiny_checkpoint import build_tiny_kontext

    return build_tiny_kontext(tmp_path_factory.mktemp("tiny"))
