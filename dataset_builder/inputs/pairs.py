"""A folder or a CSV file -> photo pairs, and every finding on the way, not the first only.

A folder holds ``still-lifeN`` and ``on_modelN`` photos, or two subfolders ``still-life`` and ``on-model``
with photos of the same names, or photos named by a `PairPattern`. ``on_modelN-back`` is another photo of the
garment of ``still-lifeN``. A CSV has the columns ``still_life`` and ``on_model``, and may have ``garment``
and ``key``; its paths are relative to it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from os.path import realpath
from pathlib import Path

from chromiq.csv_tables import Row, Table, listed_path, read_table
from chromiq.dataset_builder.inputs.photo_names import (
    FOLDER_NAME,
    PairPattern,
    Role,
    key_of_still_life,
    role_and_key_of,
    still_life_key_of_view,
)
from chromiq.errors import ChromiqError, Finding, UnsoundError, UsageError, errors_of
from chromiq.files import collision_key, natural_key, refuse_inputs, safe_stem
from chromiq.photos.images import states_colours, untagged_finding
from chromiq.photos.soundness import PHOTO_SUFFIXES, inspect_photo, verify_photo
from chromiq.progress import Update, silent
from chromiq.records import PhotoPair
from chromiq.runtime.workers import map_bounded, thread_per_core
from chromiq.wording import counted

_AHEAD = 64
_TABLES = frozenset({".csv", ".tsv", ".txt"})
_SHOWN_CHARACTERS = 200
_SHOWN = 5
# What phones, cameras and designers make; named by its suffix, as its owner knows it.
_OTHER_PICTURES = frozenset(
    {".heic", ".heif", ".avif", ".gif", ".jxl", ".jp2", ".psd"}
    | {".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"}
)
_ROLE_NAMES: dict[Role, str] = {"still_life": "still-life", "on_model": "on-model photo"}


@dataclass(frozen=True)
class PairListing:
    """What a folder or CSV holds.

    Attributes:
        pairs: in natural order of their keys; only pairs with nothing wrong.
        findings: everything that is wrong with the rest.
        leftover: files of the folder that belong to no pair.
    """

    pairs: tuple[PhotoPair, ...]
    findings: tuple[Finding, ...]
    leftover: tuple[Path, ...] = ()


def find_pairs(
    source: Path,
    *,
    pattern: PairPattern | None = None,
    out: Path | None = None,
    decode: bool = False,
    on_progress: Update = silent,
) -> PairListing:
    """All photo pairs of a folder or CSV file.

    Args:
        pattern: how the photos of the folder are named; None for ``still-lifeN`` and ``on_modelN``.
        out: a folder of results, which is not searched and may hold none of the photos.
        decode: also decode every photo, which finds those that are cut short behind a sound header.
        on_progress: called with pairs read and pairs in all.

    Raises:
        UsageError: if `out` holds one of the photos.
    """
    leftover: list[Path] = []
    if source.is_dir():
        found = _pairs_of_folder(source, pattern, out)
        pairs, findings, leftover = found.pairs, found.findings, found.leftover
    elif source.is_file() and source.suffix.lower() in _TABLES:
        pairs, findings = _pairs_of_csv(source)
    else:
        message = "neither a folder of photo pairs nor a CSV file" if source.exists() else "not found"
        return PairListing((), (Finding("source.missing", str(source), message, "Check the path."),))
    if out is not None:
        refuse_inputs([out], {path.parent for pair in pairs for path in pair.photos})
    pairs, unsafe = _with_safe_keys(pairs)
    pairs, unreadable = _readable(pairs, decode, on_progress)
    findings = [*findings, *unsafe, *unreadable]
    if not pairs and all(finding.severity == "warning" for finding in findings):
        findings.append(_empty_finding(source, pattern))
    ordered = sorted(pairs, key=lambda pair: natural_key(pair.key))
    return PairListing(tuple(ordered), tuple(findings), tuple(leftover))


def _empty_finding(source: Path, pattern: PairPattern | None) -> Finding:
    hint = (
        "Name the photos still-life1.jpg and on_model1.jpg, put them into the subfolders still-life and "
        "on-model, list them in a CSV file, or, to correct photos, give the patterns of their names, such as "
        "{sku}_flat* and {sku}_model*."
    )
    if pattern:
        hint = "Check the patterns against the file names that are listed as belonging to no pair."
    return Finding("source.empty", str(source), "no photo pairs found", hint)


def _with_safe_keys(pairs: Sequence[PhotoPair]) -> tuple[list[PhotoPair], list[Finding]]:
    """Keys that are file stems; two that become one are a finding."""
    kept: dict[str, PhotoPair] = {}
    findings = []
    for pair in pairs:
        try:
            key = safe_stem(pair.key)
            for path in pair.photos:
                str(path).encode("utf-8")
        except UnicodeEncodeError:
            where = ascii(str(pair.still_life))
            findings.append(Finding("pair.name", where, "the file name is not valid UTF-8", "Rename it."))
            continue
        except ChromiqError as error:
            findings.append(Finding("pair.name", str(pair.still_life), str(error)))
            continue
        safe = replace(pair, key=key)
        rival = kept.setdefault(collision_key(key), safe)
        if rival != safe:
            where = f"{pair.still_life}, {pair.on_model}"
            message = f"has the key {key!r}, as {rival.still_life}, {rival.on_model} does"
            hint = "Rename one of the two, or give them different keys in a CSV file."
            findings.append(Finding("pair.name_taken", where, message, hint))
    return list(kept.values()), findings


def _readable(
    pairs: Sequence[PhotoPair], decode: bool, on_progress: Update
) -> tuple[list[PhotoPair], list[Finding]]:
    check = verify_photo if decode else inspect_photo

    def judge(pair: PhotoPair) -> tuple[list[Finding], list[Path]]:
        found = [each for path in pair.photos if (each := check(path))]
        return found, [] if errors_of(found) else [path for path in pair.photos if not states_colours(path)]

    sound: list[PhotoPair] = []
    findings: dict[Finding, None] = {}  # a photo may belong to several pairs
    untagged: dict[Path, None] = {}
    with thread_per_core() as pool:
        results = map_bounded(pool, judge, pairs, _AHEAD)
        for number, (pair, (found, bare)) in enumerate(zip(pairs, results, strict=True), start=1):
            findings |= dict.fromkeys(found)
            untagged |= dict.fromkeys(bare)
            if not errors_of(found):
                sound.append(pair)
            on_progress(number, len(pairs))
    return sound, [*findings, *([untagged_finding(list(untagged))] if untagged else [])]


def _pairs_of_csv(path: Path) -> tuple[list[PhotoPair], list[Finding]]:
    """The pairs that a CSV file lists, and a finding for each line that lists none.

    Columns: ``still_life``, ``on_model`` and, if wanted, ``garment`` and ``key``. Without a key a pair is
    called after its still-life, or after its on-model photo if several lines name the same still-life.
    """
    try:
        table = read_table(path, ("still_life", "on_model", "garment", "key"))
    except UnsoundError as error:
        return [], list(error.findings)
    if table.error and not table.rows:
        return [], [_unreadable_csv(path, table)]
    if missing := {"still_life", "on_model"} - set(table.names):
        return [], [_missing_columns(path, table, missing)]
    pairs: list[PhotoPair] = []
    findings: list[Finding] = []
    for row in table.rows:
        pair = _pair_of_row(row, path)
        if isinstance(pair, Finding):
            findings.append(pair)
        else:
            pairs.append(pair)
    real = [(realpath(pair.still_life), realpath(pair.on_model)) for pair in pairs]
    on_models = Counter(still_life for still_life, _ in set(real))
    pairs = [
        pair if pair.key else replace(pair, key=_own_key(pair, on_models[still_life] > 1))
        for pair, (still_life, _) in zip(pairs, real, strict=True)
    ]
    findings += [_unreadable_csv(path, table)] if table.error else []
    return pairs, findings + _changed_keys(path, table)


def _pair_of_row(row: Row, path: Path) -> PhotoPair | Finding:
    """The pair that a row lists, with an empty key if it states none."""
    names = {role: row.values[role] for role in ("still_life", "on_model")}
    where = f"{path.name}, line {row.line}"

    def wrong(message: str, hint: str) -> Finding:
        return Finding("csv.row", where, message[:_SHOWN_CHARACTERS], hint)

    for role, name in names.items():
        if not name:
            return wrong(f"no {role} photo", "Fill in the field, or remove the line.")
        if "\0" in name:
            return wrong(f"a null byte in {role}", "Remove it.")
    if row.surplus:
        hint = "Put a field that contains the delimiter into double quotes."
        return wrong(f"more fields than columns: {', '.join(row.surplus)}", hint)
    garment = row.values.get("garment") or None
    if garment and not garment.isprintable():
        return wrong(f"the garment {garment!r} is not one line of text", "Write its name only.")
    still_life, on_model = (listed_path(path.parent, names[role]) for role in ("still_life", "on_model"))
    if still_life == on_model:
        return wrong("the same photo as still-life and on-model photo", "Name the other photo.")
    return PhotoPair(row.values.get("key", ""), still_life, on_model, garment)


def _own_key(pair: PhotoPair, several: bool) -> str:
    return pair.on_model.stem if several else key_of_still_life(pair.still_life)


def _changed_keys(path: Path, table: Table) -> list[Finding]:
    """A warning about keys that cannot be file names as they are."""
    changed = []
    for row in table.rows:
        with suppress(UsageError):  # `_with_safe_keys` reports it
            if (key := row.values.get("key")) and (stem := safe_stem(key)) != key:
                changed.append(f"{key!r} becomes {stem!r}")
    if not changed:
        return []
    keys = counted(len(changed), "key is", "keys are")
    message = f"{keys} changed for use in file names: {_first(changed)}"
    hint = "Write letters, digits, dots, dashes and underscores only, to keep them."
    return [Finding("csv.key", str(path), message, hint, severity="warning")]


def _missing_columns(path: Path, table: Table, missing: set[str]) -> Finding:
    has = ", ".join(table.columns)[:_SHOWN_CHARACTERS] or "nothing"
    message = f"no column {' and no column '.join(sorted(missing, reverse=True))}; the first line has {has}"
    hint = "Name the columns still_life and on_model in the first line."
    return Finding("csv.columns", str(path), message, hint, wanted="still_life, on_model", got=has)


def _unreadable_csv(path: Path, table: Table) -> Finding:
    if table.error.startswith("more than"):
        return Finding("csv.long", str(path), table.error, "Split the file.")
    last = table.rows[-1].line if table.rows else 0
    message = f"cannot be read after line {last}: {table.error}"
    return Finding("csv.unreadable", str(path), message, "Check the double quotes, or save it again.")


@dataclass
class _FolderPairs:
    """What a folder holds.

    Attributes:
        pairs: with keys that may not be usable as file names yet.
        leftover: files that belong to no pair.
    """

    pairs: list[PhotoPair] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    leftover: list[Path] = field(default_factory=list)


def _pairs_of_folder(folder: Path, pattern: PairPattern | None, out: Path | None) -> _FolderPairs:
    # Unlike resolve(), realpath takes links that lead round in circles.
    excluded = realpath(out) if out else None
    found = _FolderPairs()
    if pattern is not None:
        _add_matches(folder, pattern, excluded, found)
    else:
        for shoot in _shoots(folder, excluded):
            _add_named(shoot, folder, found)
    if found.leftover:
        found.findings.append(_leftover_finding(folder, found.leftover))
    return found


def _shoots(folder: Path, excluded: str | None) -> Iterator[Path]:
    """The folder itself and each folder below it that holds photos of both roles."""
    yield folder
    for below in _folders_below(folder, excluded, lambda name: not FOLDER_NAME.fullmatch(name)):
        named = (role_and_key_of(path, below) for path in _files_of(below) if _is_picture(path))
        if len({role for role, _ in filter(None, named)}) == 2:
            yield below


def _folders_below(
    folder: Path, excluded: str | None, wanted: Callable[[str], bool] = bool
) -> Iterator[Path]:
    for root, names, _ in os.walk(folder):
        names[:] = sorted(
            name
            for name in names
            if not name.startswith(".") and wanted(name) and realpath(Path(root) / name) != excluded
        )
        yield from (Path(root) / name for name in names)


def _add_named(shoot: Path, folder: Path, found: _FolderPairs) -> None:
    prefix = "" if shoot == folder else f"{shoot.relative_to(folder).as_posix()}/"
    by_key: dict[str, dict[Role, list[Path]]] = {}
    keys: dict[str, str] = {}
    for path in _files_of(shoot):
        role_and_key = role_and_key_of(path, shoot) if _is_picture(path) else None
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


def _add_matches(folder: Path, pattern: PairPattern, excluded: str | None, found: _FolderPairs) -> None:
    folders = [folder, *_folders_below(folder, excluded)]
    garments: dict[tuple[str, ...], dict[Role, list[Path]]] = {}
    for path in (path for each in folders for path in sorted(each.iterdir()) if _is_picture(path)):
        role_and_garment = pattern.role_and_garment(path.relative_to(folder))
        if role_and_garment is None:
            found.leftover.append(path)
        elif _is_usable(path, folder, found.findings):
            role, garment = role_and_garment
            garments.setdefault(garment, {}).setdefault(role, []).append(path)
    for roles in garments.values():
        still_lifes, on_models = roles.get("still_life", []), roles.get("on_model", [])
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
    if not Path(realpath(path)).is_relative_to(realpath(folder)):
        hint = "Copy the photo here, or list it in a CSV file."
        findings.append(Finding("photo.outside", str(path), "a link to a file outside the folder", hint))
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
    belong = counted(len(paths), "file belongs", "files belong")
    shown = _first([repr(_relative(path, folder)) for path in paths])
    message = f"{belong} to no pair and will not be read: {shown}"
    hint = "Rename them if they should be used."
    return Finding("source.strangers", str(folder), message, hint, severity="warning", got=str(len(paths)))


def _first(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
