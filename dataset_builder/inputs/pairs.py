"""A folder or a CSV file -> photo pairs, and every finding on the way, not the first only.

A folder holds ``still-lifeN`` and ``on_modelN`` photos, or two subfolders ``still-life`` and ``on-model``
with photos of the same names. A CSV has the columns ``still_life`` and ``on_model``, and may have
``garment`` and ``key``; its paths are relative to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os.path import realpath
from pathlib import Path

from chromiq.dataset_builder.inputs.pair_names import FOLDER_NAME, Role, role_and_key_of
from chromiq.dataset_builder.inputs.pairs_csv import pairs_of_csv
from chromiq.errors import ChromiqError, Finding
from chromiq.files import collision_key, safe_stem
from chromiq.photos.images import carries_profile
from chromiq.photos.soundness import PHOTO_SUFFIXES, inspect_photo, verify_photo
from chromiq.progress import Update
from chromiq.records import PhotoPair
from chromiq.runtime.parallel import map_bounded, thread_per_core

_SHOWN = 5
_AHEAD = 64
# What phones, cameras and designers make; named by its suffix, as its owner knows it.
_OTHER_PICTURES = frozenset(
    {".heic", ".heif", ".avif", ".gif", ".jxl", ".jp2", ".psd"}
    | {".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"}
)

_ROLE_NAMES: dict[Role, str] = {"still_life": "still-life", "on_model": "on-model"}


@dataclass(frozen=True)
class PairListing:
    """What a folder or CSV holds.

    Attributes:
        pairs: in natural order of their keys; only pairs with nothing wrong.
        findings: everything that is wrong with the rest.
    """

    pairs: tuple[PhotoPair, ...]
    findings: tuple[Finding, ...]


def find_pairs(source: Path, *, decode: bool = False, on_progress: Update | None = None) -> PairListing:
    """All photo pairs of a folder or CSV file.

    Args:
        source: the folder or CSV file.
        decode: also decode every photo, which finds those that are cut short behind a sound header.
        on_progress: called with pairs read and pairs in all.
    """
    if source.is_dir():
        pairs, findings = _pairs_of_folder(source)
    elif source.is_file() and source.suffix.lower() == ".csv":
        pairs, findings = pairs_of_csv(source)
    else:
        got = "a file of another kind" if source.exists() else "nothing there"
        finding = Finding.expected(
            "source.missing", str(source), "a folder of photo pairs or a CSV file", got, "check the path"
        )
        return PairListing((), (finding,))
    pairs, unsafe = _with_safe_keys(pairs)
    pairs, unreadable = _readable(pairs, decode, on_progress)
    findings = [*findings, *unsafe, *unreadable]
    if not pairs and all(finding.severity == "warning" for finding in findings):
        findings.append(
            Finding.expected(
                "source.empty",
                str(source),
                "photos named still-life1.jpg and on_model1.jpg, or subfolders still-life and on-model",
                "no photo pair",
                "name the photos so, or list them in a CSV file",
            )
        )
    return PairListing(tuple(sorted(pairs, key=lambda pair: natural_key(pair.key))), tuple(findings))


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Sorts numbers inside names by value.

    >>> sorted(["pair10", "pair9", "pair1"], key=natural_key)
    ['pair1', 'pair9', 'pair10']
    """
    # ASCII digits only: int() knows others, but not all that isdigit() accepts.
    parts = re.split(r"([0-9]+)", text)
    return [(0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in parts]


def _pairs_of_folder(folder: Path) -> tuple[list[PhotoPair], list[Finding]]:
    found: dict[str, dict[Role, list[Path]]] = {}
    strangers: list[str] = []
    findings: list[Finding] = []
    root = realpath(folder)
    for path in _photo_files(folder, strangers):
        # Unlike resolve(), realpath takes links that lead round in circles.
        if not Path(realpath(path)).is_relative_to(root):
            findings.append(
                Finding.expected(
                    "photo.outside",
                    str(path),
                    "a photo inside the folder given",
                    "a link that leads out of it",
                    "copy the photo here, or list it in a CSV file",
                )
            )
            continue
        role_and_key = role_and_key_of(path, folder)
        if role_and_key is None:
            strangers.append(path.name)
            continue
        if path.suffix.lower() not in PHOTO_SUFFIXES:
            wanted, cure = "a JPEG, PNG, WebP or TIFF photo", "export it as one of these"
            findings.append(
                Finding.expected("photo.kind", _relative(path, folder), wanted, path.suffix, cure)
            )
            continue
        role, key = role_and_key
        found.setdefault(collision_key(key), {}).setdefault(role, []).append(path)
    pairs: list[PhotoPair] = []
    for by_role in found.values():
        pair, wrong = _pair_up(by_role, folder)
        findings.extend(wrong)
        if pair:
            pairs.append(pair)
    if strangers:
        findings.append(_strangers_finding(folder, strangers))
    return pairs, findings


def _photo_files(folder: Path, strangers: list[str], *, top: bool = True) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if top and path.is_dir() and FOLDER_NAME.fullmatch(path.name):
            yield from _photo_files(path, strangers, top=False)
        elif path.name.startswith(".") or path.is_dir():
            continue
        elif path.suffix.lower() in PHOTO_SUFFIXES | _OTHER_PICTURES:
            yield path
        else:
            strangers.append(path.name)


def _pair_up(by_role: dict[Role, list[Path]], folder: Path) -> tuple[PhotoPair | None, list[Finding]]:
    findings = []
    for role, paths in by_role.items():
        if len(paths) > 1:
            names = ", ".join(_relative(path, folder) for path in paths)
            findings.append(
                Finding.expected(
                    "pair.claimed_twice",
                    names,
                    f"one {_ROLE_NAMES[role]} photo to a pair",
                    f"{len(paths)} files that claim the same one",
                    "keep one and rename or remove the others",
                )
            )
    for role, other in (("still_life", "on_model"), ("on_model", "still_life")):
        if role not in by_role:
            path = by_role[other][0]  # type: ignore[index]
            findings.append(
                Finding.expected(
                    "pair.incomplete",
                    _relative(path, folder),
                    f"its {_ROLE_NAMES[role]} photo beside it",
                    "none",
                    "add that photo or remove this one",
                )
            )
    if findings:
        return None, findings
    still_life, on_model = by_role["still_life"][0], by_role["on_model"][0]
    role_and_key = role_and_key_of(still_life, folder)
    assert role_and_key is not None  # it was grouped by its key
    return PhotoPair(key=role_and_key[1], still_life=still_life, on_model=on_model), []


def _with_safe_keys(pairs: Sequence[PhotoPair]) -> tuple[list[PhotoPair], list[Finding]]:
    """Keys that are file stems; two that become one are a finding."""
    kept: dict[str, PhotoPair] = {}
    findings = []
    for pair in pairs:
        try:
            key = safe_stem(pair.key)
            for path in (pair.still_life, pair.on_model):
                str(path).encode("utf-8")
        except UnicodeEncodeError:
            where = ascii(str(pair.still_life))
            findings.append(
                Finding.expected("pair.name", where, "a name in UTF-8", "other bytes", "rename it")
            )
            continue
        except ChromiqError as error:
            findings.append(
                Finding.expected("pair.name", str(pair.still_life), "a usable name", str(error), "rename it")
            )
            continue
        rival = kept.setdefault(
            collision_key(key), PhotoPair(key, pair.still_life, pair.on_model, pair.garment)
        )
        if rival != PhotoPair(key, pair.still_life, pair.on_model, pair.garment):
            findings.append(
                Finding.expected(
                    "pair.name_taken",
                    pair.still_life.name,
                    f"a name of its own for pair {key!r}",
                    f"the one that {rival.still_life.name} has",
                    "rename one of the two, or give them keys in a CSV file",
                )
            )
    return list(kept.values()), findings


def _readable(
    pairs: Sequence[PhotoPair], decode: bool, on_progress: Update | None
) -> tuple[list[PhotoPair], list[Finding]]:
    check = verify_photo if decode else inspect_photo

    def judge(pair: PhotoPair) -> tuple[list[Finding], list[Path]]:
        paths = (pair.still_life, pair.on_model)
        wrong = [fault for path in paths if (fault := check(path))]
        return wrong, [] if wrong else [path for path in paths if not carries_profile(path)]

    sound: list[PhotoPair] = []
    faults: dict[Finding, None] = {}  # a CSV may name a photo twice
    untagged: dict[Path, None] = {}
    with thread_per_core() as pool:
        results = map_bounded(pool, judge, pairs, _AHEAD)
        for number, (pair, (wrong, bare)) in enumerate(zip(pairs, results, strict=True), start=1):
            faults |= dict.fromkeys(wrong)
            untagged |= dict.fromkeys(bare)
            if not wrong:
                sound.append(pair)
            if on_progress:
                on_progress(number, len(pairs))
    return sound, [*faults, *_untagged_finding(list(untagged))]


def _untagged_finding(paths: Sequence[Path]) -> list[Finding]:
    """Said once for all photos that carry no profile, not once for each."""
    if not paths:
        return []
    where = str(paths[0]) if len(paths) == 1 else f"{len(paths)} photos, the first {paths[0]}"
    cure = "taken as sRGB; export with the profile what is in another colour space"
    return [Finding.expected("photo.untagged", where, "an ICC profile", "none", cure, severity="warning")]


def _strangers_finding(folder: Path, names: Iterable[str]) -> Finding:
    listed = list(names)
    shown = ", ".join(repr(name) for name in listed[:_SHOWN])
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return Finding.expected(
        "source.strangers",
        str(folder),
        "still-lifeN and on_modelN photos only",
        f"{len(listed)} other files: {shown}{more}",
        "they are left alone; rename them if they belong to a pair",
        severity="warning",
    )


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
