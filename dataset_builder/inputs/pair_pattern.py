"""File name patterns of a studio, such as ``{sku}_flat*`` and ``{sku}_front*``, matched to photo pairs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from chromiq.dataset_builder.inputs.pair_names import Role
from chromiq.errors import UsageError

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
        UsageError: if the two patterns share no placeholder.
    """

    still_life: str
    on_model: str

    def __post_init__(self) -> None:
        if not self._shared():
            raise UsageError(
                f"the patterns {self.still_life!r} and {self.on_model!r} share no placeholder; "
                "write {sku} in both where the file names of a pair have the same text"
            )

    def _shared(self) -> list[str]:
        names = [
            {match["name"] for match in _TOKEN.finditer(pattern) if match["name"]}
            for pattern in (self.still_life, self.on_model)
        ]
        return sorted(names[0] & names[1])

    def role_and_garment(self, relative: Path) -> tuple[Role, tuple[str, ...]] | None:
        """What a photo is and which garment it shows; None if it fits neither pattern.

        Args:
            relative: the file's path below the folder.

        >>> pattern = PairPattern("{sku}_flat*", "{sku}_front*")
        >>> pattern.role_and_garment(Path("monday/A-1_Front_02.jpg"))
        ('on_model', ('a-1',))
        """
        for role, pattern in (("still_life", self.still_life), ("on_model", self.on_model)):
            match = _match(pattern, relative)
            if match:
                garment = tuple(match[name].casefold() for name in self._shared())
                return ("still_life" if role == "still_life" else "on_model"), garment
        return None


def match_pattern(
    pattern: PairPattern, folder: Path, photos: Iterable[Path]
) -> tuple[dict[tuple[str, ...], dict[Role, list[Path]]], list[Path]]:
    """Photos by garment and role, and those that fit neither pattern."""
    found: dict[tuple[str, ...], dict[Role, list[Path]]] = {}
    rest = []
    for path in photos:
        fits = pattern.role_and_garment(path.relative_to(folder))
        if fits is None:
            rest.append(path)
        else:
            found.setdefault(fits[1], {}).setdefault(fits[0], []).append(path)
    return found, rest


def _match(pattern: str, relative: Path) -> re.Match[str] | None:
    expression = _expression(pattern)
    whole = relative.as_posix() if "/" in pattern else relative.name
    return expression.fullmatch(whole) or expression.fullmatch(whole.removesuffix(relative.suffix))


def _expression(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    seen: set[str] = set()
    for token in _TOKEN.finditer(pattern):
        if name := token["name"]:
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
