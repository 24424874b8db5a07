"""What the name of a photo says: its role and its pair, by chromiq's own names or by a studio's pattern.

chromiq's names are ``still-lifeN`` and ``on_modelN``; a `PairPattern` such as ``{sku}_flat*`` and
``{sku}_front*`` describes any others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from chromiq.errors import UsageError
from chromiq.files import collision_key, composed_name

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


_TOKEN = re.compile(r"\{(?P<name>[A-Za-z_]\w*)\}|(?P<any>\*\*)|(?P<part>\*)|(?P<one>\?)|(?P<text>[^{*?]+|\{)")


@dataclass(frozen=True)
class PairPattern:
    """How a studio names its photos.

    ``{sku}`` stands for the text that both photos of a pair share, ``*`` for any text and ``?`` for one
    character. A pattern with a slash is matched to the path below the folder, any other to the file name in
    whatever subfolder. Case does not matter and the suffix need not be written.

    Attributes:
        still_life: pattern of the still-lifes.
        on_model: pattern of the on-model photos, of which a still-life may have several.

    Raises:
        UsageError: if the two patterns share no placeholder, or one has no valid name.
    """

    still_life: str
    on_model: str

    def __post_init__(self) -> None:
        for role in ("still_life", "on_model"):
            object.__setattr__(self, role, getattr(self, role).replace("\\", "/"))  # as Windows writes paths
        if not self._shared:
            raise UsageError(
                f"the patterns {self.still_life!r} and {self.on_model!r} share no placeholder; "
                "write {sku} in both where the file names of a pair have the same text"
            )

    @cached_property
    def _expressions(self) -> dict[Role, re.Pattern[str]]:
        return {"still_life": _expression(self.still_life), "on_model": _expression(self.on_model)}

    @cached_property
    def _shared(self) -> list[str]:
        first, second = (expression.groupindex.keys() for expression in self._expressions.values())
        return sorted(first & second)

    def role_and_garment(self, relative: Path) -> tuple[Role, tuple[str, ...]] | None:
        """What a photo is and which garment it shows; None if it fits neither pattern.

        Args:
            relative: the file's path below the folder.

        >>> pattern = PairPattern("{sku}_flat*", "{sku}_front*")
        >>> pattern.role_and_garment(Path("monday/A-1_Front_02.jpg"))
        ('on_model', ('a-1',))
        """
        for role, expression in self._expressions.items():
            whole = composed_name(relative.as_posix() if "/" in getattr(self, role) else relative.name)
            stem = whole.removesuffix(composed_name(relative.suffix))
            if match := expression.fullmatch(whole) or expression.fullmatch(stem):
                return role, tuple(collision_key(match[name]) for name in self._shared)
        return None


def _expression(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    seen: set[str] = set()
    for token in _TOKEN.finditer(composed_name(pattern)):
        if name := token["name"]:
            if not name.isidentifier():
                raise UsageError(
                    f"{{{name}}} in the pattern {pattern!r} cannot be a placeholder; "
                    "name it with letters, digits and underscores only"
                )
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+?)")
            seen.add(name)
        elif token["any"]:
            parts.append(".*")
        elif token["part"]:
            parts.append("[^/]*")
        elif token["one"]:
            parts.append("[^/]")
        else:
            parts.append(re.escape(token["text"]))
    return re.compile("".join(parts), re.IGNORECASE)
