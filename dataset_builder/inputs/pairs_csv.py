"""A CSV file -> photo pairs, unchecked, and what is wrong with its lines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from chromiq.dataset_builder.inputs.pair_names import key_of_still_life
from chromiq.dataset_builder.inputs.tables import Row, Table, read_table
from chromiq.errors import Finding, UnsoundError
from chromiq.records import PhotoPair

_SHOWN_CHARACTERS = 200


def pairs_of_csv(path: Path) -> tuple[list[PhotoPair], list[Finding]]:
    """The pairs that a CSV file lists, and a finding for each line that lists none.

    Columns: ``still_life``, ``on_model`` and, if wanted, ``garment`` and ``key``. Without a key a pair is
    called after its still-life, or after its on-model photo if several lines name the same still-life.
    """
    try:
        table = read_table(path)
    except UnsoundError as error:
        return [], list(error.findings)
    if table.error and not table.rows:
        return [], [_unreadable(path, table)]
    if missing := {"still_life", "on_model"} - set(table.names):
        return [], [_missing_columns(path, table, missing)]
    pairs: list[PhotoPair] = []
    findings: list[Finding] = []
    photos: dict[str, set[str]] = {}
    for row in table.rows:
        photos.setdefault(row.values["still_life"], set()).add(row.values["on_model"])
    views = Counter({still_life: len(names) for still_life, names in photos.items()})
    for row in table.rows:
        pair = _pair_of_row(row, path, several=views[row.values["still_life"]] > 1)
        if isinstance(pair, Finding):
            findings.append(pair)
        else:
            pairs.append(pair)
    return pairs, [*findings, *([_unreadable(path, table)] if table.error else [])]


def _pair_of_row(row: Row, path: Path, *, several: bool) -> PhotoPair | Finding:
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
    still_life, on_model = (path.parent / names[role] for role in ("still_life", "on_model"))
    if still_life == on_model:
        return wrong("the same photo as still-life and on-model photo", "Name the other photo.")
    key = row.values.get("key") or (on_model.stem if several else key_of_still_life(still_life))
    return PhotoPair(key, still_life, on_model, garment)


def _missing_columns(path: Path, table: Table, missing: set[str]) -> Finding:
    has = ", ".join(table.columns)[:_SHOWN_CHARACTERS] or "nothing"
    return Finding(
        "csv.columns",
        str(path),
        f"no column {' and no column '.join(sorted(missing, reverse=True))}; the first line has {has}",
        "Name the columns still_life and on_model in the first line.",
        wanted="still_life, on_model",
        got=has,
    )


def _unreadable(path: Path, table: Table) -> Finding:
    if table.error.startswith("more than"):
        return Finding("csv.long", str(path), table.error, "Split the file.")
    last = table.rows[-1].line if table.rows else 0
    message = f"cannot be read after line {last}: {table.error}"
    return Finding("csv.unreadable", str(path), message, "Check the double quotes, or save it again.")
