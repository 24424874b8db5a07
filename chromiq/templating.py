"""Load and render the Jinja2 templates of the package."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from chromiq.wording import counted, cut, in_order, interval_text


@cache
def template_text(name: str) -> str | None:
    """The text of a template of the package, read once; None if none has that name."""
    path = files("chromiq.templates") / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


def data_uri(data: bytes, media_type: str) -> str:
    """Bytes as a ``data:`` URI."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def csp_hash(text: Any) -> str:
    """The base64 SHA-256 of an inline style or script, for a Content-Security-Policy."""
    return base64.b64encode(hashlib.sha256(str(text).encode("utf-8")).digest()).decode("ascii")


def render_page(name: str, **values: Any) -> str:
    """Render ``NAME.html.j2`` as a self-contained page with its style ``NAME.css`` and script ``NAME.js``.

    Args:
        name: a template that extends ``page.html.j2``; the script is optional.
        values: `title` and the variables of the template.
    """
    # Files of the package, not of the user.
    style, script = (Markup(template_text(f"{name}.{kind}") or "") for kind in ("css", "js"))  # noqa: S704
    template = _page_environment().get_template(f"{name}.html.j2")
    return template.render(style=style, script=script, **values)


@cache
def _page_environment() -> Environment:
    """One for all pages: an environment keeps the templates that it compiled."""
    environment = template_environment(html=True)
    environment.filters["csp_hash"] = csp_hash
    return environment


def template_environment(*, html: bool, sandboxed: bool = False) -> Environment:
    """A Jinja2 environment for the package's templates, in which undefined names are errors.

    Args:
        html: whether to escape values for HTML.
        sandboxed: whether to refuse access to Python internals, for templates of third parties.
    """
    # The only templates that are not HTML are YAML, whose values are written by PyYAML.
    environment = (SandboxedEnvironment if sandboxed else Environment)(
        loader=FunctionLoader(template_text),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_in_order if html else None,
    )
    environment.filters.update(counted=counted, cut=cut, interval_text=interval_text)
    if html:
        environment.filters["format"] = _formatted
    return environment


def _in_order(value: Any) -> Any:
    """A value as a page shows it; what a form sends back is escaped by the template (``| e``) and stays."""
    return value if isinstance(value, Markup) else in_order(str(value))


def _formatted(form: str, value: float) -> str:
    """A number, never as -0.0.

    >>> _formatted("%+.1f", -0.04), _formatted("%+.1f", -0.06), _formatted("%.2f", float("nan"))
    ('+0.0', '-0.1', 'nan')
    """
    text = form % value
    is_zero = text.startswith("-0") and not any(digit in text for digit in "123456789")
    return form % 0.0 if is_zero else text
