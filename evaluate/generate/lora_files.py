"""Checks of a LoRA file before any model library opens it; only safetensors are read, which run no code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import ml_dtypes  # noqa: F401  registers bfloat16 with NumPy
import numpy as np
from safetensors import SafetensorError, safe_open

from chromiq.errors import Finding, UnsoundError, raise_findings

_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")
_FLOAT_DTYPES = ("F64", "F32", "F16", "BF16")
_LORA_MARKS = (".lora_", ".lokr_", ".hada_", ".lora.")


def read_lora_keys(path: Path) -> list[str]:
    """Check a LoRA file, and read the names of its tensors.

    Raises:
        UnsoundError: if the file is missing, a folder, a pickle, truncated, not safetensors, not a LoRA, or
            holds NaN.
    """
    if path.is_dir():
        raise _fault("folder", path, "a folder, as of a model trained whole", "Give a .safetensors file.")
    if not path.is_file():
        raise _fault("missing", path, "no such file", "Check the path.")
    try:
        # Of one that may not be read, safetensors says that it is missing.
        with path.open("rb"), safe_open(path, framework="numpy") as file:
            keys = sorted(file.keys())
            _require_lora_keys(path, keys)
            _require_finite(path, file, keys)
    except SafetensorError as error:
        raise _unreadable(path, error) from error
    return keys


def _require_lora_keys(path: Path, keys: Sequence[str]) -> None:
    if not any(mark in key for key in keys for mark in _LORA_MARKS):
        held = f"tensors such as {keys[0]!r}"[:120] if keys else "no tensors"
        raise _fault("keys", path, f"no LoRA weights, but {held}", "Give a LoRA, not a whole model.")


def _require_finite(path: Path, file: safe_open, keys: Iterable[str]) -> None:
    for key in keys:
        if file.get_slice(key).get_dtype() in _FLOAT_DTYPES and not np.isfinite(file.get_tensor(key)).all():
            message = f"NaN or infinity in {key}: the training diverged"
            raise _fault("nan", path, message, "Use an earlier checkpoint.")


def _unreadable(path: Path, error: SafetensorError) -> UnsoundError:
    with path.open("rb") as stream:
        start = stream.read(max(map(len, _PICKLE_STARTS)))
    if start.startswith(_PICKLE_STARTS):
        return _fault("pickle", path, "a pickle, which could run any code", "Get the LoRA as .safetensors.")
    code = "truncated" if "incomplete" in str(error).lower() else "broken"
    message = f"not a complete safetensors file ({path.stat().st_size} bytes; {error})"
    return _fault(code, path, message, "Copy it again.")


def require_lora_files(paths: Iterable[Path]) -> None:
    """Check LoRA files before any work begins.

    Raises:
        UnsoundError: with everything that is wrong; see `read_lora_keys`.
    """
    findings: list[Finding] = []
    for path in paths:
        try:
            read_lora_keys(path)
        except UnsoundError as error:
            findings += error.findings
    raise_findings(findings, "LoRA")


def _fault(code: str, path: Path, message: str, hint: str) -> UnsoundError:
    return UnsoundError.of(Finding(f"lora.{code}", str(path), message, hint))
