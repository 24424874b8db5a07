"""Deliver: finished photos to a folder or a ZIP file, with a table and a proof sheet."""

from __future__ import annotations

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from chromiq.correction.results import STATES
from chromiq.files import safe_stem
from chromiq.imaging.report_pictures import csp_hash
from chromiq.studio.delivery import FINISHED, chosen, deliver, proof_sheet, table, zip_chunks
from chromiq.studio.pages import (
    batch_of,
    batches_of,
    folder_of,
    json_of,
    page,
    shell_command,
    workplace_of,
)
from chromiq.templating import template_text


def _screen(request: Request) -> Response:
    folder, run = folder_of(request, "corrections"), batch_of(request)
    results = batches_of(request).results(run)
    is_root = folder.path in workplace_of(request).roots  # beside it nothing may be written
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


def _zip(request: Request) -> Response:
    run = batch_of(request)
    results = chosen(batches_of(request).results(run), request.query_params.getlist("state"))
    if not results:
        raise HTTPException(404, "No photo is in these states.")
    headers = {"content-disposition": f'attachment; filename="{_ascii(run.folder.name)}.zip"'}
    return StreamingResponse(zip_chunks(run, results), media_type="application/zip", headers=headers)


def _table(request: Request) -> Response:
    run = batch_of(request)
    results = chosen(batches_of(request).results(run), request.query_params.getlist("state"))
    headers = {"content-disposition": 'attachment; filename="delivery.csv"'}
    return Response(table(run, results), media_type="text/csv", headers=headers)


def _proof_sheet(request: Request) -> Response:
    run = batch_of(request)
    results = chosen(batches_of(request).results(run), request.query_params.getlist("state"))
    # As the file that is delivered, it brings its style and pictures with it.
    style = csp_hash(template_text("studio/proof_sheet.css"))
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(proof_sheet(run, results), headers={"content-security-policy": policy})


async def _to_folder(request: Request) -> Response:
    run, wishes = batch_of(request), await json_of(request)
    out = workplace_of(request).inside(run.folder.parent / Path(str(wishes.get("out", ""))))
    states = [str(state) for state in wishes.get("states", FINISHED)]
    results = chosen(batches_of(request).results(run), states)
    await run_in_threadpool(deliver, run, results, out)
    return JSONResponse({"delivered": len(results), "out": str(out)})


def _ascii(name: str) -> str:
    """A name that a header can hold."""
    return safe_stem(name).encode("ascii", "replace").decode("ascii").replace("?", "_")


ROUTES = [
    Route("/f/{folder}/deliver", _screen),
    Route("/f/{folder}/deliver", _to_folder, methods=["POST"]),
    Route("/f/{folder}/deliver/photos.zip", _zip),
    Route("/f/{folder}/deliver/delivery.csv", _table),
    Route("/f/{folder}/deliver/proof_sheet", _proof_sheet),
]
