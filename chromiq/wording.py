"""Format counts, intervals and names for display."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal

# Bidirectional controls, with which a file name could show a different suffix.
_DIRECTIONS = {
    ord(letter): ascii(letter)[1:-1] for letter in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
}
_LONGEST_PATH = 300


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun.

    >>> counted(1, "photo"), counted(0, "photo"), counted(2, "loss", "losses")
    ('1 photo', '0 photos', '2 losses')
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def interval_text(
    interval: Sequence[float] | None, images: int, style: str = ".2f", *, title: str = ""
) -> str:
    """The 95 % interval of a mean over images, or a note that there are too few images.

    Args:
        interval: the lower and upper end, or None.
        style: the format of both ends.
        title: text in front of an interval, not of the note.

    >>> interval_text((-2, -1e-9), 9, "+.2f", title="95 % interval "), interval_text(None, 1)
    ('95 % interval -2.00 to +0.00', 'no interval from 1 image')
    """
    if interval is None:
        return f"no interval from {counted(images, 'image')}"
    low, high = interval
    style = style.replace(".", "z.")  # never -0.00
    return f"{title}{low:{style}} to {high:{style}}"


def cut(value: float, decimals: int = 2) -> float:
    """A number without further decimals: rounded, 0.7996 would read as 0.80, not below 0.8.

    >>> cut(0.7996), cut(0.29), cut(1.0), cut(0.97, 1)
    (0.79, 0.29, 1.0, 0.9)
    """
    return float(Decimal(str(float(value))).quantize(Decimal(10) ** -decimals, ROUND_DOWN))


def path_text(path: object) -> str:
    """A path for a message, shortened: those that no file can have may be of any length."""
    return str(path)[:_LONGEST_PATH]


def printable(text: str) -> str:
    r"""Escape control characters and invalid UTF-8, so that a name cannot control the terminal.

    >>> print(printable("Rüschen kleid\n\x1b[31m.jpg"))
    Rüschen kleid\n\x1b[31m.jpg
    """
    return "".join(ascii(letter)[1:-1] if _is_control(letter) else letter for letter in text)


def in_order(text: str) -> str:
    r"""Escape bidirectional controls, so that a name on a page reads as it is written.

    >>> print(in_order("on_model\u202egpj.exe"))
    on_model\u202egpj.exe
    """
    return text.translate(_DIRECTIONS)


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} or ord(letter) in _DIRECTIONS
