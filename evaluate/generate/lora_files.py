"""A LoRA file looked at before any model library opens it; only safetensors, of which nothing is ever run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chromiq.errors import Finding, UnsoundError, raise_findings
from chromiq.safetensors_header import Tensor, read_header

_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")
# A number is infinite or none at all where all bits of its exponent are set.
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
    """What a LoRA's header says.

    Attributes:
        path: the file.
        keys: of its tensors, sorted.
        metadata: what its maker wrote, such as ``{"step": "500"}``.
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
        UnsoundError: if the file is missing, a pickle, cut short, no safetensors, no LoRA, or holds NaN.
    """
    if not path.is_file():
        raise _fault("missing", path, "a LoRA as .safetensors", "no such file", "check the path")
    try:
        header = read_header(path)
    except ValueError as error:
        with path.open("rb") as stream:
            start = stream.read(max(map(len, _PICKLE_STARTS)))
        if start.startswith(_PICKLE_STARTS):
            got = "a pickle, which could run anything"
            raise _fault(
                "pickle", path, "a .safetensors file", got, "ask its maker for safetensors"
            ) from error
        raise _fault("broken", path, "a whole safetensors file", str(error), "copy it again") from error
    size = path.stat().st_size
    if size != header.file_bytes:
        raise _fault("truncated", path, f"{header.file_bytes} bytes", f"{size}", "copy it again")
    keys = tuple(sorted(header.tensors))
    if not any(mark in key for key in keys for mark in _LORA_MARKS):
        got = f"{keys[0]!r} and the like"[:120] if keys else "no tensors"
        raise _fault("keys", path, "LoRA weights", got, "give a LoRA, not a whole model")
    if check_numbers:
        for key in keys:
            if not _is_finite(path, header.tensors[key]):
                got = f"NaN or infinity in {key}"
                raise _fault("nan", path, "numbers", got, "take an earlier checkpoint; this one diverged")
    return LoraFile(path, keys, header.metadata)


def require_lora_files(paths: Iterable[Path]) -> None:
    """Look at LoRA files before any work is begun.

    Raises:
        UnsoundError: with what is wrong with all of them; see `read_lora_file`.
    """
    findings: list[Finding] = []
    for path in paths:
        try:
            read_lora_file(path)
        except UnsoundError as error:
            findings += error.findings
    raise_findings(findings, "LoRA")


def raise_if_none_fits(lora: LoraFile, fitting: Sequence[str], model: str) -> None:
    """Refuse a LoRA of which no layer was loaded; the libraries only warn of that.

    Args:
        lora: as `read_lora_file` gives it.
        fitting: names of the layers of the model that took weights from it.
        model: its name, for the message.
    """
    if not fitting:
        wanted, got = f"keys of {model}", f"none that fit, such as {lora.keys[0]}"
        raise _fault("fit", lora.path, wanted, got, "give a LoRA of this model, or another --model")


def _is_finite(path: Path, tensor: Tensor) -> bool:
    if tensor.dtype not in _EXPONENT_BITS or tensor.end <= tensor.begin:
        return True
    unsigned, exponent = _EXPONENT_BITS[tensor.dtype]
    dtype = np.dtype(unsigned)
    count = (tensor.end - tensor.begin) // dtype.itemsize
    bits = np.memmap(path, dtype, "r", tensor.begin, (count,))
    mask = dtype.type(exponent)
    return not any(((bits[start : start + _CHUNK] & mask) == mask).any() for start in range(0, count, _CHUNK))


def _fault(code: str, path: Path, wanted: str, got: str, cure: str) -> UnsoundError:
    finding = Finding.expected(f"lora.{code}", str(path), wanted, got, cure)
    return UnsoundError(str(finding), [finding])
