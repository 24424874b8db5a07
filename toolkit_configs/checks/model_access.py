"""Whether the base model can be downloaded: one request to the hub, which downloads nothing."""

from __future__ import annotations

import os
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from chromiq.errors import Finding

_TIMEOUT_S = 5
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def access_findings(repository: str, where: str, *, offline: bool) -> list[Finding]:
    """What keeps a hub model from being downloaded; nothing is asked offline or when it is in the cache.

    Args:
        repository: such as ``"black-forest-labs/FLUX.1-Kontext-dev"``.
        where: the config's key, for messages.
        offline: send no request. ``HF_HUB_OFFLINE=1`` does the same.
    """
    if offline or _is_true(os.environ.get("HF_HUB_OFFLINE", "")) or is_cached(repository):
        return []
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    token = find_token()
    status, reason = _ask(f"{endpoint}/api/models/{repository}/auth-check", token)
    page = f"{endpoint}/{repository}"
    if status is None or not (status < 400 or status in {401, 403, 404}):
        message = f"{endpoint} gave no usable answer ({reason or f'HTTP {status}'})"
        hint = "Check the network, try again later, or give offline."
        return [Finding("model.network", where, message, hint, "warning")]
    if status < 400:
        return []
    if status == 404:
        message = f"there is no {page}"
        return [Finding("model.unknown", where, message, "Fix the name, or log in if it is private.")]
    token_text = "the token may not read" if token else "there is no token for"
    message = f"{token_text} {repository} (HTTP {status})"
    hint = f"Accept the licence at {page} and set HF_TOKEN (or run: hf auth login)."
    return [Finding("access.model", where, message, hint)]


def find_token() -> str | None:
    """The user's token where Hugging Face's tools keep it: ``HF_TOKEN``, else the file of its login."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if value := os.environ.get(name, "").strip():
            return value
    path = Path(os.environ.get("HF_TOKEN_PATH") or hub_home() / "token")
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def hub_home() -> Path:
    """Where Hugging Face's tools keep their files."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("HF_HOME") or cache / "huggingface")


def is_cached(repository: str) -> bool:
    """Whether some snapshot of a model is in the cache; not whether it is complete."""
    cache = Path(os.environ.get("HF_HUB_CACHE") or hub_home() / "hub")
    return any((cache / f"models--{repository.replace('/', '--')}" / "snapshots").glob("*/*"))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer; following it could carry the token elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _ask(url: str, token: str | None) -> tuple[int | None, str]:
    """The status of an answer, or None and the reason."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        return None, "HF_ENDPOINT is not a web address"
    request = urllib.request.Request(url, headers={"User-Agent": "chromiq"})  # noqa: S310 (checked above)
    # The token is never sent unencrypted.
    if token and (parts.scheme == "https" or parts.hostname in _LOOPBACK):
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_TIMEOUT_S) as answer:
            return int(answer.status), ""
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, ""
    except (OSError, ValueError) as error:
        return None, str(getattr(error, "reason", error))


def _is_true(text: str) -> bool:
    return text.strip().upper() in {"1", "TRUE", "YES", "ON"}
