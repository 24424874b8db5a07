"""What every screen uses: its folder and photo, its page, errors as answers."""

from __future__ import annotations

import shlex
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from chromiq.correction.results import BatchRun
from chromiq.studio.batches import Batches
from chromiq.studio.workplace import Kind, OpenedFolder, Workplace
from chromiq.templating import template_environment


@cache
def _environment() -> Environment:
    environment = template_environment(html=True)
    environment.globals["shell"] = shell_command
    return environment


def shell_command(*words: str | Path) -> str:
    """A command as one types it.

    >>> shell_command("chromiq", "correct", "--out", Path("a b"))
    "chromiq correct --out 'a b'"
    """
    return shlex.join(str(word) for word in words)


Value = TypeVar("Value")


def page(request: Request, template: str, *, title: str, command: str, **values: Any) -> Response:
    """A screen.

    Args:
        request: that asks for it.
        template: its name below ``templates/studio``.
        title: of the page.
        command: the command line that does the same.
        values: for the template.
    """
    workplace = workplace_of(request)
    return fragment(
        template, title=title, command=command, workplace=workplace, path=request.url.path, **values
    )


def fragment(template: str, **values: Any) -> Response:
    """A piece of a screen, which its script puts in.

    Args:
        template: its name below ``templates/studio``.
        values: for the template.
    """
    return HTMLResponse(_environment().get_template(f"studio/{template}.html.j2").render(**values))


def png(data: bytes, headers: dict[str, str] | None = None) -> Response:
    """A picture."""
    return Response(data, media_type="image/png", headers=headers)


def app_state(request: Request, name: str, kind: type[Value]) -> Value:
    """What the application keeps under a name, for all requests."""
    value = getattr(request.app.state, name)
    assert isinstance(value, kind)
    return value


def workplace_of(request: Request) -> Workplace:
    """What the page works on."""
    return app_state(request, "workplace", Workplace)


def folder_of(request: Request, *kinds: Kind) -> OpenedFolder:
    """The folder that an address names.

    Raises:
        HTTPException: 404 if it is not open, or of no such kind.
    """
    folder = workplace_of(request).folders.get(request.path_params["folder"])
    if folder is None or (kinds and folder.kind not in kinds):
        raise HTTPException(404, "This folder is not open. Start chromiq studio with it.")
    return folder


def batches_of(request: Request) -> Batches:
    """What was read of the folders of results."""
    return app_state(request, "batches", Batches)


def batch_of(request: Request) -> BatchRun:
    """The batch whose results an address names.

    Raises:
        HTTPException: 404 if the folder is not open, or its record is damaged.
    """
    run = batches_of(request).run(folder_of(request, "corrections").path)
    if run is None:
        raise HTTPException(404, "These results have no record of their photos. Run chromiq correct again.")
    return run


def batch_and_key_of(request: Request) -> tuple[BatchRun, str]:
    """The batch and the key of the photo that an address names.

    Raises:
        HTTPException: 404 if there is no such photo.
    """
    run, key = batch_of(request), request.path_params["key"]
    if key not in run.by_key:
        raise HTTPException(404, "There is no photo of this key.")
    return run, key


async def json_of(request: Request) -> dict[str, Any]:
    """The JSON object that a request brings.

    Raises:
        HTTPException: 400 if it is no object.
    """
    try:
        document = await request.json()
    except ValueError as error:
        raise HTTPException(400, "The request is no JSON.") from error
    if not isinstance(document, dict):
        raise HTTPException(400, "The request is no JSON object.")
    return document
