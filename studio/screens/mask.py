"""The mask editor: where the garment is on a photo, drawn by the user and saved where the commands look."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chromiq.correction.decisions_csv import read_decisions
from chromiq.correction.garment_work import GARMENT_MASKS, read_record, source_of_mask
from chromiq.correction.judging.evidence import look_at_photos
from chromiq.correction.judging.plausibility import judge
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.photo import record_of
from chromiq.correction.plan import plan_correction
from chromiq.correction.results import BatchRun, decide, mask_path
from chromiq.dataset_builder.segmenters.network.clicks import Clicks
from chromiq.dataset_layout import DatasetLayout
from chromiq.errors import Finding, UnsoundError, UsageError, install_command
from chromiq.files import write_bytes
from chromiq.photos.images import encode_mask, photo_size_wh, read_mask
from chromiq.records import BoolMask, PhotoPair
from chromiq.studio.live import corrected_pixels
from chromiq.studio.pages import (
    Answer,
    answers_bytes,
    answers_json,
    batch_and_key_of,
    figures_of,
    folder_of,
    page,
    parts_of,
    png,
    tile,
)
from chromiq.studio.previews import encoded, preview_size_wh
from chromiq.studio.screens.dataset import build_command, dataset_pairs
from chromiq.studio.screens.light_table import batch_command
from chromiq.studio.workplace import OpenedFolder, Workplace

_PLACE = "/f/{folder}/mask/{key}"
_TOOLS = (
    ("brush", "B", "Paint the garment"),
    ("erase", "E", "Take away, as the right button does with every tool"),
    ("lasso", "L", "Draw round a part"),
    ("fill", "F", "Fill an area or a hole up to the mask's edge"),
    ("grow", "G", "From where you click to like colours"),
    ("click", "P", "SAM 2 finds what you click on"),
)
_CHECK_SIDE_PX = 4096
_MOST_CLICKS = 64
MOST_MASK_BYTES = 32 << 20
"""A mask of 25 megapixels takes 0.1 MB, and one of noise 6 MB."""
BODY_LIMITS = {r"/f/[^/]+/mask/[^/]+\.png": MOST_MASK_BYTES, r"/f/[^/]+/mask/[^/]+/check": 4 << 20}


@dataclass(frozen=True)
class _Subject:
    """The photo that an address names.

    Attributes:
        shown: the mask file to start from; it may be missing.
        saved: the file that the next command reads.
        options: what `correct` was asked to do with the photo.
        command: that uses the mask.
        back: address of the page that the photo is on.
        note: what else to know about saving it.
        run: the batch of corrections; None for a dataset.
    """

    folder: OpenedFolder
    pair: PhotoPair
    shown: Path
    saved: Path
    options: CorrectionOptions
    command: str
    back: str
    note: str = ""
    run: BatchRun | None = None

    @property
    def source(self) -> str:
        """Where the saved mask comes from, as `GarmentMask.source` has it."""
        return source_of_mask(self.saved, self.folder.path, self.pair.key)


def _subject(request: Request) -> _Subject:
    workplace = parts_of(request).workplace
    folder = folder_of(request, "corrections", "dataset")
    found = _of_corrections(folder, request) if folder.kind == "corrections" else _of_dataset(folder, request)
    for path in (found.pair.still_life, found.pair.on_model, found.saved):
        workplace.inside(path)
    return found


def _of_corrections(folder: OpenedFolder, request: Request) -> _Subject:
    run, key = batch_and_key_of(request)
    decision = read_decisions(folder.path, run.photos).of(key)
    saved = mask_path(run, key)
    kept = "The photo is accepted: its result stays until you take the decision back."
    note = kept if decision.verdict == "accept" else ""
    options = replace(decision.options(run.options), method="transfer")
    back = f"/f/{folder.id}/photo/{quote(key)}"
    return _Subject(folder, run.by_key[key], saved, saved, options, batch_command(run), back, note, run)


def _of_dataset(folder: OpenedFolder, request: Request) -> _Subject:
    key = request.path_params["key"]
    pair = dataset_pairs(folder.path).get(key)
    if pair is None:
        raise HTTPException(404, "There is no photo of this key, or the dataset's photos have moved.")
    layout = DatasetLayout(folder.path)
    saved = layout.own_masks / f"on_model{key}.png"
    places = (saved, layout.garment_mask(key), layout.review_mask(key))
    shown = next((path for path in places if path.is_file()), saved)
    back = f"/f/{folder.id}/dataset#pair-{quote(key)}"
    options, command = CorrectionOptions(force=True), build_command(folder.path)
    return _Subject(folder, pair, shown, saved, options, command, back)


def _page(request: Request) -> Response:
    subject = _subject(request)
    pair = subject.pair
    size_wh = photo_size_wh(pair.on_model)
    return page(
        request,
        "mask",
        title=f"Mask: {pair.on_model.name}",
        command=subject.command,
        base=f"/f/{subject.folder.id}/mask/{request.path_params['key']}",
        photo=pair.on_model,
        still_life=pair.still_life,
        tools=_TOOLS,
        back=subject.back,
        preview_wh=preview_size_wh(pair.on_model),
        brush_px=max(4, max(size_wh) // 40),
        most_px=max(50, max(size_wh) // 5),
        model_missing=_model_missing(parts_of(request).clicks),
        where=f"The mask is saved as {subject.saved}. {subject.note}".strip(),
    )


def _picture(request: Request) -> Response:
    pair = _subject(request).pair
    path = {"photo": pair.on_model, "still-life": pair.still_life}.get(request.path_params["role"])
    if path is None:
        raise HTTPException(404, "There is no such picture.")
    return png(parts_of(request).previews.preview(path))


def _tile(request: Request) -> Response:
    return tile(request, _subject(request).pair.on_model)


def _mask(request: Request) -> Response:
    subject = _subject(request)
    size_wh = photo_size_wh(subject.pair.on_model)
    mask = read_mask(subject.shown) if subject.shown.is_file() else None
    if mask is None or mask.shape != size_wh[::-1]:
        mask = np.zeros(size_wh[::-1], bool)
    return png(encode_mask(mask), {"etag": _etag(subject.saved)})


def _click(request: Request, document: dict[str, Any]) -> Response:
    """The mask of what was clicked on, at the size of the preview."""
    points, is_inside = document.get("points"), document.get("is_inside")
    try:
        shares = np.array(points, np.float64).reshape(-1, 2)
        labels = np.array(is_inside, bool)
    except (TypeError, ValueError) as error:
        raise UsageError(
            "clicks are points [x, y] as shares of the photo, and whether each is inside"
        ) from error
    if not 1 <= len(shares) <= _MOST_CLICKS or labels.shape != shares.shape[:1]:
        raise UsageError(f"give 1 to {_MOST_CLICKS} points, and for each whether it is inside")
    if not ((shares >= 0) & (shares <= 1)).all():
        raise UsageError("a click lies outside the photo")
    photo, clicks = parts_of(request).live.pair(_subject(request).pair).on_model, parts_of(request).clicks
    if missing := _model_missing(clicks):
        raise UsageError(missing)
    mask = clicks.mask(photo.rgb, shares * photo.size_wh, labels)
    return png(encode_mask(mask))


def _model_missing(clicks: Clicks) -> str:
    """What to do so that clicks find masks; empty if they do."""
    if clicks.is_available:
        return ""
    return (
        "SAM 2 is not on this machine. Start the studio with --masker FOLDER, or reload this page after: "
        f"{install_command('models')} && hf download {clicks.source.name_or_path}"
    )


def _check(request: Request, data: bytes) -> Response:
    mask = _sent_mask(data, _size_said(data))
    subject = _subject(request)
    small = parts_of(request).live.pair(subject.pair).with_mask(mask, subject.source)
    judgement = judge(look_at_photos(small))
    return Answer({"answer": judgement.answer, "doubts": [asdict(doubt) for doubt in judgement.doubts]})


def _put(request: Request, data: bytes) -> Response:
    """Write the mask; answers the photo as it is corrected with it, or without a picture if it stays."""
    subject = _subject(request)
    mask = _sent_mask(data, photo_size_wh(subject.pair.on_model))
    conflict = _write(parts_of(request).workplace, subject, mask, request.headers.get("if-match"))
    if conflict:
        return conflict
    if subject.run is not None:
        parts_of(request).jobs.request(subject.run, [subject.pair.key])
    small = parts_of(request).live.pair(subject.pair).with_mask(mask, subject.source)
    plan = plan_correction(small, subject.options)
    headers = {
        "etag": _etag(subject.saved),
        "chromiq-figures": json.dumps(figures_of(record_of(plan, small.found))),
    }
    return png(encoded(corrected_pixels(small, plan)) if plan.colour_map else b"", headers)


def _write(workplace: Workplace, subject: _Subject, mask: BoolMask, known: str | None) -> Response | None:
    """Write the mask if it is still the one that was opened; otherwise the answer that says so."""
    data = encode_mask(mask)
    with workplace.writing(subject.folder.path):
        now = _etag(subject.saved)
        if known is not None and known != now:
            message = (
                "not saved: the mask was changed elsewhere since you opened it; save again to replace it"
            )
            return Answer({"error": message, "etag": now}, 412)
        write_bytes(subject.saved, data)
        if subject.run is not None:
            _keep(subject.run, subject.pair.key, subject.saved)
    return None


def _keep(run: BatchRun, key: str, saved: Path) -> None:
    """Record a mask in the decisions where it would be taken for one that the command found itself."""
    record = read_record(run.folder, key)
    decision = read_decisions(run.folder, run.photos).of(key)
    is_beside = saved.parent == run.folder / GARMENT_MASKS
    if is_beside and decision.mask is None and not (record and record.get("mask")):
        decide(run, {key: replace(decision, mask=saved)})


def _etag(path: Path) -> str:
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "none"
    return f'"{digest}"'


def _sent_mask(data: bytes, size_wh: tuple[int, int]) -> BoolMask:
    """The mask in a PNG that was sent.

    Args:
        size_wh: that it has to have; nothing larger is decoded.

    Raises:
        UnsoundError: if it is no such file.
    """
    wanted = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + size_wh[0].to_bytes(4, "big") + size_wh[1].to_bytes(4, "big")
    if not data.startswith(wanted + b"\x08\0\0\0\0"):
        message = f"is not an 8-bit grey PNG of {size_wh[0]}x{size_wh[1]} pixels"
        raise UnsoundError(message, [Finding("mask.form", "the mask that was sent", message)])
    levels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if levels is None or levels.shape != size_wh[::-1]:
        message = "cannot be decoded"
        raise UnsoundError(message, [Finding("mask.form", "the mask that was sent", message)])
    return np.asarray(levels >= 128)


def _size_said(data: bytes) -> tuple[int, int]:
    """The size in a small PNG's header; `_sent_mask` refuses what is none."""
    size_wh = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    return size_wh if max(size_wh) <= _CHECK_SIDE_PX else (0, 0)


ROUTES = [
    Route(f"{_PLACE}.png", _mask, methods=["GET"]),
    Route(f"{_PLACE}.png", answers_bytes(_put), methods=["PUT"]),
    Route(_PLACE, _page),
    Route(f"{_PLACE}/tile/{{column:int}}/{{row:int}}", _tile),
    Route(f"{_PLACE}/{{role}}", _picture),
    Route(f"{_PLACE}/check", answers_bytes(_check), methods=["POST"]),
    Route(f"{_PLACE}/clicks", answers_json(_click), methods=["POST"]),
]
