"""What the name of a photo says: its role in a pair, and which pair."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

Role = Literal["still_life", "on_model"]
_BEFORE_VIEW = ("-", "_", " ", ".")

_FILE_NAME = re.compile(
    r"(?P<role>still[-_ ]?life|on[-_ ]?model)[-_ ]?(?P<key>.+)", re.IGNORECASE | re.DOTALL
)
FOLDER_NAME = re.compile(r"(?P<role>still[-_ ]?lifes?|on[-_ ]?models?)", re.IGNORECASE)


def key_of_still_life(path: Path) -> str:
    """What a still-life's name says about its garment: the N of ``still-lifeN``, else the whole stem.

    >>> key_of_still_life(Path("still-life7.jpg")), key_of_still_life(Path("red-shirt.jpg"))
    ('7', 'red-shirt')
    """
    match = _FILE_NAME.fullmatch(path.stem)
    return match["key"] if match else path.stem


def role_and_key_of(path: Path, folder: Path) -> tuple[Role, str] | None:
    """What a photo in a folder, or in a subfolder named after one role, is; None if its name does not say."""
    if path.parent != folder:
        match = FOLDER_NAME.fullmatch(path.parent.name)
        return (_role(match["role"]), path.stem) if match else None
    match = _FILE_NAME.fullmatch(path.stem)
    return (_role(match["role"]), match["key"]) if match else None


def still_life_key_of_view(key: str, still_life_keys: Iterable[str]) -> str | None:
    """The still-life that one of several on-model photos of a garment belongs to, by their keys.

    >>> still_life_key_of_view("7-back", ["7", "70", "7-b"]), still_life_key_of_view("70", ["7"])
    ('7', None)
    """
    fitting = [
        name for name in still_life_keys if key.startswith(name) and key[len(name) :][:1] in _BEFORE_VIEW
    ]
    return max(fitting, key=len, default=None)


def is_photo_folder(folder: Path, source: Path) -> bool:
    """Whether a folder is one of those below a source that photos of one role are read from.

    >>> is_photo_folder(Path("shoot/on-model"), Path("shoot")), is_photo_folder(Path("shoot"), Path("shoot"))
    (True, False)
    """
    return folder.resolve().parent == source.resolve() and bool(FOLDER_NAME.fullmatch(folder.name))


def _role(text: str) -> Role:
    return "still_life" if text.lower().startswith("still") else "on_model"
