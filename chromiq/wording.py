"""How counts and names are written for people."""

from __future__ import annotations

import unicodedata

# Marks that reverse the text which follows: a name with one could show another suffix than it has.
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun.

    >>> counted(1, "photo"), counted(0, "photo"), counted(2, "loss", "losses")
    ('1 photo', '0 photos', '2 losses')
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def printable(text: str) -> str:
    r"""Text on one line, with control characters escaped, so that no name can drive the terminal.

    Bytes of a name that are not UTF-8 are escaped too; all other letters stay.

    >>> print(printable("Rüschen kleid\n\x1b[31m.jpg"))
    Rüschen kleid\n\x1b[31m.jpg
    """
    return "".join(ascii(letter)[1:-1] if _is_control(letter) else letter for letter in text)


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} or letter in _DIRECTIONS
