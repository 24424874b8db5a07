"""A composed job -> the text of AI-Toolkit's config, parsed back and compared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, TemplateError

from chromiq.documents import load_yaml, read_text
from chromiq.errors import Finding, UnsoundError, UsageError, raise_findings
from chromiq.models import find_model
from chromiq.templating import template_environment
from chromiq.toolkit_configs.render.compose import Composed, compose_job
from chromiq.toolkit_configs.render.settings import Settings, assigned_settings, flat
from chromiq.toolkit_configs.render.yaml_text import yaml_key, yaml_value
from chromiq.toolkit_configs.schema.written_keys import NOTES

# AI-Toolkit replaces ${NAME} in the raw text and [name] in every value: neither can be written literally.
_SUBSTITUTED = re.compile(r"\$\{|\[name\]")


def render_job(
    model: str,
    dataset: Path,
    *,
    preset: str | None = None,
    name: str | None = None,
    training_folder: Path | None = None,
    overrides: Mapping[str, str] | None = None,
) -> str:
    """The text of the config file of `compose_job`.

    Args:
        overrides: dotted key within the process, such as ``"train.lr"``, to a YAML value.

    Raises:
        UsageError, UnsoundError: as `compose_job` and `render_composed` do.
    """
    values = assigned_settings([f"{key}={value}" for key, value in (overrides or {}).items()], "overrides")
    composed = compose_job(
        model,
        dataset,
        preset=preset,
        name=name,
        training_folder=training_folder,
        layers=[Settings("overrides", values=values)],
    )
    return render_composed(composed)


def render_composed(composed: Composed, template: Path | None = None) -> str:
    """The text of a composed job, which when parsed equals it.

    Args:
        template: a user's own template, which is used instead of the model's.

    Raises:
        AssertionError: if a shipped template renders something else; that is our fault, not the user's.
        UnsoundError: if a value holds what AI-Toolkit would replace, the user's template does not render, or
            with every key for which it renders another value.
    """
    document = composed.document
    raise_findings(substituted(document), "values that AI-Toolkit would change")
    model = find_model(composed.model)
    about = {
        "model": composed.model,
        "preset": composed.preset,
        "repository": model.hub_id,
        "gated": model.is_gated,
        "memory": composed.memory.summary if composed.memory else "",
    }
    context = {"job": document, "about": about, "notes": NOTES}
    if template is None:
        text = _environment().get_template(model.template_name).render(context)
        if yaml.safe_load(text) != document:
            raise AssertionError(
                f"{model.template_name} does not render what it was given; please report this"
            )
        return text
    text = _render_own(template, context)
    raise_findings(_differences(template, text, document), f"the template {template}")
    return text


def substituted(value: Any, where: Sequence[str] = ()) -> list[Finding]:
    """Every text that AI-Toolkit would replace or could not read, keys included."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        return [
            found
            for key, item in value.items()
            for found in (*substituted(str(key), [*where, "key"]), *substituted(item, [*where, str(key)]))
        ]
    if not isinstance(value, str):
        return []
    broken = "\0" in value or any("\ud800" <= character <= "\udfff" for character in value)
    if not broken and not _SUBSTITUTED.search(value):
        return []
    message = f"{ascii(value)[:80]} holds ${{, [name] or a null byte, which AI-Toolkit replaces or refuses"
    return [Finding("config.substituted", ".".join(where), message, "Use other text.")]


def _render_own(path: Path, context: Mapping[str, Any]) -> str:
    try:
        source = read_text(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: the template cannot be read: {error}") from error
    try:
        return _environment().from_string(source).render(context)
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        line = getattr(error, "lineno", None)
        where = f"{path}: line {line}" if line else str(path)
        hint = "Fix it; chromiq template copy MODEL writes one that works."
        finding = Finding("template.fault", where, f"does not render: {str(error).rstrip('.')}", hint)
        raise UnsoundError.of(finding) from error


def _differences(template: Path, text: str, document: dict[str, Any]) -> list[Finding]:
    """Where a user's template renders other values than the job's; it may lay values out, but set none."""
    try:
        parsed = load_yaml(text)
    except ValueError as error:
        message = f"does not render YAML: {error}"
        return [Finding("template.yaml", str(template), message, "Write values as {{ ... | tojson }}.")]
    if parsed == document:
        return []
    if not isinstance(parsed, dict):
        message = f"renders {parsed!r}"[:80] + ", which holds no keys and values"
        return [Finding("template.yaml", str(template), message, "Fix the template.")]
    have, want = dict(flat(parsed)), dict(flat(document))
    findings = []
    for key in sorted({*have, *want}):
        if key in have and key in want and have[key] == want[key]:
            continue
        expected = f"{want[key]!r}"[:80] if key in want else "no such key"
        rendered = f"{have[key]!r}"[:80] if key in have else "nothing"
        short = key.removeprefix("config.process.0.")
        message = f"renders {rendered}, but the job has {expected}"
        hint = (
            f"Render the job's own value there; set {short} in chromiq.yaml or as an override to change it."
        )
        findings.append(Finding("template.value", f"{template}: {short}", message, hint))
    return findings


@cache
def _environment() -> Environment:
    """Sandboxed: a user's own template may come from others, so it runs nothing. It keeps its templates."""
    environment = template_environment(html=False, sandboxed=True)
    # Jinja's own tojson would write 1e-05 and surrogates, which YAML reads as other texts.
    environment.filters.update(tojson=yaml_value, yaml_key=yaml_key, without=_without)
    return environment


def _without(mapping: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in keys}
