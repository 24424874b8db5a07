"""The shipped Jinja2 templates, found in a source tree and in an installed wheel alike."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from chromiq.wording import counted, interval_text


def template_text(name: str) -> str | None:
    """The text of a shipped template, or None if no template has that name."""
    path = files("chromiq.templates") / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


def csp_hash(text: Any) -> str:
    """What a Content-Security-Policy calls an inline style or script: its SHA-256 in base64."""
    return base64.b64encode(hashlib.sha256(str(text).encode("utf-8")).digest()).decode("ascii")


def render_page(name: str, **values: Any) -> str:
    """A self-contained HTML page of ``NAME.html.j2``, with the style ``NAME.css`` and the script ``NAME.js``.

    Args:
        name: of a template that extends ``page.html.j2``; a page may have no script.
        values: `title`, and whatever the template takes.
    """
    environment = template_environment(html=True)
    environment.filters["csp_hash"] = csp_hash
    # Our own files, no user's text.
    style, script = (Markup(template_text(f"{name}.{kind}") or "") for kind in ("css", "js"))  # noqa: S704
    return environment.get_template(f"{name}.html.j2").render(style=style, script=script, **values)


def template_environment(*, html: bool, sandboxed: bool = False) -> Environment:
    """A Jinja2 environment over the shipped templates in which an undefined name is an error.

    Args:
        html: escape every value for HTML.
        sandboxed: refuse templates that reach for Python's insides, as those of others may.
    """
    # The only templates that are not HTML are YAML, whose values are written by PyYAML.
    environment = (SandboxedEnvironment if sandboxed else Environment)(
        loader=FunctionLoader(template_text),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(counted=counted, interval_text=interval_text)
    return environment
