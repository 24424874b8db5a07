"""A CSV file -> photo pairs, unchecked, and what is wrong with its lines."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from chromiq.dataset_builder.inputs.pair_names import key_of_still_life
from chromiq.errors import Finding
from chromiq.records import PhotoPair

MAX_CSV_ROWS = 1_000_000
_SURPLUS = "\0surplus"  # no column can be called so


def pairs_of_csv(path: Path) -> tuple[list[PhotoPair], list[Finding]]:
    """The pairs a CSV file lists, and a finding for each line that lists none."""
    pairs: list[PhotoPair] = []
    findings: list[Finding] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream, restkey=_SURPLUS, strict=True)
            missing = {"still_life", "on_model"} - set(rows.fieldnames or ())
            if missing:
                wanted = "the columns still_life and on_model"
                got = ", ".join(rows.fieldnames or ()) or "an empty file"
                return [], [
                    Finding.expected(
                        "csv.columns", str(path), wanted, got[:200], "add a first line with them"
                    )
                ]
            for row in rows:
                if rows.line_num > MAX_CSV_ROWS:
                    findings.append(
                        Finding.expected(
                            "csv.long", str(path), f"at most {MAX_CSV_ROWS} lines", "more", "split it"
                        )
                    )
                    break
                pair = _pair_of_row(row, path)
                if isinstance(pair, Finding):
                    findings.append(pair)
                else:
                    pairs.append(pair)
    except (UnicodeDecodeError, csv.Error) as error:
        findings.append(
            Finding.expected("csv.unreadable", str(path), "a CSV file in UTF-8", f"'{error}'", "re-save it")
        )
    return pairs, findings


def _pair_of_row(row: dict[str, Any], path: Path) -> PhotoPair | Finding:
    names = {role: (row.get(role) or "").strip() for role in ("still_life", "on_model")}
    where = f"{path.name}: {names['still_life'] or '-'}, {names['on_model'] or '-'}"
    if not all(names.values()):
        return Finding.expected(
            "csv.row", where, "a still-life and an on-model photo", "an empty field", "fill it in"
        )
    if any("\0" in name for name in names.values()):
        return Finding.expected("csv.row", repr(where), "file names", "a null byte", "remove it")
    surplus = [field for field in row.get(_SURPLUS) or () if field.strip()]
    if surplus:
        wanted, cure = "as many fields as columns", "put a field with a comma in it into double quotes"
        return Finding.expected("csv.row", where, wanted, f"more: {', '.join(surplus)}"[:200], cure)
    garment = (row.get("garment") or "").strip() or None
    if garment and not garment.isprintable():
        return Finding.expected(
            "csv.row", where, "a garment's name on one line", repr(garment)[:80], "write the name"
        )
    still_life, on_model = (path.parent / names[role] for role in ("still_life", "on_model"))
    if still_life == on_model:
        return Finding.expected(
            "csv.row", where, "two photos", "one photo in both places", "name the other one"
        )
    key = (row.get("key") or "").strip() or key_of_still_life(still_life)
    return PhotoPair(key, still_life, on_model, garment)
