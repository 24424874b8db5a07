"""The dataset as it is trained on: every example, what is wrong with it, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chromiq.dataset_builder.doctor.dataset import check_dataset
from chromiq.dataset_builder.inputs.labels import edited_garments, entries_of, names_in, read_garments
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_builder.inputs.selection import (
    CHOICES,
    Choice,
    garment_of,
    read_selection,
    write_selection,
)
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_builder.pair_record import read_record, recorded_keys
from chromiq.dataset_builder.segmenters.doubts import in_words
from chromiq.dataset_builder.sheets import blue_where_untrained
from chromiq.dataset_layout import (
    BuildSource,
    DatasetLayout,
    read_build_record,
    read_build_source,
    read_examples,
)
from chromiq.errors import Finding, UsageError
from chromiq.files import natural_key, write_json
from chromiq.photos.images import encode_image, read_small
from chromiq.records import Example, PhotoPair
from chromiq.studio.pages import Answer, answers_json, folder_of, fragment, page, parts_of, png, shell_command
from chromiq.studio.previews import Stamp, stamp
from chromiq.studio.screens.light_table import AT_ONCE
from chromiq.studio.workplace import OpenedFolder

_PLACE = "/f/{folder}/dataset"
_SMALL_PX, _LARGE_PX = 560, 2000
_ROLES = ("control", "trained", "truth", "reference", "review")
_MOST_LABEL = 80
_KEPT = 16


@dataclass(frozen=True)
class Card:
    """A pair on the contact sheet.

    Attributes:
        examples: that were made of it; none if it was left out.
        label: what the garment is called, or will be after the next build.
        choice: what the user chose; empty if nothing.
        reasons: why its mask is doubtful, in words; empty if it is not.
        pictures: roles of pictures that it has.
    """

    key: str
    examples: tuple[Example, ...]
    label: str
    choice: str
    reasons: str
    pictures: tuple[str, ...]

    @property
    def split(self) -> str:
        """Where its examples are now."""
        return self.examples[0].split if self.examples else "left out"

    @property
    def has_changed(self) -> bool:
        """Whether the next build would change it."""
        if not self.examples:
            return self.choice in {"train", "held_out"}
        is_relabelled = self.label != self.examples[0].label.name
        return is_relabelled or (self.choice not in {"", self.split})


def cards_of(folder: Path) -> list[Card]:
    """All pairs of a dataset, those left out first.

    Raises:
        UnsoundError: if the manifest, the labels or the choices cannot be read.
    """
    by_key: dict[str, list[Example]] = {}
    for example in dataset_examples(folder).values():
        by_key.setdefault(example.key, []).append(example)
    chosen = read_selection(folder)
    relabelled = _relabelled(folder)
    keys = sorted({*by_key, *recorded_keys(folder), *chosen}, key=natural_key)
    cards = [_card(folder, key, by_key.get(key, []), chosen.get(key, ""), relabelled) for key in keys]
    return sorted(cards, key=lambda card: bool(card.examples))


def _card(
    folder: Path, key: str, examples: list[Example], choice: str, relabelled: Mapping[str, str]
) -> Card:
    if examples:
        first = examples[0]
        label, doubts = first.label.name, first.mask_reasons
        roles = ["control", "trained", *(["reference"] if first.reference else [])]
    else:
        record = read_record(folder, key)
        label, doubts = "", record.doubt.reasons if record and record.doubt else ()
        roles = ["review"] if DatasetLayout(folder).review_picture(key).is_file() else []
    reasons = in_words(doubts) if doubts else ""
    return Card(key, tuple(examples), relabelled.get(key, label), choice, reasons, tuple(roles))


def _relabelled(folder: Path) -> dict[str, str]:
    """By key, the words that were written into ``garments.json`` since the last build."""
    edited = edited_garments(folder)
    pairs = list(dataset_pairs(folder).values()) if edited else []
    entries = entries_of(pairs, edited, DatasetLayout(folder).garments)
    return {key: edited[entry] for key, entry in entries.items()}


def _dataset(request: Request) -> OpenedFolder:
    return folder_of(request, "dataset")


def _page(request: Request) -> Response:
    folder = _dataset(request)
    cards = cards_of(folder.path)
    return page(
        request,
        "dataset",
        title=f"Dataset: {folder.name}",
        command=build_command(folder.path),
        folder=folder,
        cards=cards,
        choices=CHOICES,
        labels=sorted({card.label for card in cards if card.label}),
        can_edit=_build_words(folder.path) is not None,
        at_once=AT_ONCE,
        held_out=sum(card.split == "held_out" for card in cards),
        trained=sum(len(card.examples) for card in cards if card.split == "train"),
    )


def _cards(request: Request) -> Response:
    """The cards of the pairs that are asked for."""
    folder, keys = _dataset(request), set(request.query_params.getlist("key"))
    cards = [card for card in cards_of(folder.path) if card.key in keys]
    can_edit = _build_words(folder.path) is not None
    return fragment("dataset_cards", folder=folder, cards=cards, choices=CHOICES, can_edit=can_edit)


def build_command(folder: Path) -> str:
    """The command that builds a dataset again."""
    return shell_command("chromiq", *(_build_words(folder) or ["build", "PAIRS", "--out", str(folder)]))


def _build_words(folder: Path) -> list[str] | None:
    source, options = read_build_source(folder), read_build_record(folder)
    if source is None or not options or not Path(source.pairs).exists():
        return None
    return build_words(str(folder), source, options)


def _findings(request: Request) -> Response:
    return Answer(findings_by_key(_dataset(request).path))


def findings_by_key(folder: Path) -> dict[str, Any]:
    """What `doctor` finds: by key what concerns one pair, and under ``""`` what concerns the dataset."""
    owners = {example.name: example.key for example in dataset_examples(folder).values()}
    found: dict[str, list[dict[str, str]]] = {}
    for finding in check_dataset(folder):
        shown = replace(finding, where=Path(finding.where).name)
        found.setdefault(_owner(finding, owners), []).append(
            {"code": finding.code, "text": shown.text, "severity": finding.severity}
        )
    return {"findings": found}


def _owner(finding: Finding, owners: Mapping[str, str]) -> str:
    name = Path(finding.where).name
    for stem in (Path(name).stem, name):
        if stem in owners:
            return owners[stem]
    key = Path(name).stem.removeprefix("on_model")
    return key if key in owners.values() else ""


def _picture(request: Request) -> Response:
    folder, key, role = _dataset(request), request.path_params["key"], request.path_params["role"]
    side_px = _LARGE_PX if "large" in request.query_params else _SMALL_PX
    if role == "review":
        path = DatasetLayout(folder.path).review_picture(key)
        if key not in recorded_keys(folder.path) or not path.is_file():
            raise HTTPException(404, "There is no such picture.")
        image = read_small(parts_of(request).workplace.inside(path), side_px)
        return Response(encode_image(image), media_type="image/jpeg")
    example = dataset_examples(folder.path).get(key)
    if example is None or role not in _ROLES:
        raise HTTPException(404, "There is no such picture.")
    name = {"control": example.control, "reference": example.reference}.get(role, example.target)
    if name is None:
        raise HTTPException(404, "There is no such picture.")
    image = read_small(parts_of(request).workplace.inside(folder.path / name), side_px)
    if role == "trained" and example.mask:
        mask = parts_of(request).workplace.inside(folder.path / example.mask)
        image = blue_where_untrained(image, read_small(mask, side_px, grey=True))
    if side_px == _LARGE_PX:
        return png(encode_image(image, "PNG"))
    return Response(encode_image(image), media_type="image/jpeg")


def _change(request: Request, wishes: dict[str, Any]) -> dict[str, Any]:
    """Write what was chosen for a pair into the files that the next build reads."""
    folder, key = _dataset(request).path, request.path_params["key"]
    pairs = dataset_pairs(folder)
    if key not in pairs:
        raise HTTPException(404, "There is no pair of this key, or the dataset's photos have moved.")
    if unknown := wishes.keys() - {"label", "choice"}:
        raise UsageError(f"{sorted(unknown)[0]!r} cannot be changed")
    with parts_of(request).workplace.writing(folder):
        if "label" in wishes:
            label = " ".join(str(wishes["label"]).split())[:_MOST_LABEL]
            if not label or not label.isprintable():
                raise UsageError("a label is a garment's name, such as jacket")
            path = DatasetLayout(folder).garments
            known = read_garments(path) if path.is_file() else {}
            write_json(path, {**known, names_in(list(pairs.values()), known, path)[key]: label})
        if "choice" in wishes:
            write_selection(folder, _chosen(folder, key, wishes["choice"]))
    card = next(card for card in cards_of(folder) if card.key == key)
    return {"label": card.label, "choice": card.choice, "changed": card.has_changed}


def _chosen(folder: Path, key: str, choice: object) -> dict[str, Choice]:
    """The choices with one more; photos of one garment are held out or trained on together."""
    if choice not in (*CHOICES, ""):
        raise UsageError(f"{choice!r} is not a choice; use {', '.join(CHOICES)}, or nothing")
    chosen, pairs = read_selection(folder), dataset_pairs(folder)
    same = [other for other in pairs if garment_of(pairs[other]) == garment_of(pairs[key])]
    for other in [key] if choice == "exclude" else same:
        if other != key and chosen.get(other) == "exclude":
            continue
        chosen.pop(other, None)
        if choice:
            chosen[other] = choice  # type: ignore[assignment]  # it was looked up above
    return chosen


def _build(request: Request) -> Response:
    folder = _dataset(request)
    words = _build_words(folder.path)
    if words is None:
        raise UsageError(f"{folder.path}: what it was built from is not recorded, or has moved")
    if not parts_of(request).commands.start(words, lambda _: None):
        raise UsageError("another command that the page started is still at work; wait for it")
    return Answer({"started": True})


def _build_status(request: Request) -> Response:
    folder, status = _dataset(request), parts_of(request).commands.status
    if status is None or status.words[1] != "build" or str(folder.path) not in status.words:
        return Answer({"running": False, "code": None, "text": ""})
    lines = [line for line in status.said.replace("\r", "\n").splitlines() if line.strip()]
    return Answer(
        {"running": status.exit_code is None, "code": status.exit_code, "text": "\n".join(lines[-12:])}
    )


def dataset_examples(folder: Path) -> dict[str, Example]:
    """The examples of a dataset by name, read again when its manifest has changed.

    Raises:
        UnsoundError: if a line of the manifest is not an example.
    """
    return _examples(folder, stamp(DatasetLayout(folder).manifest))


@lru_cache(_KEPT)
def _examples(folder: Path, _: Stamp) -> dict[str, Example]:
    return {example.name: example for example in read_examples(folder)}


def dataset_pairs(folder: Path) -> dict[str, PhotoPair]:
    """The pairs that a dataset was built from, by key; none if that is not recorded or they have moved.

    They are listed once for each build.
    """
    source = read_build_source(folder)
    if source is None or not Path(source.pairs).exists():
        return {}
    return _pairs(Path(source.pairs), stamp(DatasetLayout(folder).source_record))


@lru_cache(_KEPT)
def _pairs(source: Path, _: Stamp) -> dict[str, PhotoPair]:
    return {pair.key: pair for pair in find_pairs(source).pairs}


def build_words(dataset: str, source: BuildSource, options: dict[str, Any]) -> list[str]:
    """``build ...``, which builds a dataset again as it was built; options at their defaults are left out.

    >>> build_words("d", BuildSource("photos", skip_bad=True), {"variants": 2, "size_wh": [256, 160]})
    ['build', 'photos', '--out', 'd', '--size', '256x160', '--variants', '2', '--skip-bad']
    """
    words = ["build", source.pairs, "--out", dataset]
    usual = json.loads(json.dumps(asdict(BuildOptions())))  # as the record has them
    usual |= usual.pop("models")
    built = {**options, **(options.get("models") or {})}
    for name, default in usual.items():
        value = built.get(name, default)
        if name == "size_wh":
            words += ["--size", f"{value[0]}x{value[1]}"] if value else []
        elif name == "captions":
            words += [word for template in value or () for word in ("--caption", template)]
        elif value not in (None, default):
            words += [_flag(name), ",".join(value) if isinstance(value, list) else str(value)]
    for name in ("garments", "masks"):
        if path := getattr(source, name):
            words += [_flag(name), path]
    return words + [_flag(name) for name in ("skip_bad", "keep_doubtful") if getattr(source, name)]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


ROUTES = [
    Route(_PLACE, _page),
    Route(f"{_PLACE}/cards", _cards),
    Route(f"{_PLACE}/findings", _findings),
    Route(f"{_PLACE}/build", _build, methods=["POST"]),
    Route(f"{_PLACE}/build", _build_status, methods=["GET"]),
    Route(f"{_PLACE}/pair/{{key}}", answers_json(_change), methods=["POST"]),
    Route(f"{_PLACE}/picture/{{key}}/{{role}}", _picture),
]
