"""The server: on this machine's own address alone, until Ctrl-C."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import logging
import secrets
import socket
from collections.abc import Callable

import uvicorn

from chromiq.dataset_builder.segmenters.network.hub import HubModel
from chromiq.dataset_builder.segmenters.network.hub_models import SAM_2
from chromiq.errors import UsageError
from chromiq.studio.app import create_app
from chromiq.studio.workplace import Workplace

DEFAULT_PORT = 8765
_M_ARENA_MAX = -8  # as malloc.h names it
_LOOPBACK = "127.0.0.1"


def serve(
    workplace: Workplace, port: int | None, on_start: Callable[[str], None], masker: HubModel = SAM_2
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        workplace: what it works on.
        port: to listen on; None for `DEFAULT_PORT`, or a free one if that is taken.
        on_start: called with the address, once the page can be opened.
        masker: SAM 2 for clicks in the mask editor.

    Raises:
        UsageError: if the port is taken.
    """
    _bound_memory()
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


def _bound_memory() -> None:
    """One heap in place of one for each thread: each would keep what large photos left in it."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # of glibc
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


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
