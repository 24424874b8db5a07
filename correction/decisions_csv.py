"""What somebody decided about photos: ``decisions.csv`` beside the results, made for a spreadsheet.

A row may say what to do with a photo (``accept``, ``reject``, ``keep`` or ``force``) and how (strength, least
gain, target colour, mask). Rows, columns and the delimiter that are there stay as they are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from os.path import relpath
from pathlib import Path
from typing import Any, Literal, get_args

from chromiq.correction.options import CorrectionOptions
from chromiq.correction.target import parse_lab
from chromiq.csv_tables import Table, as_text, listed_path, read_table, write_table
from chromiq.errors import Finding, UnsoundError, UsageError, raise_findings
from chromiq.files import collision_key, composed_name, safe_stem, write_bytes

DECISIONS = "decisions.csv"
Verdict = Literal["", "accept", "reject", "keep", "force"]
VERDICTS = tuple(word for word in get_args(Verdict) if word)
_BECOMES_DATE = re.compile(r"\d+([./ -]\d+){1,2}")
_DATE = re.compile(r"(\d+[./ -]+)?[^\W\d_]{3,9}[./ -]*\d*|\d+([./-]\d+){2}")  # 02. Jan, Jan-02, 2026-01-02
COLUMNS = ("key", "photo", "result", "decision", "strength", "min_gain", "target_lab", "mask", "note")


@dataclass(frozen=True)
class Decision:
    """What is decided about one photo.

    Attributes:
        verdict: ``"accept"``: the result is good, leave it. ``"reject"``: it is not, deliver the original
            until something better is found. ``"keep"``: deliver the original. ``"force"``: correct it
            whatever speaks against it. Empty: nothing.
        strength: in place of the run's; None for that.
        min_gain: the same.
        target_lab: the same.
        mask: a mask file; relative to the folder of ``decisions.csv``.
        note: for people.
    """

    verdict: Verdict = ""
    strength: float | None = None
    min_gain: float | None = None
    target_lab: tuple[float, float, float] | None = None
    mask: Path | None = None
    note: str = ""

    def options(self, of_run: CorrectionOptions) -> CorrectionOptions:
        """The run's options with what was decided for this photo."""
        return replace(
            of_run,
            force=of_run.force or self.verdict in {"force", "accept"},
            strength=of_run.strength if self.strength is None else self.strength,
            min_gain=of_run.min_gain if self.min_gain is None else self.min_gain,
            target_lab=self.target_lab or of_run.target_lab,
        )


def withdrawn(decision: Decision, changed: Sequence[str]) -> Decision:
    """The decision without its verdict, and a note why.

    >>> withdrawn(Decision("accept", note="for the web"), ["still-life", "mask"]).note
    'for the web; accept withdrawn: the still-life and the mask changed'
    """
    reason = f"{decision.verdict} withdrawn: the {' and the '.join(changed)} changed"
    return replace(decision, verdict="", note="; ".join(filter(None, (decision.note, reason))))


@dataclass(frozen=True)
class Decisions:
    """The decisions of a folder.

    Attributes:
        path: the file, whether it is there or not.
        table: as it was read; None if it is not there.
        by_key: what is decided, by key of the pair.
        unknown: keys in the file that no pair has.
    """

    path: Path
    table: Table | None
    by_key: dict[str, Decision]
    unknown: tuple[str, ...] = ()

    def of(self, key: str) -> Decision:
        """What is decided about a photo."""
        return self.by_key.get(key, Decision())


