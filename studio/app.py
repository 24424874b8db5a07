"""All screens behind the gate as one ASGI application, served on this machine's own address alone."""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from chromiq.dataset_builder.segmenters.network.clicks import Clicks
from chromiq.dataset_builder.segmenters.network.grounded_sam2 import SAM_2
from chromiq.dataset_builder.segmenters.network.hub import HubModel
from chromiq.errors import ChromiqError, LockedError, UsageError
from chromiq.files import machine_error
from chromiq.runtime.native import share_one_heap
from chromiq.studio.batches import Batches
from chromiq.studio.jobs import Commands, Jobs
from chromiq.studio.live import LiveCorrections
from chromiq.studio.pages import Answer, page
from chromiq.studio.previews import Previews
from chromiq.studio.screens import config, dataset, deliver, light_table, mask, open_folder, photo, runs
from chromiq.studio.security import Gate
from chromiq.studio.workplace import OutsideError, Workplace

_SCREENS = (light_table, photo, deliver, open_folder, mask, dataset, runs, config)
_REFUSALS = (ChromiqError, OutsideError, HTTPException, OSError)

# Each may decode a photo of 25 megapixels at the same time.
_THREADS = 4
DEFAULT_PORT = 8765
_LOOPBACK = "127.0.0.1"


def create_app(workplace: Workplace, token: str, masker: HubModel = SAM_2) -> Starlette:
    """The application.

    Args:
        token: opens its one session, once.
        masker: SAM 2 for clicks in the mask editor, by hub name or folder.
    """
    static = StaticFiles(directory=Path(str(files("chromiq.studio") / "static")))
    routes = [route for screen in _SCREENS for route in screen.ROUTES]
    limits = {
        pattern: most for screen in _SCREENS for pattern, most in getattr(screen, "BODY_LIMITS", {}).items()
    }

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        yield

    app = Starlette(
        lifespan=lifespan,
        routes=[*routes, Mount("/static", static)],
        middleware=[Middleware(Gate, token=token, body_limits=limits)],
        exception_handlers=dict.fromkeys(_REFUSALS, _refused),
    )
    app.state.workplace = workplace
    app.state.batches = Batches()
    app.state.previews = Previews()
    app.state.live = LiveCorrections(workplace)
    app.state.commands = Commands()
    app.state.jobs = Jobs(workplace)
    app.state.clicks = Clicks(masker)
    return app


def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return _error(request, error.status_code, str(error.detail))
    if isinstance(error, OutsideError):
        message = f"{error}: not below a folder that was opened. Start chromiq studio with it."
        return _error(request, 403, message)
    if isinstance(error, OSError):
        reported = machine_error(error)
        if reported is None:
            raise error
        error = reported
    status = 423 if isinstance(error, LockedError) else 400 if isinstance(error, UsageError) else 422
    return _error(request, status, str(error))


def _error(request: Request, status: int, message: str) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        return Answer({"error": message}, status)
    response = page(request, "error", title="Not done", command="chromiq studio --help", message=message)
    response.status_code = status
    return response


def serve(
    workplace: Workplace, port: int | None, on_start: Callable[[str], None], masker: HubModel = SAM_2
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        port: to listen on; None for `DEFAULT_PORT`, or a free one if that is taken.
        on_start: called with the address, once the page can be opened.

    Raises:
        UsageError: if the port is taken.
    """
    share_one_heap()
    listener = _listen(port)
    token = secrets.token_urlsafe(24)
    app = create_app(workplace, token, masker)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=0,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_fault)
    server = uvicorn.Server(config)
    with listener:
        on_start(f"http://{_LOOPBACK}:{listener.getsockname()[1]}/?token={token}")
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            pass  # how it ends
        finally:
            app.state.jobs.end()
            app.state.commands.end()


def _is_fault(record: logging.LogRecord) -> bool:
    """Whether uvicorn reports a real error: on Ctrl-C it also reports the requests that it cancels."""
    error = record.exc_info[1] if record.exc_info else None
    return "graceful" not in record.getMessage() and not isinstance(error, asyncio.CancelledError)


def _listen(port: int | None) -> socket.socket:
    wanted = [port] if port is not None else [DEFAULT_PORT, 0]
    for number in wanted:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_LOOPBACK, number))
        except OSError as error:
            listener.close()
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
        else:
            listener.listen(128)
            return listener
    raise UsageError(f"port {port} cannot be used on this machine; choose another one, or none")
