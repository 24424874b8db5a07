"""Pictures of a photo: previews, tiles, thumbnails, the outline of its mask, a colour, a live correction."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import escape
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chromiq.correction.decisions_csv import Decision, read_decisions
from chromiq.correction.photo import Correction
from chromiq.correction.report import read_panel
from chromiq.correction.results import BatchRun, mask_path
from chromiq.correction.target import to_d50
from chromiq.errors import UsageError
from chromiq.imaging.report_pictures import outline_path
from chromiq.imaging.resize import fit_side
from chromiq.photos.images import encode_image, read_mask, read_photo
from chromiq.studio.live import LiveCorrections
from chromiq.studio.pages import app_state, batch_and_key_of, png, workplace_of
from chromiq.studio.previews import Previews, encoded
from chromiq.studio.screens.decisions import changed_decision

_THUMBNAIL_PX = 420
_OUTLINE_PX = 2000
_PICKED_PX = 5
_ROLES = ("still_life", "before", "after")


def photo_path(request: Request) -> Path:
    """The file of the photo and the role that an address names.

    Raises:
        HTTPException: 404 if nothing is there.
        OutsideError: if it lies outside the folders given.
    """
    run, key = batch_and_key_of(request)
    pair = run.by_key[key]
    files = {"still_life": pair.still_life, "before": pair.on_model, "after": run.outs[key]}
    path = files.get(request.path_params["role"])
    if path is None or not path.is_file():
        raise HTTPException(404, "This photo is not there.")
    return workplace_of(request).inside(path)


def _picture(request: Request) -> Response:
    return png(app_state(request, "previews", Previews).preview(photo_path(request)))


def _tile(request: Request) -> Response:
    place = request.path_params["column"], request.path_params["row"]
    try:
        return png(app_state(request, "previews", Previews).tile(photo_path(request), *place))
    except IndexError as error:
        raise HTTPException(404, "There is no such part.") from error


def _thumbnail(request: Request) -> Response:
    run, key = batch_and_key_of(request)
    role = request.path_params["role"]
    panel = read_panel(run.folder, key)
    if panel is None or role not in _ROLES:
        raise HTTPException(404, "There is no picture yet.")
    path = workplace_of(request).inside(panel.folder / f"{role}.jpg")
    if "file" in request.query_params:  # what somebody made of it, which no panel shows
        path = photo_path(request)

    def make() -> bytes:
        return encode_image(fit_side(read_photo(path, min_side_px=1).rgb, _THUMBNAIL_PX), "PNG")

    return png(app_state(request, "previews", Previews).other(path, "thumbnail", make))


def _panel_outline(request: Request) -> Response:
    run, key = batch_and_key_of(request)
    panel = read_panel(run.folder, key)
    if panel is None:
        raise HTTPException(404, "There is no outline yet.")
    return _svg(panel.outline, panel.size_wh)


def _photo_outline(request: Request) -> Response:
    run, key = batch_and_key_of(request)
    path = workplace_of(request).inside(mask_path(run, key))
    if not path.is_file():
        return _svg("", (1, 1))
    mask = read_mask(path)
    scale = min(1.0, _OUTLINE_PX / max(mask.shape))
    size_wh = round(mask.shape[1] * scale), round(mask.shape[0] * scale)
    return _svg(outline_path(mask, scale), size_wh)


def _colour(request: Request) -> Response:
    """The mean colour of a few pixels, CIE Lab (D50)."""
    shown = app_state(request, "previews", Previews).whole(photo_path(request))
    column, row = (_number(request, name) for name in "xy")
    width_px, height_px = shown.size_wh
    if not (0 <= column < width_px and 0 <= row < height_px):
        raise HTTPException(404, "This is outside the photo.")
    rows, columns = (slice(max(0, int(at) - _PICKED_PX), int(at) + _PICKED_PX + 1) for at in (row, column))
    lab = to_d50(shown.space.to_lab(shown.values[rows, columns]).reshape(-1, 3).mean(axis=0))
    return JSONResponse({"lab": [round(float(part), 1) for part in lab]})


def _live(request: Request) -> Response:
    run, key = batch_and_key_of(request)
    live = app_state(request, "live", LiveCorrections)
    done = live.correct(run, key, _asked(request, run, key))
    headers = {"chromiq-figures": json.dumps(figures_of(done.correction))}
    return png(encoded(done.after), headers)


def _asked(request: Request, run: BatchRun, key: str) -> Decision:
    """The decision of the files with what the address asks for in its place."""
    wishes: dict[str, Any] = {}
    query = request.query_params
    if "strength" in query:
        wishes["strength"] = query["strength"]
    if "target_lab" in query:
        wishes["target_lab"] = query["target_lab"].split(",") if query["target_lab"] else None
    decision = changed_decision(read_decisions(run.folder, run.keys).of(key), wishes)
    return replace(decision, verdict="force" if query.get("force") else "")


def figures_of(correction: Correction) -> dict[str, Any]:
    """What a page shows of a correction, as plain data."""
    return {
        "answer": correction.answer,
        "reason": correction.reason,
        "doubts": [{"reason": doubt.reason, "hint": doubt.hint} for doubt in correction.doubts],
        "gain": correction.estimated_gain,
        "remaining": correction.expected_remaining,
        "colours": correction.colours and asdict(correction.colours),
    }


def _number(request: Request, name: str) -> float:
    try:
        value = float(request.query_params[name])
    except (KeyError, ValueError) as error:
        raise UsageError(f"{name} is not a number") from error
    if not np.isfinite(value):
        raise UsageError(f"{name} is not a number")
    return value


def _svg(outline: str, size_wh: tuple[int, int]) -> Response:
    """An outline that shows on light and dark cloth: white dashes on black."""
    width_px, height_px = size_wh
    lines = "".join(
        f'<path d="{escape(outline)}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-dasharray="{dashes}" vector-effect="non-scaling-stroke"/>'
        for colour, width, dashes in (("#000", 2, "none"), ("#fff", 1.5, "6 5"))
    )
    text = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width_px} {height_px}">{lines}</svg>'
    return Response(text, media_type="image/svg+xml")


ROUTES = [
    Route("/f/{folder}/picture/{key}/{role}", _picture),
    Route("/f/{folder}/tile/{key}/{role}/{column:int}/{row:int}", _tile),
    Route("/f/{folder}/thumbnail/{key}/{role}", _thumbnail),
    Route("/f/{folder}/outline/{key}/panel.svg", _panel_outline),
    Route("/f/{folder}/outline/{key}/photo.svg", _photo_outline),
    Route("/f/{folder}/colour/{key}/{role}", _colour),
    Route("/f/{folder}/live/{key}", _live),
]