def read_decisions(folder: Path, photos: Mapping[str, Path]) -> Decisions:
    """The decisions of a folder of results.

    A key that a spreadsheet has changed, such as 4056789012345 into 4.05679E+12 or 007 into 7, is recognised
    by its row's photo, or by its number if no other key has the same.

    Args:
        photos: the on-model photo of each key.

    Raises:
        UnsoundError: if a column occurs twice; or with a finding for each cell that cannot be read or is
            beyond the limits, and for each decision whose key and photo are of different rows.
    """
    path = folder / DECISIONS
    if not path.exists():
        return Decisions(path, None, {})
    table = read_table(path, COLUMNS)
    if "key" not in table.names or table.error:
        message = table.error or "no column 'key' in the first line"
        finding = Finding("decisions.columns", str(path), message, f"The columns are {', '.join(COLUMNS)}.")
        raise UnsoundError.of(finding)
    found: dict[str, Decision] = {}
    unknown, findings, find = [], [], key_finder(photos, table)
    names = {key: _shown_name(path.name) for key, path in photos.items()}
    mixed: list[tuple[str, str, Finding | None]] = []
    for row in table.rows:
        key = find(row.values["key"], row.values.get("photo", ""))
        if key is None:
            if any(row.values.get(column) for column in COLUMNS[3:]):
                unknown.append(row.values["key"])
            continue
        try:
            decision = _parsed(row.values, folder)
        except ValueError as error:
            where = f"{path}, line {row.line}"
            findings += [Finding("decisions.value", where, message, hint) for message, hint in error.args]
            continue
        shown = _shown_name(row.values.get("photo", ""))
        if shown != names[key]:
            message, hint = f"the key {key!r} stands beside another photo, {shown}", "Sort whole rows only."
            finding = Finding("decisions.mixed", f"{path}, line {row.line}", message, hint)
            mixed.append((names[key], shown, finding if decision != Decision() else None))
        if key in found and decision not in (found[key], Decision()):
            message = f"a second decision about {key!r}"
            findings.append(
                Finding("decisions.twice", f"{path}, line {row.line}", message, "Remove one of the two.")
            )
        found.setdefault(key, decision)
    # A photo may have been renamed; where names have changed places, a column was sorted alone.
    swapped = {name for name, _, _ in mixed} & {shown for _, shown, _ in mixed}
    findings += [finding for *both, finding in mixed if finding and swapped.issuperset(both)]
    raise_findings(findings, str(path))
    return Decisions(path, table, found, tuple(unknown))


def key_finder(photos: Mapping[str, Path], table: Table | None = None) -> Callable[[str, str], str | None]:
    """A function that gives the key that a row's cells key and photo mean; None if none or several.

    It may be the key itself or, of keys without a row of their own in `table`, that of a file name which no
    other row has, if a spreadsheet may have made the text of it; the key in another case, the name that the
    key was made from, or the same number.
    """
    rows = table.rows if table else ()
    taken = {row.values["key"] for row in rows}
    shown = Counter(_shown_name(row.values.get("photo", "")) for row in rows)

    @cache
    def keys_by(same: Callable[[str], str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for key in photos:
            if key not in taken:
                found.setdefault(same(key), []).append(key)
        return found

    def name_of(key: str) -> str:
        return _shown_name(photos[key].name)

    def find(text: str, photo: str) -> str | None:
        if text in photos:
            return text
        name = _shown_name(photo)
        named = keys_by(name_of).get(name, []) if shown[name] == 1 else []
        if len(named) == 1 and _may_become(named[0], text):
            return named[0]
        for same in (collision_key, _as_stem, _as_number):
            wanted = same(text)
            fitting = keys_by(same).get(wanted, []) if wanted else []
            if len(fitting) == 1:
                return fitting[0]
        return None

    return find


def named_keys(names: Iterable[str], photos: Mapping[str, Path]) -> list[str]:
    """The keys that a user's words mean, each a key or the file name of an on-model photo.

    Args:
        names: what was typed.
        photos: the on-model photo of each key.

    Raises:
        UsageError: naming the first that no photo or several photos have, and what comes near.
    """
    find, found = key_finder(photos), []
    by_name: dict[str, list[str]] = {}
    for key, path in photos.items():
        by_name.setdefault(composed_name(path.name), []).append(key)
    for name in map(composed_name, names):
        named = by_name.get(name, [])
        meant = named[0] if len(named) == 1 and name not in photos else find(name, "")
        if meant is None:
            near = named or get_close_matches(name, [*photos, *by_name], n=3, cutoff=0.4)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            known = (
                "the file name of several photos" if named else "neither the key nor the file name of a photo"
            )
            raise UsageError(f"{name!r} is {known}{hint}")
        found.append(meant)
    return found


def write_decisions(decisions: Decisions, photos: Mapping[str, Path], results: Mapping[str, str]) -> None:
    """Write ``decisions.csv``: a row for each photo, and every row and column that was there.

    Args:
        photos: on-model photo of each key, in the order of the rows.
        results: what became of each photo, in words, where it is known.
    """
    table, folder = decisions.table, decisions.path.parent
    find = key_finder(photos, table)

    def cells(key: str, before: Mapping[str, str]) -> dict[str, str]:
        # What the user wrote stays as written unless its meaning changed.
        written = _texts(_parsed(before, folder), folder)
        now = _texts(decisions.of(key), folder)
        changed = {column: text for column, text in now.items() if text != written[column]}
        if key in results:
            changed["result"] = results[key]
        return {**before, "key": key, "photo": as_text(photos[key].name), **changed}

    columns = list(table.columns) if table else list(COLUMNS)
    names = list(table.names) if table else list(COLUMNS)
    missing = [column for column in COLUMNS if column not in names]
    columns, names = [*columns, *missing], [*names, *missing]
    rows: list[list[str]] = []
    seen = set()
    for row in table.rows if table else ():
        values = row.values
        key = find(values["key"], values.get("photo", ""))
        if key is not None and key not in seen:
            seen.add(key)
            values = cells(key, values)
        rows.append([*(values.get(name, "") for name in names), *row.surplus])
    for key in photos:
        if key not in seen:
            values = cells(key, {})
            rows.append([values.get(name, "") for name in names])
    data = write_table(columns, rows, table.delimiter if table else _delimiter())
    if not decisions.path.exists() or decisions.path.read_bytes() != data:
        write_bytes(decisions.path, data)


def _texts(decision: Decision, folder: Path) -> dict[str, str]:
    """A decision as the cells of its row."""
    return {
        "decision": decision.verdict,
        "strength": "" if decision.strength is None else f"{decision.strength:g}",
        "target_lab": "; ".join(f"{part:g}" for part in decision.target_lab or ()),
        "mask": "" if decision.mask is None else Path(relpath(decision.mask, folder)).as_posix(),
        "note": decision.note,
    }


def _parsed(values: Mapping[str, str], folder: Path) -> Decision:
    """What a row says.

    Raises:
        ValueError: for each cell that cannot be understood, why, as a clause, and what to write instead, as a
            sentence.
    """

    def mask_file(text: str) -> Path:
        with suppress(OSError):  # a name longer than any file's
            if (path := listed_path(folder, text)).is_file():
                return path
        raise ValueError("does not exist", f"Write its path from {folder}.")

    readers: dict[str, tuple[str, Callable[[str], Any]]] = {
        "decision": ("verdict", _verdict),
        "strength": ("strength", _share),
        "min_gain": ("min_gain", _number),
        "target_lab": ("target_lab", _lab),
        "mask": ("mask", mask_file),
    }
    found: dict[str, Any] = {"note": values.get("note", "")}
    faults: list[tuple[str, str]] = []
    for column, (field, read) in readers.items():
        text = values.get(column, "")
        try:
            if text:
                found[field] = read(text)
                Decision(**{field: found[field]}).options(CorrectionOptions())  # checks the limits
        except UsageError as error:
            faults.append((str(error), "Write a value within these limits."))
        except ValueError as error:
            message, hint = error.args
            faults.append((f"{column} {text[:200]!r} {message}", hint))
    if faults:
        raise ValueError(*faults)
    return Decision(**found)


def _verdict(text: str) -> Verdict:
    for verdict in get_args(Verdict):
        if verdict == text.casefold():
            return verdict
    hint = f"Write {', '.join(VERDICTS[:-1])} or {VERDICTS[-1]}, or leave it empty."
    raise ValueError("is not known", hint)


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))  # as spreadsheets of many countries write it
    except ValueError:
        raise ValueError("is not a number", "Write it as 0.8.") from None


