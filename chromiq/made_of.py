"""Files that know what they were made of, so that the same command again makes only what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chromiq.files import sha256_file, write_json


def record_made(record: Path, file: Path, made_of: str, **more: Any) -> None:
    """Write down what a finished file was made of.

    Args:
        record: the JSON file to write.
        file: that was made.
        made_of: digest of all that decides it.
        more: what else is to be known of it; plain data.
    """
    write_json(record, {"made_of": made_of, "image": sha256_file(file), **more})


def made_before(record: Path, file: Path, made_of: str) -> dict[str, Any] | None:
    """The record of a file that was made of the same and is still what it was, else None.

    A damaged record is as good as none: the file is made again.
    """
    if not (file.is_file() and record.is_file()):
        return None
    try:
        written: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        same = written["made_of"] == made_of and written["image"] == sha256_file(file)
    except (ValueError, KeyError, TypeError):
        return None
    return written if same else None
