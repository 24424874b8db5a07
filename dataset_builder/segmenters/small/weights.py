"""The small models' files: fetched once from the package index, checked by their SHA-256, kept in a cache.

They are part of MediaPipe's wheel 0.10.21 (Apache License 2.0; later wheels carry none). The wheel is
fetched by pip, so that the index, proxy and certificates that the user configured apply; only the files named
here are taken out of it. Nothing of them is part of this repository.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chromiq.dataset_builder.segmenters.small.person import POSE_LANDMARK, SELFIE_SEGMENTATION
from chromiq.errors import AccessError
from chromiq.files import sha256_file, write_bytes

WHEEL = "mediapipe==0.10.21"
CACHE_VARIABLE = "CHROMIQ_WEIGHTS"
_TIMEOUT_S = 600
# Any platform's wheel carries the same models; this one exists on the index.
_ANY_WHEEL = ("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--implementation", "cp")


@dataclass(frozen=True)
class WeightFile:
    """A model's file: its path in the wheel, its size in bytes and its SHA-256."""

    member: str
    size_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.member.rsplit("/", 1)[1]


FILES = (
    WeightFile(
        f"mediapipe/modules/selfie_segmentation/{SELFIE_SEGMENTATION}",
        249_505,
        "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
    ),
    WeightFile(
        f"mediapipe/modules/pose_landmark/{POSE_LANDMARK}",
        6_440_512,
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    ),
)


def weights_folder() -> Path:
    """Where the files are kept: ``$CHROMIQ_WEIGHTS``, else ``chromiq`` in the user's cache."""
    if folder := os.environ.get(CACHE_VARIABLE):
        return Path(folder).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "chromiq" / "weights"


def small_weights_available(folder: Path | None = None) -> bool:
    """Whether all files are in the cache, each of its right size; asks no network."""
    folder = folder or weights_folder()
    paths = [(folder / file.name, file.size_bytes) for file in FILES]
    return all(path.is_file() and path.stat().st_size == size_bytes for path, size_bytes in paths)


def small_weights(folder: Path | None = None) -> dict[str, Path]:
    """The files of the cache by name, each checked by its SHA-256.

    Raises:
        AccessError: if one is missing or is not the pinned one.
    """
    folder = folder or weights_folder()
    for file in FILES:
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
    return {file.name: folder / file.name for file in FILES}


def fetch_small_weights(folder: Path | None = None, wheel: Path | None = None) -> dict[str, Path]:
    """Bring the files into the cache, unless they are there.

    Args:
        folder: the cache; `weights_folder` by default.
        wheel: MediaPipe's wheel, if it was downloaded by other means.

    Returns:
        Name to path.

    Raises:
        AccessError: if the wheel cannot be fetched, or a file in it is not the pinned one.
    """
    folder = folder or weights_folder()
    if not small_weights_available(folder):
        if wheel:
            _unpack(wheel, folder)
        else:
            with tempfile.TemporaryDirectory() as downloads:
                _unpack(_download(Path(downloads)), folder)
    return small_weights(folder)


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
        "the wheel elsewhere and pass its path as wheel."
    )


def _last_error(text: str) -> str:
    lines: Sequence[str] = [line.strip() for line in text.splitlines() if line.startswith("ERROR")]
    return lines[-1].removeprefix("ERROR: ")[:200] if lines else "no wheel"


def _unpack(wheel: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(wheel) as archive:
            for file in FILES:
                # Bounded: a wheel that claims more than the pinned size is not read on.
                with archive.open(file.member) as member:
                    content = member.read(file.size_bytes + 1)
                if hashlib.sha256(content).hexdigest() != file.sha256:
                    raise AccessError(
                        f"{wheel.name}: {file.member} is not the pinned file (wrong SHA-256). "
                        f"Use the wheel of {WHEEL}."
                    )
                write_bytes(folder / file.name, content)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise AccessError(f"{wheel}: not a readable wheel of {WHEEL} ({error}). Use that wheel.") from error
