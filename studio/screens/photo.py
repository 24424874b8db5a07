"""One photo: both pictures at their own pixels, its colours in numbers, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chromiq.correction.options import MAX_STRENGTH
from chromiq.correction.results import BatchRun, Result
from chromiq.photos.images import photo_size_wh
from chromiq.studio.batches import version_of
from chromiq.studio.pages import batch_and_key_of, batches_of, folder_of, page, workplace_of
from chromiq.studio.previews import TILE_PX, preview_size_wh
from chromiq.studio.screens.light_table import batch_command
from chromiq.studio.screens.pictures import figures_of
from chromiq.studio.workplace import OutsideError, Workplace


def _photo(request: Request) -> Response:
    run, key = batch_and_key_of(request)
    folder = folder_of(request)
    results = batches_of(request).results(run)
    at = next(number for number, result in enumerate(results) if result.pair.key == key)
    neighbours = [results[to].pair.key if 0 <= to < len(results) else "" for to in (at - 1, at + 1)]
    result = results[at]
    decision = result.decision
    strength = run.options.strength if decision.strength is None else decision.strength
    address = f"/f/{folder.id}"
    return page(
        request,
        "photo",
        title=result.pair.on_model.name,
        command=command_of(run, result),
        folder=folder,
        result=result,
        correction=result.correction,
        neighbours=neighbours,
        number=at + 1,
        total=len(results),
        strength_percent=round(100 * strength),
        max_percent=round(100 * MAX_STRENGTH),
        can_correct=run.options.method == "transfer",
        method=run.options.method,
        missing=_missing(workplace_of(request), result),
        figures=None if result.correction is None else figures_of(result.correction),
        data={
            "address": address,
            "key": key,
            "state": result.state,
            "decision": decision.verdict,
            "version": version_of(result),
            "strength": strength,
            "target_lab": decision.target_lab or run.options.target_lab,
            "tile_px": TILE_PX,
            "previous": neighbours[0] and f"{address}/photo/{neighbours[0]}",
            "next": neighbours[1] and f"{address}/photo/{neighbours[1]}",
            "photos": {
                "still_life": _sizes(workplace_of(request), result.pair.still_life),
                "on_model": _sizes(workplace_of(request), result.pair.on_model),
            },
        },
    )


def _sizes(workplace: Workplace, path: Path) -> dict[str, Any] | None:
    try:
        return {"size": photo_size_wh(workplace.inside(path)), "preview": preview_size_wh(path)}
    except (OutsideError, OSError):
        return None


def _missing(workplace: Workplace, result: Result) -> str:
    """A folder of photos that was not opened, or is not there; empty if all are."""
    for path in (result.pair.still_life, result.pair.on_model):
        try:
            if not workplace.inside(path).is_file():
                return str(path.parent)
        except OutsideError:
            return str(path.parent)
    return ""


def command_of(run: BatchRun, result: Result) -> str:
    """The command that does for one photo what its decision says, or corrects the batch as decided."""
    more = ["--keep", result.pair.key] if result.decision.verdict == "keep" else []
    return batch_command(run, *more)


def _figures_now(request: Request) -> Response:
    run, key = batch_and_key_of(request)
    results = batches_of(request).results(run)
    correction = next(result.correction for result in results if result.pair.key == key)
    if correction is None:
        raise HTTPException(404, "It was not corrected yet.")
    return JSONResponse(figures_of(correction))


ROUTES = [
    Route("/f/{folder}/photo/{key}", _photo),
    Route("/f/{folder}/figures/{key}", _figures_now),
]
