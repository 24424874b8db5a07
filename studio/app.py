"""All screens behind the gate, as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from chromiq.dataset_builder.segmenters.network.hub import HubModel
from chromiq.dataset_builder.segmenters.network.hub_models import SAM_2
from chromiq.errors import ChromiqError, LockedError, UsageError
from chromiq.studio.batches import Batches
from chromiq.studio.clicks import Clicks
from chromiq.studio.commands import Commands
from chromiq.studio.jobs import Jobs
from chromiq.studio.live import LiveCorrections
from chromiq.studio.mask_work import EditingCache
from chromiq.studio.pages import page
from chromiq.studio.previews import Previews
from chromiq.studio.screens import (
    config,
    dataset,
    decisions,
    deliver,
    light_table,
    mask,
    open_folder,
    photo,
    pictures,
    runs,
)
from chromiq.studio.security import Gate
from chromiq.studio.workplace import OutsideError, Workplace

_SCREENS = (light_table, photo, pictures, decisions, deliver, open_folder, mask, dataset, runs, config)

# Each may decode a photo of 25 megapixels at the same time.
_THREADS = 4


def create_app(workplace: Workplace, token: str, masker: HubModel = SAM_2) -> Starlette:
    """The application.

    Args:
        workplace: what it works on.
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
        exception_handlers={ChromiqError: _refused, OutsideError: _outside, HTTPException: _http_error},
    )
    app.state.workplace = workplace
    app.state.batches = Batches()
    app.state.previews = Previews()
    app.state.live = LiveCorrections(workplace)
    app.state.commands = Commands()
    app.state.jobs = Jobs(workplace)
    app.state.editing = EditingCache()
    app.state.clicks = Clicks(masker)
    return app


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ChromiqError)
    status = 423 if isinstance(error, LockedError) else 400 if isinstance(error, UsageError) else 422
    return _error(request, status, str(error))


def _outside(request: Request, error: Exception) -> Response:
    return _error(request, 403, f"{error}: not below a folder that was opened. Start chromiq studio with it.")


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(request, error.status_code, str(error.detail))


def _error(request: Request, status: int, message: str) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": message}, status)
    response = page(request, "error", title="Not done", command="chromiq studio --help", message=message)
    response.status_code = status
    return response
