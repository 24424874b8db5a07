"""One photo: its pictures at their own pixels, its colours in numbers, and what to do about it.

The decision is written into ``decisions.csv``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import escape
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chromiq.correction.decisions_csv import VERDICTS, Decision, read_decisions
from chromiq.correction.options import MAX_STRENGTH, CorrectionOptions
from chromiq.correction.report import read_panel
from chromiq.correction.results import BatchRun, decide, mask_path, read_result
from chromiq.correction.target import to_d50
from chromiq.errors import UnsoundError, UsageError
from chromiq.imaging.masks import outline_path
from chromiq.photos.images import encode_image, photo_size_wh, read_mask, read_small
from chromiq.records import PhotoPair
from chromiq.studio.pages import (
    Answer,
    answers_json,
    batch_and_key_of,
    figures_of,
    folder_of,
    page,
    parts_of,
    png,
    shell_command,
    tile,
)
from chromiq.studio.previews import encoded, preview_size_wh
from chromiq.studio.screens.light_table import batch_command, state_of
from chromiq.studio.workplace import OutsideError, Workplace

_MOST_NOTE = 2000
_ORIGINAL = ("reject", "keep")
_THUMBNAIL_PX = 420
_OUTLINE_PX = 2000
_PICKED_PX = 5
_ROLES = ("still_life", "before", "after")


def _photo(request: Request) -> Response:
    run, key = batch_and_key_of(request)
    folder = folder_of(request)
    results = parts_of(request).batches.results(run)
    at = next(number for number, result in enumerate(results) if result.pair.key == key)
    neighbours = [results[to].pair.key if 0 <= to < len(results) else "" for to in (at - 1, at + 1)]
    result = results[at]
    state = state_of(run, result)
    sizes, fault = _sizes(parts_of(request).workplace, run, result.pair)
    address = f"/f/{folder.id}"
    return page(
        request,
        "photo",
        title=result.name,
        command=batch_command(run, *(["--keep", key] if result.decision.verdict == "keep" else [])),
        folder=folder,
        result=result,
        correction=result.correction,
        neighbours=neighbours,
        number=at + 1,
        total=len(results),
        strength_percent=round(100 * state["strength"]),
        max_percent=round(100 * MAX_STRENGTH),
        can_correct=run.options.method == "transfer",
        method=run.options.method,
        fault=fault,
        figures=None if result.correction is None else figures_of(result.correction),
        data={
            "address": address,
            "key": key,
            **state,
            "previous": neighbours[0] and f"{address}/photo/{neighbours[0]}",
            "next": neighbours[1] and f"{address}/photo/{neighbours[1]}",
            "photos": sizes,
        },
    )


def _sizes(workplace: Workplace, run: BatchRun, pair: PhotoPair) -> tuple[dict[str, Any], str]:
    """The sizes of both photos; none, and why, if one of them cannot be shown."""
    sizes = {}
    for name, path in (("still_life", pair.still_life), ("on_model", pair.on_model)):
        try:
            sizes[name] = {"size": photo_size_wh(workplace.inside(path)), "preview": preview_size_wh(path)}
        except OutsideError:
            both = shell_command("chromiq", "studio", run.folder, path.parent)
            return {}, f"The photos lie in {path.parent}, which is not open. Open it, too: {both}"
        except UnsoundError as error:
            return {}, str(error)
    return sizes, ""


def _figures_now(request: Request) -> Response:
    run, key = batch_and_key_of(request)
    (result,) = parts_of(request).batches.results(run, [key])
    if result.correction is None:
        raise HTTPException(404, "It was not corrected yet.")
    return Answer(figures_of(result.correction))


def _decide(request: Request, wishes: dict[str, Any]) -> dict[str, Any]:
    (run, key), jobs = batch_and_key_of(request), parts_of(request).jobs
    redo = bool(wishes.pop("redo", False))
    with parts_of(request).workplace.writing(run.folder):
        before = read_decisions(run.folder, run.photos).of(key)
        after = changed_decision(before, wishes)
        if "decision" not in wishes and before.verdict == "accept" and _changes_the_file(before, after):
            after = replace(after, verdict="")  # another result was accepted
        # An accepted file is left as it is, so one that is not the accepted result yet has to be made.
        is_waiting = key in jobs.status(run).waiting
        redo = redo or (after.verdict == "accept" and (before.verdict in _ORIGINAL or is_waiting))
        if redo or _changes_the_file(before, after):
            jobs.request(run, [key], redo=redo)  # the work reads the decision once this block ends
        result = read_result(run, key, decide(run, {key: after}))
    return {**state_of(run, result), "note": after.note}


def _changes_the_file(before: Decision, after: Decision) -> bool:
    """Whether another file is to be delivered; accepting one changes nothing."""
    verdicts = ["" if each.verdict == "accept" else each.verdict for each in (before, after)]
    return verdicts[0] != verdicts[1] or replace(before, verdict="", note="") != replace(
        after, verdict="", note=""
    )


def changed_decision(before: Decision, wishes: dict[str, Any]) -> Decision:
    """A decision with the fields that a page sent; the others stay.

    Raises:
        UsageError: if a value is none that can be decided.
    """
    unknown = wishes.keys() - {"decision", "strength", "target_lab", "note"}
    if unknown:
        raise UsageError(f"{sorted(unknown)[0]!r} cannot be decided")
    verdict = wishes.get("decision", before.verdict)
    if verdict not in ("", *VERDICTS):
        raise UsageError(f"{verdict!r} is no decision; use {', '.join(VERDICTS)}, or nothing")
    strength, target = wishes.get("strength", before.strength), wishes.get("target_lab", before.target_lab)
    try:
        decision = replace(
            before,
            verdict=verdict,
            strength=None if strength is None else float(strength),
            target_lab=None if target is None else _lab(target),
            note=" ".join(str(wishes.get("note", before.note)).split())[:_MOST_NOTE],
        )
    except (TypeError, ValueError) as error:
        raise UsageError(f"not a number: {error}") from error
    decision.options(CorrectionOptions())  # refuses what is out of range
    return decision


def _lab(target: Any) -> tuple[float, float, float]:
    lightness, a, b = (float(part) for part in target)
    return lightness, a, b


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
        raise HTTPException(404, "This photo is not there. A result is made again by the command below.")
    return parts_of(request).workplace.inside(path)


def _picture(request: Request) -> Response:
    return png(parts_of(request).previews.preview(photo_path(request)))


def _tile(request: Request) -> Response:
    return tile(request, photo_path(request))


def _thumbnail(request: Request) -> Response:
    run, key = batch_and_key_of(request)
    role = request.path_params["role"]
    panel = read_panel(run.folder, key)
    if panel is None or role not in _ROLES:
        raise HTTPException(404, "There is no picture yet.")
    path = parts_of(request).workplace.inside(panel.folder / f"{role}.jpg")
    if "file" in request.query_params:  # what somebody made of it, which no panel shows
        path = photo_path(request)

    def make() -> bytes:
        return encode_image(read_small(path, _THUMBNAIL_PX), "PNG")

    return png(parts_of(request).previews.other(path, "thumbnail", make))


def _panel_outline(request: Request) -> Response:
    run, key = batch_and_key_of(request)
    panel = read_panel(run.folder, key)
    if panel is None:
        raise HTTPException(404, "There is no outline yet.")
    return _svg(panel.outline, panel.size_wh)


def _photo_outline(request: Request) -> Response:
    run, key = batch_and_key_of(request)
    path = parts_of(request).workplace.inside(mask_path(run, key))
    if not path.is_file():
        return _svg("", (1, 1))
    mask = read_mask(path)
    scale = min(1.0, _OUTLINE_PX / max(mask.shape))
    size_wh = round(mask.shape[1] * scale), round(mask.shape[0] * scale)
    return _svg(outline_path(mask, scale), size_wh)


def _colour(request: Request) -> Response:
    """The mean colour of a few pixels, CIE Lab (D50)."""
    shown = parts_of(request).previews.whole(photo_path(request))
    column, row = (_number(request, name) for name in "xy")
    width_px, height_px = shown.size_wh
    if not (0 <= column < width_px and 0 <= row < height_px):
        raise HTTPException(404, "This is outside the photo.")
    rows, columns = (slice(max(0, int(at) - _PICKED_PX), int(at) + _PICKED_PX + 1) for at in (row, column))
    lab = to_d50(shown.space.to_lab(shown.values[rows, columns]).reshape(-1, 3).mean(axis=0))
    return Answer({"lab": [round(float(part), 1) for part in lab]})


def _live(request: Request) -> Response:
    run, key = batch_and_key_of(request)
    live = parts_of(request).live
    after, done = live.correct(run, key, _asked(request, run, key))
    return png(encoded(after), {"chromiq-figures": json.dumps(figures_of(done))})


def _asked(request: Request, run: BatchRun, key: str) -> Decision:
    """The decision of the files with what the address asks for in its place."""
    wishes: dict[str, Any] = {}
    query = request.query_params
    if "strength" in query:
        wishes["strength"] = query["strength"]
    if "target_lab" in query:
        wishes["target_lab"] = query["target_lab"].split(",") if query["target_lab"] else None
    decision = changed_decision(read_decisions(run.folder, run.photos).of(key), wishes)
    return replace(decision, verdict="force" if query.get("force") else "")


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
    Route("/f/{folder}/photo/{key}", _photo),
    Route("/f/{folder}/figures/{key}", _figures_now),
    Route("/f/{folder}/picture/{key}/{role}", _picture),
    Route("/f/{folder}/tile/{key}/{role}/{column:int}/{row:int}", _tile),
    Route("/f/{folder}/thumbnail/{key}/{role}", _thumbnail),
    Route("/f/{folder}/outline/{key}/panel.svg", _panel_outline),
    Route("/f/{folder}/outline/{key}/photo.svg", _photo_outline),
    Route("/f/{folder}/colour/{key}/{role}", _colour),
    Route("/f/{folder}/live/{key}", _live),
    Route("/f/{folder}/decision/{key}", answers_json(_decide), methods=["POST"]),
]
