"""What every screen uses: its folder and photo, its page, errors as answers."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

from jinja2 import Environment
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from chromiq.correction.photo import Correction
from chromiq.correction.results import BatchRun
from chromiq.dataset_builder.segmenters.network.clicks import Clicks
from chromiq.studio.batches import Batches
from chromiq.studio.jobs import Commands, Jobs
from chromiq.studio.live import LiveCorrections
from chromiq.studio.previews import Previews
from chromiq.studio.workplace import Kind, OpenedFolder, Workplace
from chromiq.templating import template_environment
from chromiq.wording import in_order, printable

_BYTES = re.compile("[\x80-\x9f\udc80-\udcff]")


@cache
def _environment() -> Environment:
    return template_environment(html=True)


def shell_command(*words: str | Path) -> str:
    r"""A command as one types it; control characters are escaped as bash and zsh read them.

    >>> print(shell_command("chromiq", "correct", "--out", Path("a b")))
    chromiq correct --out 'a b'
    >>> print(shell_command("ls", "it's \u202egpj.exe"))
    ls $'it\'s \u202egpj.exe'
    """
    return " ".join(_quoted(str(word)) for word in words)


def _quoted(word: str) -> str:
    if printable(word) == word:
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    # To a shell `\x85` is a byte, not a letter.
    in_bytes = _BYTES.sub(lambda one: "".join(f"\\x{byte:02x}" for byte in os.fsencode(one[0])), escaped)
    return f"$'{printable(in_bytes)}'"


def page(request: Request, template: str, *, title: str, command: str, **values: Any) -> Response:
    """A screen.

    Args:
        template: its name below ``templates/studio``.
        command: the command line that does the same.
    """
    workplace, path = parts_of(request).workplace, request.url.path
    return fragment(template, title=title, command=command, workplace=workplace, path=path, **values)


def fragment(template: str, **values: Any) -> Response:
    """A piece of a screen, which its script puts in.

    Args:
        template: its name below ``templates/studio``.
    """
    return HTMLResponse(_environment().get_template(f"studio/{template}.html.j2").render(**values))


class Answer(JSONResponse):
    """Plain data for the scripts of a page, which show its texts as they come."""

    def render(self, content: Any) -> bytes:
        """The data as JSON."""
        return super().render(_in_order(content))


def _in_order(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _in_order(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_in_order(value) for value in content]
    return in_order(content) if isinstance(content, str) else content


def png(data: bytes, headers: dict[str, str] | None = None) -> Response:
    """A picture."""
    return Response(data, media_type="image/png", headers=headers)


def tile(request: Request, path: Path) -> Response:
    """The tile of a photo that an address names.

    Raises:
        HTTPException: 404 if the photo has no such tile.
    """
    column, row = (request.path_params[name] for name in ("column", "row"))
    try:
        return png(parts_of(request).previews.tile(path, column, row))
    except IndexError as error:
        raise HTTPException(404, "There is no such part.") from error


class Parts(Protocol):
    """What the page works with; the application's state holds it."""

    workplace: Workplace
    batches: Batches
    previews: Previews
    live: LiveCorrections
    commands: Commands
    jobs: Jobs
    clicks: Clicks


def parts_of(request: Request) -> Parts:
    """What the page works with, for all requests."""
    return cast(Parts, request.app.state)


def folder_of(request: Request, *kinds: Kind) -> OpenedFolder:
    """The folder that an address names.

    Raises:
        HTTPException: 404 if it is not open, or of no such kind.
    """
    folder = parts_of(request).workplace.folders.get(request.path_params["folder"])
    if folder is None or (kinds and folder.kind not in kinds):
        raise HTTPException(404, "This folder is not open. Start chromiq studio with it.")
    return folder


def batch_of(request: Request) -> BatchRun:
    """The batch whose results an address names.

    Raises:
        HTTPException: 404 if the folder is not open, or its record is damaged.
    """
    run = parts_of(request).batches.run(folder_of(request, "corrections").path)
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


Endpoint = Callable[[Request], Awaitable[Response]]


def answers_bytes(answer: Callable[[Request, bytes], Response]) -> Endpoint:
    """An endpoint that takes a file; `answer` is called in a thread with the request and its body."""

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answer, request, await request.body())

    return endpoint


def answers_json(answer: Callable[[Request, dict[str, Any]], Any]) -> Endpoint:
    """An endpoint that takes a JSON object.

    Args:
        answer: called in a thread with the request and its object; gives a response, or plain data for one.
    """

    def parsed(request: Request, body: bytes) -> Response:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, "The request is no JSON.") from error
        if not isinstance(document, dict):
            raise HTTPException(400, "The request is no JSON object.")
        answered = answer(request, document)
        return answered if isinstance(answered, Response) else Answer(answered)

    return answers_bytes(parsed)
