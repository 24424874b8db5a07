"""The light table: all photos of a batch, most doubtful first."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from chromiq.correction.results import read_results
from chromiq.studio.pages import batch_of, folder_of, page, shell_command, workplace_of


def _folders(request: Request) -> Response:
    found = workplace_of(request).of_kind("corrections")
    if len(found) == 1:
        return RedirectResponse(f"/f/{found[0].id}/", 303)
    command = shell_command("chromiq", "studio", *workplace_of(request).roots)
    return page(request, "folders", title="Photos", command=command)


def _light_table(request: Request) -> Response:
    folder = folder_of(request, "corrections")
    run = batch_of(request)
    results = read_results(run)
    command = shell_command("chromiq", "correct", "--batch", run.source, "--out", folder.path)
    return page(request, "light_table", title=folder.name, command=command, folder=folder, results=results)


ROUTES = [Route("/", _folders), Route("/f/{folder}/", _light_table)]
