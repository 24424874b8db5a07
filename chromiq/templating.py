"""The shipped Jinja2 templates, found in a source tree and in an installed wheel alike."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from chromiq.wording import counted, interval_text


def template_text(name: str) -> str | None:
    """The text of a shipped template, or None if no template has that name."""
    path = files("chromiq.templates") / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


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
