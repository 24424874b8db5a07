"""What each garment is called: as the user says, else as a detector sees, else as its outline suggests.

A dataset's ``garments.json`` has the published form, which does not say who wrote what, and the user may
edit it. So the builder keeps a copy of what it wrote itself: an entry that differs is the user's, and is
recorded as such. However a build is interrupted, the next one reads the same from the two files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from os.path import normpath
from pathlib import Path

from chromiq.dataset_layout import DatasetLayout
from chromiq.documents import load_json, read_json_object, read_text
from chromiq.errors import Finding, UsageError, raise_findings
from chromiq.files import by_composed_name, composed_name, write_json
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


def read_garments(path: Path) -> dict[str, str]:
    """Labels in the published form, ``{"still-life1.jpg": "jacket"}``, by composed name.

    Raises:
        UnsoundError: with all that is wrong in the file.
    """
    hint = 'Write an object such as {"still-life1.jpg": "jacket"}, in UTF-8.'
    document = read_json_object(path, "garments", hint)
    findings = [
        Finding(
            "garments.label",
            f"{path.name}: {name}",
            f"{repr(label)[:80]} is not a garment name on a single line",
            'Write a name such as "jacket".',
        )
        for name, label in document.items()
        if not (isinstance(label, str) and label.strip() and label.isprintable())
    ]
    raise_findings(findings, str(path))
    return by_composed_name(document.items(), path, "garments.twice")


def garment_names(pairs: Iterable[PhotoPair]) -> dict[str, str]:
    """What the garment of each pair is called by in ``garments.json``, by key.

    It is the composed file name of its still-life, below its folders where others have the same file name.

    >>> pairs = [PhotoPair(sku, Path(f"{sku}/flat.jpg"), Path(f"{sku}/front.jpg")) for sku in ("A", "B")]
    >>> garment_names(pairs), garment_names(pairs[:1])
    ({'A': 'A/flat.jpg', 'B': 'B/flat.jpg'}, {'A': 'flat.jpg'})
    """
    paths = {pair.key: Path(_composed_path(pair)) for pair in pairs}
    names: dict[Path, str] = {}
    unnamed, depth = set(paths.values()), 1
    while unnamed:
        tails = {path: "/".join(path.parts[-depth:]) for path in unnamed}
        often = Counter(tails.values())
        names |= {path: tail for path, tail in tails.items() if often[tail] == 1}
        unnamed -= names.keys()
        depth += 1
    return {key: names[path] for key, path in paths.items()}


def entries_of(pairs: Sequence[PhotoPair], entries: Iterable[str], where: Path) -> dict[str, str]:
    """Which of some entries by composed name means the garment of each pair, by key, where there is one.

    An entry means the garment that `garment_names` calls so, or else the one with a still-life whose path
    ends with it; the longest counts.

    Args:
        pairs: all that are listed: with fewer, an entry may seem to fit one alone.
        where: the file of the entries, for the findings.

    Raises:
        UnsoundError: with each entry that would mean several garments.
    """
    names, known = garment_names(pairs), set(entries)
    found: dict[str, str] = {}
    meant: dict[str, set[str]] = {}
    for pair in pairs:
        path = _composed_path(pair).replace("\\", "/")
        ends = (path[at:] for at in range(len(path)) if at == 0 or path[at - 1] == "/")
        name = names[pair.key]
        entry = next((each for each in (name, *ends) if each in known), None)
        if entry:
            found[pair.key] = entry
            meant.setdefault(entry, set()).add(name)
    findings = [
        Finding(
            "garments.several",
            f"{where}: {entry}",
            f"fits {len(several)} still-lifes, such as {' and '.join(sorted(several)[:2])}",
            f"Write {min(several)} in its place, and an entry for each other that you name.",
        )
        for entry, several in meant.items()
        if len(several) > 1
    ]
    raise_findings(findings, str(where))
    return found


def names_in(pairs: Sequence[PhotoPair], entries: Iterable[str], where: Path) -> dict[str, str]:
    """What the garment of each pair is called by in a file with such entries, by key: as the user wrote it.

    Arguments and errors are those of `entries_of`.
    """
    return {**garment_names(pairs), **entries_of(pairs, entries, where)}


def _composed_path(pair: PhotoPair) -> str:
    return composed_name(normpath(pair.still_life.absolute()))


def recall_given(folder: Path) -> dict[str, str]:
    """The words that the user wrote into a dataset's ``garments.json``, now or before.

    They are recorded at once, so that the file can be rewritten. An entry that the user removed is dropped,
    and its garment is named automatically again.

    Returns:
        Word of each garment, by its entry: see `entries_of`.

    Raises:
        UnsoundError: if the file is there and cannot be read.
    """
    given, written = _memory(folder)
    if not DatasetLayout(folder).garments.is_file():
        return given  # no build has ended yet, or one was interrupted while it wrote the file
    seen = read_garments(DatasetLayout(folder).garments)
    given = {name: word for name, word in given.items() if name in seen} | _edited(seen, written)
    _remember(folder, given, seen)
    return given


def edited_garments(folder: Path) -> dict[str, str]:
    """The entries of a dataset's ``garments.json`` that the last build did not write, by composed name.

    Raises:
        UnsoundError: if the file is there and cannot be read.
    """
    path = DatasetLayout(folder).garments
    return _edited(read_garments(path), _memory(folder)[1]) if path.is_file() else {}


def write_own_garments(folder: Path, labels: Mapping[str, str], given: Mapping[str, str]) -> None:
    """Write a dataset's ``garments.json``, such that the user's edits can be recognised later.

    What the user has edited since `recall_given` stays, for the next build.

    Args:
        labels: what the garments of its examples are called, by their entries.
        given: as `recall_given` gave it; words for garments without examples stay in the file.
    """
    edited = edited_garments(folder)
    given, known = {**given, **edited}, {composed_name(name) for name in labels}
    entries = {name: edited.get(composed_name(name), word) for name, word in labels.items()}
    entries |= {name: given[name] for name in sorted(given) if name not in known}
    # While copy and file differ, a difference would be taken for the user's edit: meanwhile there is no file.
    DatasetLayout(folder).garments.unlink(missing_ok=True)
    _remember(folder, given, entries)
    write_json(DatasetLayout(folder).garments, entries)


def _edited(seen: Mapping[str, str], written: Mapping[str, str]) -> dict[str, str]:
    return {name: word for name, word in seen.items() if word != written.get(name)}


def _remember(folder: Path, given: Mapping[str, str], written: Mapping[str, str]) -> None:
    memory = {"given": dict(sorted(given.items())), "written": written}
    write_json(DatasetLayout(folder).garments_memory, memory)


def _memory(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The user's words and what was written last, by composed name; nothing if a disk fault damaged them."""
    try:
        document = load_json(read_text(DatasetLayout(folder).garments_memory))
    except (OSError, ValueError):
        return {}, {}
    given, written = (
        {composed_name(name): word for name, word in document[part].items()} for part in ("given", "written")
    )
    return given, written
