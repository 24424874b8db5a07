"""A folder -> photo pairs by the names of the files, unchecked, and what is wrong with them.

Subfolders that hold photos of both roles are searched too; their keys begin with the subfolder's path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from os.path import realpath
from pathlib import Path

from chromiq.dataset_builder.inputs.pair_names import (
    FOLDER_NAME,
    Role,
    role_and_key_of,
    still_life_key_of_view,
)
from chromiq.dataset_builder.inputs.pair_pattern import PairPattern, match_pattern
from chromiq.errors import Finding
from chromiq.files import collision_key
from chromiq.photos.soundness import PHOTO_SUFFIXES
from chromiq.records import PhotoPair

_SHOWN = 5
# What phones, cameras and designers make; named by its suffix, as its owner knows it.
_OTHER_PICTURES = frozenset(
    {".heic", ".heif", ".avif", ".gif", ".jxl", ".jp2", ".psd"}
    | {".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"}
)
_ROLE_NAMES: dict[Role, str] = {"still_life": "still-life", "on_model": "on-model photo"}


@dataclass
class FolderPairs:
    """What a folder holds.

    Attributes:
        pairs: with keys that may not be usable as file names yet.
        findings: what is wrong.
        leftover: files that belong to no pair.
    """

    pairs: list[PhotoPair] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    leftover: list[Path] = field(default_factory=list)


def pairs_of_folder(
    folder: Path, pattern: PairPattern | None = None, exclude: Path | None = None
) -> FolderPairs:
    """The photo pairs of a folder.

    Args:
        folder: what to search.
        pattern: how the photos are named, instead of ``still-lifeN`` and ``on_modelN``.
        exclude: a folder below it that is not searched, such as that of the results.
    """
    excluded = exclude.resolve() if exclude else None
    found = FolderPairs()
    if pattern is not None:
        _add_matches(folder, pattern, excluded, found)
    else:
        for shoot in _shoots(folder, excluded):
            _add_named(shoot, folder, found)
    if found.leftover:
        found.findings.append(_leftover_finding(folder, found.leftover))
    return found


def _shoots(folder: Path, excluded: Path | None) -> Iterator[Path]:
    """The folder itself and each folder below it that holds photos of both roles."""
    yield folder
    for below in _folders_below(folder, excluded):
        named = (role_and_key_of(path, below) for path in _files_of(below) if _is_picture(path))
        if len({role for role, _ in filter(None, named)}) == 2:
            yield below


def _folders_below(folder: Path, excluded: Path | None) -> Iterator[Path]:
    for root, names, _ in os.walk(folder):
        names[:] = sorted(
            name
            for name in names
            if not name.startswith(".")
            and not FOLDER_NAME.fullmatch(name)
            and (excluded is None or (Path(root) / name).resolve() != excluded)
        )
        yield from (Path(root) / name for name in names)


def _add_named(shoot: Path, folder: Path, found: FolderPairs) -> None:
    prefix = "" if shoot == folder else f"{shoot.relative_to(folder).as_posix()}/"
    by_key: dict[str, dict[Role, list[Path]]] = {}
    keys: dict[str, str] = {}
    for path in _files_of(shoot):
        if not _is_picture(path):
            found.leftover.append(path)
            continue
        role_and_key = role_and_key_of(path, shoot)
        if role_and_key is None:
            found.leftover.append(path)
        elif _is_usable(path, folder, found.findings):
            role, key = role_and_key
            by_key.setdefault(collision_key(key), {}).setdefault(role, []).append(path)
            if role == "still_life" or collision_key(key) not in keys:
                keys[collision_key(key)] = key
    still_lifes = {folded for folded, roles in by_key.items() if "still_life" in roles}
    used = set()
    for folded, roles in by_key.items():
        if not _claimed_once(roles, folder, found.findings):
            used.add(folded)
            continue
        if "on_model" not in roles:
            continue
        owner = folded if folded in still_lifes else still_life_key_of_view(folded, still_lifes)
        if owner is None:
            found.findings.append(_incomplete(roles["on_model"][0], folder, "still_life"))
        elif len(by_key[owner]["still_life"]) == 1:
            used.add(owner)
            key = prefix + keys[folded]
            found.pairs.append(PhotoPair(key, by_key[owner]["still_life"][0], roles["on_model"][0]))
    for folded in sorted(still_lifes - used):
        found.findings.append(_incomplete(by_key[folded]["still_life"][0], folder, "on_model"))


def _add_matches(folder: Path, pattern: PairPattern, excluded: Path | None, found: FolderPairs) -> None:
    folders = [folder, *(Path(root) for root in _every_folder(folder, excluded))]
    pictures = [path for each in folders for path in sorted(each.iterdir()) if _is_picture(path)]
    garments, found.leftover = match_pattern(pattern, folder, pictures)
    for roles in garments.values():
        usable = {
            role: [path for path in paths if _is_usable(path, folder, found.findings)]
            for role, paths in roles.items()
        }
        still_lifes, on_models = usable.get("still_life", []), usable.get("on_model", [])
        if len(still_lifes) > 1:
            _claimed_once({"still_life": still_lifes}, folder, found.findings)
        elif not still_lifes or not on_models:
            rest = still_lifes or on_models
            missing: Role = "on_model" if still_lifes else "still_life"
            found.findings += [_incomplete(path, folder, missing) for path in rest]
        else:
            for path in on_models:
                key = path.relative_to(folder).with_suffix("").as_posix()
                found.pairs.append(PhotoPair(key, still_lifes[0], path))


def _every_folder(folder: Path, excluded: Path | None) -> Iterator[str]:
    for root, names, _ in os.walk(folder):
        names[:] = sorted(
            name
            for name in names
            if not name.startswith(".") and (excluded is None or (Path(root) / name).resolve() != excluded)
        )
        yield from (str(Path(root) / name) for name in names)


def _files_of(shoot: Path) -> Iterator[Path]:
    """A folder's files and those of its subfolders named after a role, hidden ones left out."""
    for path in sorted(shoot.iterdir()):
        if path.is_dir():
            if FOLDER_NAME.fullmatch(path.name):
                yield from (file for file in sorted(path.iterdir()) if _is_shown(file))
        elif _is_shown(path):
            yield path


