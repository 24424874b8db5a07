"""What became of a batch: one self-contained HTML page, most doubtful first, and the same as a CSV table.

The page's pictures of each photo are written when it is corrected, so that a rerun need not make them again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from chromiq.colour import lab_to_srgb
from chromiq.correction.judging.plausibility import Answer
from chromiq.correction.photo import Correction
from chromiq.correction.plan import Colours, Lab
from chromiq.correction.subject import Subject
from chromiq.correction.target import from_d50
from chromiq.csv_tables import as_text, write_table
from chromiq.documents import load_record
from chromiq.errors import Finding
from chromiq.files import write_bytes, write_json, write_text
from chromiq.imaging.masks import bounding_box, outline_path
from chromiq.imaging.resize import fit_side
from chromiq.photos.images import encode_image, read_small
from chromiq.progress import Update, silent
from chromiq.records import BoolMask, RgbImage
from chromiq.templating import data_uri, render_page

_SIDE_PX = 1000
_CLOSE_UP_PX = 420
_MARGIN_SHARE = 0.04
_QUALITY = 84
PICTURES = ("still_life", "before", "after", "close_up_before", "close_up_after")

WORK = ".chromiq"
"""In the folder of results: what chromiq itself needs of them."""
REPORT, REPORT_TABLE = "report.html", "report.csv"
State = Literal[
    "to look at", "corrected", "left alone", "accepted", "rejected", "original kept", "changed by hand"
]
STATES: tuple[State, ...] = get_args(State)
_ANSWERS: dict[Answer, State] = {"corrected": "corrected", "look": "to look at", "left_alone": "left alone"}
_DECIDED: dict[str, State] = {
    "keep": "original kept",
    "reject": "rejected",
    "accept": "accepted",
    "changed by hand": "changed by hand",
}
_ORDER: tuple[State, ...] = (
    "corrected",
    "accepted",
    "to look at",
    "left alone",
    "original kept",
    "rejected",
    "changed by hand",
)
# Up to so many photos are shown at this size; what base64 makes of more would not open in a browser.
_SIDES_PX = ((40, 1000), (100, 640), (300, 420))
_SMALLEST_SIDE_PX = 240
_COLUMNS = (
    *("key", "photo", "result", "reason", "expected_gain_de00", "expected_remaining_de00"),
    *(f"{photo}_{axis}" for photo in ("still_life", "before", "after") for axis in "Lab"),
    *("de00_before", "de00_after", "L_apart", "C_apart", "h_apart_deg", "mask_confidence", "out"),
)


@dataclass(frozen=True)
class Patch:
    """A colour of the garment: its name, CIE Lab (D50) and sRGB as CSS writes it."""

    name: str
    lab: Lab
    css: str


@dataclass(frozen=True)
class Card:
    """One photo on the page.

    Attributes:
        anchor: its id, made of its position and never of its name.
        kind: ``"look"``, ``"left"``, ``"done"``: how it is marked.
        sentences: the reasons, each with what to do.
        panel: size and outline of the pictures; None if they are missing.
        pictures: data URI by name.
        patches: still-life, before and after; empty if there is no garment.
    """

    correction: Correction
    anchor: str
    name: str
    result: str
    kind: str
    sentences: tuple[tuple[str, str], ...]
    panel: Panel | None
    pictures: dict[str, str]
    patches: tuple[Patch, ...]


def state_of(answer: Answer, decision: str) -> State:
    """What became of one photo, in a word or two: what is decided about it, or else the answer."""
    return _DECIDED.get(decision) or _ANSWERS[answer]


def result_words(correction: Correction) -> State:
    """The state of a corrected photo."""
    return state_of(correction.answer, correction.decision)


def summary_line(corrections: Iterable[Correction]) -> str:
    """How many photos got which answer.

    >>> summary_line([])
    'no photo'
    """
    counts = Counter(map(result_words, corrections))
    return ", ".join(f"{counts[words]} {words}" for words in _ORDER if words in counts) or "no photo"


def write_report(
    folder: Path,
    corrections: Sequence[Correction],
    findings: Sequence[Finding],
    on_progress: Update = silent,
) -> None:
    """Write ``report.html`` and ``report.csv`` into the folder of results.

    Args:
        folder: with the pictures that `write_panel` wrote.
        corrections: of all photos.
        findings: what was wrong with those left out, and warnings.
    """
    side_px = next((side for count, side in _SIDES_PX if len(corrections) <= count), _SMALLEST_SIDE_PX)
    cards = []
    for number, correction in enumerate(sorted(corrections, key=doubtfulness), start=1):
        cards.append(_card(number, correction, folder, side_px))
        on_progress(number, len(corrections))
    text = render_page(
        "correction_report",
        title=f"Corrections: {folder.resolve().name}",
        summary=summary_line(corrections),
        cards=cards,
        findings=findings,
    )
    write_text(folder / REPORT, text)
    write_bytes(folder / REPORT_TABLE, write_table(list(_COLUMNS), [_row(each) for each in corrections]))


def doubtfulness(correction: Correction) -> tuple[int, float]:
    """A key that sorts what should be looked at first to the front."""
    if correction.decision in _DECIDED and correction.decision != "reject":
        return 4, 0.0
    if correction.answer == "look":
        return 0, correction.mask_confidence
    if correction.answer == "left_alone":
        if correction.doubts or correction.decision == "reject":
            return 1, correction.mask_confidence
        return 3, -(correction.expected_remaining or 0.0)
    return 2, -(correction.expected_remaining or 0.0)


def _card(number: int, correction: Correction, folder: Path, side_px: int) -> Card:
    panel = read_panel(folder, correction.key)
    return Card(
        correction=correction,
        anchor=f"photo-{number}",
        name=Path(correction.out).relative_to(folder).as_posix(),
        result=result_words(correction),
        kind={"look": "look", "left_alone": "left"}.get(correction.answer, "done"),
        sentences=_sentences(correction),
        panel=panel,
        pictures={} if panel is None else _pictures(panel, side_px),
        patches=() if correction.colours is None else patches(correction.colours),
    )


def _sentences(correction: Correction) -> tuple[tuple[str, str], ...]:
    """Reasons as sentences, and what to do about each."""
    if correction.doubts:
        return tuple((_sentence(doubt.reason), doubt.hint) for doubt in correction.doubts)
    reason = correction.reason.removeprefix("left alone: ")
    return ((_sentence(reason), ""),)


def _sentence(clause: str) -> str:
    """
    >>> _sentence("the mask covers the face")
    'The mask covers the face.'
    """
    return f"{clause[:1].upper()}{clause[1:].rstrip('.')}."


def _pictures(panel: Panel, side_px: int) -> dict[str, str]:
    is_smaller = side_px < max(panel.size_wh)
    shown = {}
    for name in PICTURES:
        path = panel.folder / f"{name}.jpg"
        data = encode_image(read_small(path, side_px), quality=80) if is_smaller else path.read_bytes()
        shown[name] = data_uri(data, "image/jpeg")
    return shown


def patches(colours: Colours) -> tuple[Patch, ...]:
    """The colours of a garment to be shown: still-life, before and after."""
    named = (("still-life", colours.still_life), ("before", colours.before), ("after", colours.after))
    return tuple(Patch(name, lab, _css(lab)) for name, lab in named)


def _css(lab: Lab) -> str:
    red, green, blue = lab_to_srgb(from_d50(np.array([[lab]])))[0, 0].tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"


def _row(correction: Correction) -> list[str]:
    colours = correction.colours
    return [
        correction.key,
        as_text(Path(correction.on_model).name),
        result_words(correction),
        correction.reason,
        _number(correction.estimated_gain),
        _number(correction.expected_remaining),
        *([""] * 14 if colours is None else map(_number, np.hstack(astuple(colours)))),
        _number(correction.mask_confidence),
        as_text(correction.out),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:z.2f}"


@dataclass(frozen=True)
class Panel:
    """Pictures of a correction.

    Attributes:
        folder: where they lie as JPEG, named as in `PICTURES`.
        size_wh: of the two on-model pictures, in pixels.
        outline: SVG path of the mask in their pixels.
    """

    folder: Path
    size_wh: tuple[int, int]
    outline: str


def write_panel(folder: Path, key: str, subject: Subject, after: RgbImage) -> None:
    """Write the pictures of a correction: both photos cut to the garment, and its cloth pixel for pixel.

    Args:
        folder: of the results.
        subject: the pair as it came.
        after: ``(H, W, 3)`` uint8 sRGB, the on-model photo as it is written.
    """
    folder, mask = _panel_folder(folder, key), subject.found.mask
    box = _around(mask)
    cut = mask[box]
    still_life = subject.still_life.rgb[_around(subject.still_life_mask)]
    pictures = {"still_life": fit_side(np.ascontiguousarray(still_life), _SIDE_PX)}
    for name, photo in (("before", subject.on_model.rgb), ("after", after)):
        pictures[name] = fit_side(np.ascontiguousarray(photo[box]), _SIDE_PX)
        pictures[f"close_up_{name}"] = np.ascontiguousarray(photo[_middle_of(mask)])
    for name in PICTURES:
        write_bytes(folder / f"{name}.jpg", encode_image(pictures[name], quality=_QUALITY))
    height_px, width_px = pictures["before"].shape[:2]
    panel = Panel(folder, (width_px, height_px), outline_path(cut, height_px / cut.shape[0]))
    write_json(folder / "panel.json", {**asdict(panel), "folder": ""})


def read_panel(folder: Path, key: str) -> Panel | None:
    """The pictures that `write_panel` wrote; None if they are not all there."""
    folder = _panel_folder(folder, key)
    try:
        panel = replace(load_record(Panel, (folder / "panel.json").read_bytes()), folder=folder)
    except (OSError, ValueError):
        return None
    return panel if all((folder / f"{name}.jpg").is_file() for name in PICTURES) else None


def _panel_folder(folder: Path, key: str) -> Path:
    return folder / WORK / "panels" / key


def _around(mask: BoolMask) -> tuple[slice, slice]:
    if not mask.any():
        return slice(None), slice(None)
    return bounding_box(mask, margin_px=round(_MARGIN_SHARE * max(mask.shape)))


def _middle_of(mask: BoolMask) -> tuple[slice, slice]:
    """A square of the photo's own pixels about the middle of the garment."""
    if mask.any():
        rows, columns = np.nonzero(mask)
        row = int(np.median(rows))
        column = int(np.median(columns[np.abs(rows - row) <= 2]))
    else:
        row, column = mask.shape[0] // 2, mask.shape[1] // 2
    starts = (
        max(0, min(middle - _CLOSE_UP_PX // 2, size - _CLOSE_UP_PX))
        for middle, size in zip((row, column), mask.shape, strict=True)
    )
    top, left = starts
    return slice(top, top + _CLOSE_UP_PX), slice(left, left + _CLOSE_UP_PX)
