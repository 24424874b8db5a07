"""Who may talk to the page: this machine's browser that was given the token, and pages of the page's own.

A page on another site can make a browser send requests to this machine. So every request needs the cookie
that only the one-time token buys, a Host that is this machine (which a rebound name is not), and, if it
changes anything, an Origin that is the page itself.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD"})
MAX_BODY_BYTES = 64 * 1024
"""Of a request, unless its route takes files."""
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",  # photos of clients do not end up in a browser's files
}


class BodyTooLargeError(Exception):
    """A request has more bytes than its route takes."""


class Gate:
    """ASGI middleware that answers every request that may not pass, and bounds the bodies of the others.

    Args:
        app: what is behind it.
        token: opens one session, once: ``/?token=...``.
        body_limits: by regular expression of a path, the most bytes of a body in place of `MAX_BODY_BYTES`.
    """

    def __init__(self, app: ASGIApp, token: str, body_limits: Mapping[str, int] | None = None) -> None:
        self._app, self._token = app, token
        self._limits = dict(body_limits or {})
        self._session = secrets.token_urlsafe(32)
        # Cookies know no port: the pages of two servers must not log each other out.
        self._cookie = f"chromiq-studio-{secrets.token_hex(4)}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no WebSockets
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    sent.setdefault(name, value)
            await send(message)

        if refusal is not None:
            await refusal(scope, receive, send_safely)
            return
        limit = self._limit(scope["path"])
        if int(headers.get("content-length", "0")) > limit:
            await _too_large(limit)(scope, receive, send_safely)
            return
        try:
            await self._app(scope, _bounded(receive, limit), send_safely)
        except BodyTooLargeError:
            await _too_large(limit)(scope, receive, send_safely)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if urlsplit(f"//{host}").hostname not in HOSTS:
            return PlainTextResponse("This page answers on this machine's own names only.", 421)
        origin = headers.get("origin")
        is_own = origin == f"http://{host}"
        if scope["method"] not in SAFE_METHODS and not is_own:
            return PlainTextResponse("Only the page itself may change something.", 403)
        if origin is not None and not is_own:
            return PlainTextResponse("Only the page itself may ask.", 403)
        if not headers.get("content-length", "0").isdecimal():
            return PlainTextResponse("The content length is no number.", 400)
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        is_known = self._is_known(headers)
        if scope["path"] == "/" and token:
            return RedirectResponse("/", 303) if is_known else self._session_for(token)
        if not is_known:
            return PlainTextResponse(
                "Open the address that chromiq studio printed. It works once; start chromiq studio again for "
                "another one.",
                403,
            )
        return None

    def _session_for(self, token: str) -> Response:
        if not self._token or not secrets.compare_digest(token.encode(), self._token.encode()):
            return PlainTextResponse(
                "This address was used before, or is from an earlier start. Use the tab that it opened, or "
                "start chromiq studio again.",
                403,
            )
        self._token = ""
        response = RedirectResponse("/", 303)
        response.set_cookie(self._cookie, self._session, httponly=True, samesite="strict", path="/")
        return response

    def _is_known(self, headers: Headers) -> bool:
        try:
            sent = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return sent is not None and secrets.compare_digest(sent.value.encode(), self._session.encode())

    def _limit(self, path: str) -> int:
        fitting = (most for pattern, most in self._limits.items() if re.fullmatch(pattern, path))
        return next(fitting, MAX_BODY_BYTES)


def _bounded(receive: Receive, limit: int) -> Receive:
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message: dict[str, Any] = dict(await receive())
        seen += len(message.get("body", b""))
        if seen > limit:
            raise BodyTooLargeError
        return message

    return bounded


def _too_large(limit: int) -> Response:
    return PlainTextResponse(f"More than {limit:,} bytes were sent.", 413)
