"""The header of a safetensors file, read without the library, which comes with torch.

The format: eight bytes with the length of a JSON header, little-endian, the header, then the tensors without
gaps. Nothing in it is ever executed. https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100_000_000  # the format's own limit


class Tensor(NamedTuple):
    """A tensor as the header tells of it.

    Attributes:
        dtype: in the format's words, such as ``"BF16"``.
        begin: its first byte in the file.
        end: the byte after its last.
    """

    dtype: str
    begin: int
    end: int


@dataclass(frozen=True)
class SafetensorsHeader:
    """What a file says of itself.

    Attributes:
        metadata: what its maker wrote, such as ``{"step": "500"}``.
        tensors: by name.
        file_bytes: how long the whole file is.
    """

    metadata: dict[str, Any]
    tensors: dict[str, Tensor]
    file_bytes: int


def read_header(path: Path) -> SafetensorsHeader:
    """Read the header of a file, which may be cut short behind it.

    Raises:
        ValueError: if there is none; says what there is.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(_LENGTH_BYTES)
        length = int.from_bytes(start, "little")
        if len(start) < _LENGTH_BYTES or length > min(_MAX_HEADER_BYTES, size - _LENGTH_BYTES):
            raise ValueError(f"{size} bytes that start otherwise")
        text = stream.read(length)
    data_start = _LENGTH_BYTES + length
    try:
        document = json.loads(text)
        metadata = dict(document.pop("__metadata__", {}))
        tensors = {name: _tensor(told, data_start) for name, told in document.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"'{error}'"[:120]) from error
    file_bytes = max((tensor.end for tensor in tensors.values()), default=data_start)
    return SafetensorsHeader(metadata, tensors, file_bytes)


def _tensor(told: dict[str, Any], data_start: int) -> Tensor:
    begin, end = map(int, told["data_offsets"])
    if not 0 <= begin <= end:
        raise ValueError(f"a tensor from byte {begin} to {end}")
    return Tensor(str(told["dtype"]), data_start + begin, data_start + end)
