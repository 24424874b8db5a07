"""Read text, JSON and YAML from users within limits, so that no file can crash or hang the reader."""

from __future__ import annotations

import json
from functools import cache
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from chromiq.errors import Finding, UnsoundError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError
    from pydantic_core import ErrorDetails
    from yaml import SafeLoader, YAMLError

Record = TypeVar("Record")

MAX_TEXT_BYTES = 64 * 1024 * 1024
MAX_YAML_VALUES = 100_000


def read_text(path: Path, *, newline: str | None = None) -> str:
    """Read a text file named by the user, which may turn out to be a pipe, a video or an endless device.

    Line ends are converted to newlines, unless `newline` is ``""``. A byte order mark, which some editors on
    Windows write, is left out.

    Raises:
        OSError: if it cannot be read; its text is the reason alone, without a number and the path.
        ValueError: if it is not UTF-8, or longer than `MAX_TEXT_BYTES`.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        reason = type(error)((error.strerror or str(error)).lower())
        reason.strerror = str(reason)
        raise reason from error
    if len(content) > MAX_TEXT_BYTES:
        raise ValueError(f"more than {MAX_TEXT_BYTES // 1024**2} MB")
    try:
        return TextIOWrapper(BytesIO(content), encoding="utf-8-sig", newline=newline).read()
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not text in UTF-8, from byte {error.start + 1} on") from error


def load_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: if it is not JSON, or is nested too deep.

    >>> load_json('{"a": [1, 2]}')
    {'a': [1, 2]}
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def read_json_object(path: Path, code: str, hint: str) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        code: of the findings, before ``.unreadable`` and ``.form``.
        hint: what to write instead, a sentence.

    Raises:
        UnsoundError: if the file holds something else.
    """
    try:
        document = load_json(read_text(path))
        if isinstance(document, dict):
            return document
        finding = Finding(
            f"{code}.form", str(path), f"is a JSON {type(document).__name__}, not an object", hint
        )
    except (OSError, ValueError) as error:
        finding = Finding(f"{code}.unreadable", str(path), f"cannot be read as JSON ({error})", hint)
    raise UnsoundError.of(finding)


def load_record(record: type[Record], text: str | bytes) -> Record:
    """A frozen dataclass from a JSON object; types are checked strictly.

    Raises:
        ValueError: if the text is not JSON, or a field is missing or has another type.
    """
    from pydantic import ValidationError  # takes a tenth of a second to import

    try:
        return cast(Record, _adapter(record).validate_json(text, strict=True))  # type: ignore[arg-type]
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise ValueError(f"{place} {reason_of(fault)}" if place else fault["msg"]) from error


def as_record(record: type[Record], plain: Any) -> Record:
    """A frozen dataclass from plain data, with lists for tuples.

    Raises:
        ValueError: if a field is missing or has the wrong type.
    """
    return cast(Record, _adapter(record).validate_python(plain))  # type: ignore[arg-type]


@cache
def _adapter(record: type[Any]) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(record)


def load_yaml(text: str, loader: type[SafeLoader] | None = None) -> Any:
    """The value of a YAML text, plain data only.

    Args:
        text: one document.
        loader: the loader to use; PyYAML's `SafeLoader` by default.

    Raises:
        ValueError: if it is not YAML, is nested too deep, or its aliases expand to more than
            `MAX_YAML_VALUES` values.

    >>> load_yaml("a: [1, 2]")
    {'a': [1, 2]}
    """
    import yaml  # not needed by a build's workers

    try:
        reader = (loader or yaml.SafeLoader)(text)
        try:
            document = reader.get_single_data()
        finally:
            reader.dispose()
    except yaml.YAMLError as error:
        raise ValueError(_yaml_fault(error)) from error
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    todo, seen = [document], 0
    while todo:
        value = todo.pop()
        seen += 1
        if seen > MAX_YAML_VALUES:
            raise ValueError(f"more than {MAX_YAML_VALUES} values after expanding its aliases")
        if isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, list):
            todo += value
    return document


def _yaml_fault(error: YAMLError) -> str:
    """The position and reason of a YAML error, on one line."""
    from yaml import MarkedYAMLError

    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    problem = error.problem or ""
    if "found character '\\t'" in problem:
        problem = "a tab, where YAML allows spaces only; replace it by spaces"
    elif error.context:
        problem = f"{problem} {error.context}"
    return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {problem}"


def validation_findings(error: ValidationError, code: str, file_name: str, hint: str) -> list[Finding]:
    """A finding for each error that pydantic reports about a document.

    Args:
        error: raised by pydantic.
        code: the code of the findings.
        file_name: the document, to which the place of each error is added.
        hint: how to fix it, a sentence.
    """
    findings = []
    for fault in error.errors():
        where = f"{file_name}: {'.'.join(map(str, fault['loc'])) or 'the file'}"
        # Of what is missing pydantic gives the mapping around it.
        got = None if fault["type"] == "missing" else repr(fault.get("input"))[:80]
        message = reason_of(fault) + (f", got {got}" if got else "")
        findings.append(Finding(code, where, message, hint, got=got))
    return findings


_REASONS = {
    "missing": "is missing",
    "extra_forbidden": "is not a known key",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be text",
    "path_type": "must be a path",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must hold keys and values",
    "model_type": "must hold keys and values",
    "dataclass_type": "must hold keys and values",
    "too_short": "must not be empty",
}


def reason_of(problem: ErrorDetails) -> str:
    """Why a value does not fit, in the words of someone who writes YAML.

    Args:
        problem: one of pydantic's errors.
    """
    said = problem["msg"].replace("Input should", "must", 1)
    return _REASONS.get(problem["type"], said[:1].lower() + said[1:])
