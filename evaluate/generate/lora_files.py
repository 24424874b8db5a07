"""Checks of a LoRA file before any model library opens it; only safetensors are read, which run no code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chromiq.errors import Finding, UnsoundError, raise_findings
from chromiq.safetensors_header import Tensor, read_header

_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")
# A number is infinite or NaN where all bits of its exponent are set.
_EXPONENT_BITS = {
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
    "F32": ("<u4", 0x7F80_0000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
}
_LORA_MARKS = (".lora_", ".lokr_", ".hada_", ".lora.")
_CHUNK = 4_000_000


@dataclass(frozen=True)
class LoraFile:
    """The header of a LoRA file.

    Attributes:
        path: the file.
        keys: of its tensors, sorted.
        metadata: free text, such as ``{"step": "500"}``.
    """

    path: Path
    keys: tuple[str, ...]
    metadata: dict[str, str]


def read_lora_file(path: Path, *, check_numbers: bool = True) -> LoraFile:
    """Check a LoRA file and read its header.

    Args:
        path: the file.
        check_numbers: read the tensors too and refuse NaN and infinity.

    Raises:
        UnsoundError: if the file is missing, a pickle, truncated, not safetensors, not a LoRA, or holds NaN.
    """
    if not path.is_file():
        raise _fault("missing", path, "no such file", "Check the path.")
    try:
        header = read_header(path)
    except ValueError as error:
        with path.open("rb") as stream:
            start = stream.read(max(map(len, _PICKLE_STARTS)))
        if start.startswith(_PICKLE_STARTS):
            message = "a pickle, which could run any code"
            raise _fault("pickle", path, message, "Get the LoRA as .safetensors.") from error
        raise _fault(
            "broken", path, f"not a complete safetensors file ({error})", "Copy it again."
        ) from error
    size = path.stat().st_size
    if size != header.file_bytes:
        raise _fault("truncated", path, f"{size} of {header.file_bytes} bytes", "Copy it again.")
    keys = tuple(sorted(header.tensors))
    if not any(mark in key for key in keys for mark in _LORA_MARKS):
        held = f"tensors such as {keys[0]!r}"[:120] if keys else "no tensors"
        raise _fault("keys", path, f"no LoRA weights, but {held}", "Give a LoRA, not a whole model.")
    if check_numbers:
        for key in keys:
            if not _is_finite(path, header.tensors[key]):
                message = f"NaN or infinity in {key}: the training diverged"
                raise _fault("nan", path, message, "Use an earlier checkpoint.")
    return LoraFile(path, keys, header.metadata)


def require_lora_files(paths: Iterable[Path]) -> None:
    """Check LoRA files before any work begins.

    Raises:
        UnsoundError: with everything that is wrong; see `read_lora_file`.
    """
    findings: list[Finding] = []
    for path in paths:
        try:
            read_lora_file(path)
        except UnsoundError as error:
            findings += error.findings
    raise_findings(findings, "LoRA")


def raise_if_none_fits(lora: LoraFile, fitting: Sequence[str], model: str) -> None:
    """Refuse a LoRA of which no layer was loaded; the libraries only warn.

    Args:
        lora: as `read_lora_file` gives it.
        fitting: names of the layers of the model that took weights from it.
        model: its name, for the message.
    """
    if not fitting:
        message = f"no key fits {model}, for instance {lora.keys[0]}"
        raise _fault("fit", lora.path, message, f"Use a LoRA trained on {model}, or another model.")


def _is_finite(path: Path, tensor: Tensor) -> bool:
    if tensor.dtype not in _EXPONENT_BITS or tensor.end <= tensor.begin:
        return True
    unsigned, exponent = _EXPONENT_BITS[tensor.dtype]
    dtype = np.dtype(unsigned)
    count = (tensor.end - tensor.begin) // dtype.itemsize
    bits = np.memmap(path, dtype, "r", tensor.begin, (count,))
    mask = dtype.type(exponent)
    return not any(((bits[start : start + _CHUNK] & mask) == mask).any() for start in range(0, count, _CHUNK))


def _fault(code: str, path: Path, message: str, hint: str) -> UnsoundError:
    finding = Finding(f"lora.{code}", str(path), message, hint)
    return UnsoundError(str(finding), [finding])
