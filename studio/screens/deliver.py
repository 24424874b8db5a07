"""Deliver: finished photos to a folder or a ZIP file, with a table and a proof sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from chromiq.correction.report import STATES
from chromiq.correction.results import BatchRun, Result
from chromiq.files import safe_stem
from chromiq.studio.delivery import FINISHED, chosen, deliver, proof_sheet, require_files, table, zip_chunks
from chromiq.studio.pages import answers_json, batch_of, folder_of, page, parts_of, shell_command
from chromiq.templating import csp_hash, template_text


def _screen(request: Request) -> Response:
    folder, run = folder_of(request, "corrections"), batch_of(request)
    results = parts_of(request).batches.results(run)
    is_root = folder.path in parts_of(request).workplace.roots  # beside it nothing may be written
    out = folder.path / "delivery" if is_root else folder.path.with_name(f"{folder.name}-delivery")
    return page(
        request,
        "deliver",
        title=f"Deliver {folder.name}",
        command=shell_command("chromiq", "deliver", folder.path, "--out", out),
        folder=folder,
        counts={state: len(chosen(results, [state])) for state in STATES},
        finished=FINISHED,
        out=out,
    )


def _chosen(request: Request) -> tuple[BatchRun, list[Result]]:
    """The batch, and its photos in the states that are asked for."""
    run = batch_of(request)
    results = chosen(parts_of(request).batches.results(run), request.query_params.getlist("state"))
    require_files(results)
    return run, results


def _zip(request: Request) -> Response:
    run, results = _chosen(request)
    if not results:
        raise HTTPException(404, "No photo is in these states.")
    headers = {"content-disposition": f'attachment; filename="{_ascii(run.folder.name)}.zip"'}
    return StreamingResponse(zip_chunks(run, results), media_type="application/zip", headers=headers)


def _table(request: Request) -> Response:
    results = _chosen(request)[1]
    headers = {"content-disposition": 'attachment; filename="delivery.csv"'}
    return Response(table(results), media_type="text/csv", headers=headers)


def _proof_sheet(request: Request) -> Response:
    run, results = _chosen(request)
    # As the file that is delivered, it brings its style and pictures with it.
    style = csp_hash(template_text("studio/proof_sheet.css"))
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(proof_sheet(run, results), headers={"content-security-policy": policy})


def _to_folder(request: Request, wishes: dict[str, Any]) -> dict[str, Any]:
    run = batch_of(request)
    out = parts_of(request).workplace.inside(run.folder.parent / Path(str(wishes.get("out", ""))))
    states = [str(state) for state in wishes.get("states", FINISHED)]
    results = chosen(parts_of(request).batches.results(run), states)
    deliver(run, results, out)
    return {"delivered": len(results), "out": str(out)}


def _ascii(name: str) -> str:
    """A name that a header can hold."""
    return safe_stem(name).encode("ascii", "replace").decode("ascii").replace("?", "_")


ROUTES = [
    Route("/f/{folder}/deliver", _screen),
    Route("/f/{folder}/deliver", answers_json(_to_folder), methods=["POST"]),
    Route("/f/{folder}/deliver/photos.zip", _zip),
    Route("/f/{folder}/deliver/delivery.csv", _table),
    Route("/f/{folder}/deliver/proof_sheet", _proof_sheet),
]