def _share(text: str) -> float:
    return _number(text.removesuffix("%")) / (100 if text.endswith("%") else 1)


def _lab(text: str) -> tuple[float, float, float]:
    try:
        return parse_lab(text)
    except ValueError:
        raise ValueError("is not three numbers", "Write L, a and b as 52; -10; 31.") from None


def _shown_name(name: str) -> str:
    """A photo's name as its cell shows it, to compare with other cells."""
    return composed_name(as_text(name))


def _as_stem(text: str) -> str:
    try:
        return collision_key(safe_stem(text))
    except UsageError:
        return ""


def _as_number(text: str) -> str:
    try:
        return f"{float(text.replace(',', '.')):.17g}"
    except ValueError:
        return ""


def _may_become(key: str, text: str) -> bool:
    """Whether a spreadsheet may show a key as this text: as a number, rounded or not, or as a date."""
    with suppress(ValueError):
        mantissa, is_rounded, _ = text.upper().partition("E")
        digits = sum(map(str.isdecimal, mantissa)) if is_rounded else 17
        own, shown = (f"{float(each.replace(',', '.')):.{digits - 1}e}" for each in (key, text))
        return own == shown
    own_numbers, numbers = ({int(part) % 100 for part in re.findall(r"\d+", each)} for each in (key, text))
    is_date = _BECOMES_DATE.fullmatch(key) and _DATE.fullmatch(text) and numbers
    return bool(is_date) and (numbers <= own_numbers or numbers >= own_numbers)


def _delimiter() -> str:
    """What this machine's spreadsheets expect: a semicolon where numbers have a decimal comma."""
    import locale

    return ";" if locale.localeconv()["decimal_point"] == "," else ","
