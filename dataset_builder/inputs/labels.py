"""What each garment is called: as the user says, else as a detector sees, else as its outline suggests."""

from __future__ import annotations

from collections.abc import Sequence

from chromiq.errors import UsageError
from chromiq.records import FloatImage, GarmentLabel, PhotoPair

PUBLISHED_VOCABULARY = ("shirt", "trousers", "dress", "jacket", "gilet", "pants")
SYNONYMS = (
    ("trousers", "pants"),
    ("t-shirt", "tee"),
    ("gilet", "vest", "waistcoat"),
    ("jumper", "sweater", "pullover"),
)
"""Words for one thing, in lower case; their scores count together."""

CLOSE_SECOND = 0.1
DETECTION_THRESHOLD = 0.3
"""A box with a lower score is no detection."""
_ON_MODEL_WEIGHT = 0.5


def given_label(pair: PhotoPair) -> GarmentLabel | None:
    """The label that the user gave a pair, which always wins, or None."""
    return GarmentLabel(pair.garment, "given") if pair.garment else None


def decide_label(
    vocabulary: Sequence[str], still_life: FloatImage, on_model: FloatImage, source: str
) -> GarmentLabel:
    """The garment's word from every word's score on both photos.

    Synonyms fold into the one that the vocabulary names first, and take the better score. The still-life
    leads, and the on-model photo, at half weight, settles what is close.

    Args:
        vocabulary: P words.
        still_life: ``(P,)`` float32 in 0..1, each word's best score there.
        on_model: the same for the other photo.
        source: who saw them, such as ``"grounding-dino"``.

    Returns:
        The best word, with the second best as runner-up if it is close. Its score is 0 if no photo has a
        detection of it: then it is a guess.

    >>> scores = [0.4, 0.1, 0.7], [0.1, 0.5, 0.4]
    >>> decide_label(("shirt", "trousers", "pants"), *scores, "grounding-dino").name
    'trousers'
    """
    totals: dict[str, float] = {}
    seen: set[str] = set()
    for word, first, second in zip(vocabulary, still_life, on_model, strict=True):
        name = _folded(word, vocabulary)
        total = float((first + _ON_MODEL_WEIGHT * second) / (1 + _ON_MODEL_WEIGHT))
        totals[name] = max(totals.get(name, 0.0), total)
        if max(first, second) >= DETECTION_THRESHOLD:
            seen.add(name)
    ranked = sorted(totals, key=lambda name: (-totals[name], name))
    close = len(ranked) > 1 and totals[ranked[0]] - totals[ranked[1]] < CLOSE_SECOND
    return GarmentLabel(
        name=ranked[0],
        source=source,
        score=round(min(1.0, totals[ranked[0]]), 4) if ranked[0] in seen else 0.0,
        runner_up=ranked[1] if close else None,
    )


def parse_vocabulary(text: str) -> tuple[str, ...]:
    """Garment words from one line with commas.

    >>> parse_vocabulary("shirt, zip top")
    ('shirt', 'zip top')

    Raises:
        UsageError: if there is no word, a word is repeated, or one has a dot or a control character.
    """
    words = tuple(word.strip() for word in text.split(","))
    plain = all(word and word.isprintable() and "." not in word for word in words)
    if not plain or len({word.lower() for word in words}) < len(words):
        raise UsageError(
            f"vocabulary {text!r} is not a list of different words without dots; "
            "separate them by commas, such as shirt,trousers,dress"
        )
    return words


def _folded(word: str, vocabulary: Sequence[str]) -> str:
    group = next((words for words in SYNONYMS if word.lower() in words), (word.lower(),))
    return next(other for other in vocabulary if other.lower() in group)