def _is_shown(path: Path) -> bool:
    return not path.name.startswith(".") and not path.is_dir()


def _is_picture(path: Path) -> bool:
    return _is_shown(path) and path.suffix.lower() in PHOTO_SUFFIXES | _OTHER_PICTURES


def _is_usable(path: Path, folder: Path, findings: list[Finding]) -> bool:
    """Whether a photo lies inside the folder and is of a kind that can be read; else a finding says why."""
    # Unlike resolve(), realpath takes links that lead round in circles.
    if not Path(realpath(path)).is_relative_to(realpath(folder)):
        hint = "Copy the photo here, or list it in a CSV file."
        findings.append(Finding("photo.outside", str(path), "a link that leads out of the folder", hint))
        return False
    if path.suffix.lower() not in PHOTO_SUFFIXES:
        message = f"{path.suffix} files cannot be read"
        hint = "Export it as JPEG, PNG, WebP or TIFF."
        findings.append(Finding("photo.kind", _relative(path, folder), message, hint))
        return False
    return True


def _claimed_once(roles: dict[Role, list[Path]], folder: Path, findings: list[Finding]) -> bool:
    twice = {role: paths for role, paths in roles.items() if len(paths) > 1}
    for role, paths in twice.items():
        names = ", ".join(_relative(path, folder) for path in paths)
        message = f"{len(paths)} files are the same {_ROLE_NAMES[role]}"
        hint = "Keep one, and rename or remove the others."
        findings.append(Finding("pair.claimed_twice", names, message, hint))
    return not twice


def _incomplete(path: Path, folder: Path, missing: Role) -> Finding:
    message = f"no {_ROLE_NAMES[missing]} belongs to it"
    hint = f"Add the {_ROLE_NAMES[missing]}, or remove this file."
    return Finding("pair.incomplete", _relative(path, folder), message, hint)


def _leftover_finding(folder: Path, paths: list[Path]) -> Finding:
    shown = ", ".join(repr(_relative(path, folder)) for path in paths[:_SHOWN])
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    verb = "file belongs" if len(paths) == 1 else "files belong"
    return Finding(
        "source.strangers",
        str(folder),
        f"{len(paths)} {verb} to no pair and will not be read: {shown}{more}",
        "Rename them if they should be.",
        severity="warning",
        got=str(len(paths)),
    )


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
