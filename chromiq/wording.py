"""How counts and names are written for people."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

# Marks that reverse the text which follows: a name with one could show another suffix than it has.
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun.

    >>> counted(1, "photo"), counted(0, "photo"), counted(2, "loss", "losses")
    ('1 photo', '0 photos', '2 losses')
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def interval_text(
    interval: Sequence[float] | None, images: int, style: str = ".2f", *, title: str = ""
) -> str:
    """The 95 % interval of a mean over images, or that so few images have none.

    Args:
        interval: its low and high end, or None.
        style: format of both ends.
        title: what to call an interval that there is, in running text.

    >>> interval_text((-2, 0.5), 9, "+.2f", title="95 % interval "), interval_text(None, 1)
    ('95 % interval -2.00 to +0.50', 'no interval from 1 image')
    """
    if interval is None:
        return f"no interval from {counted(images, 'image')}"
    low, high = interval
    return f"{title}{low:{style}} to {high:{style}}"


def printable(text: str) -> str:
    r"""Text on one line, with control characters escaped, so that no name can drive the terminal.

    Bytes of a name that are not UTF-8 are escaped too; all other letters stay.

    >>> print(printable("Rüschen kleid\n\x1b[31m.jpg"))
    Rüschen kleid\n\x1b[31m.jpg
    """
    return "".join(ascii(letter)[1:-1] if _is_control(letter) else letter for letter in text)


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} or letter in _DIRECTIONS
