"""LoRA files are judged by their own bytes: what is broken is named before a model library sees it."""

import json
import pickle
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file

from chromiq.errors import UnsoundError
from chromiq.evaluate.generate.lora_files import read_lora_keys

KEY = "transformer.blocks.0.attn.to_q.lora_A.weight"


def file_of(header, data=b""):
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


def tensors(values, dtype="F32", key=KEY):
    return file_of(
        {key: {"dtype": dtype, "shape": [len(values)], "data_offsets": [0, values.nbytes]}}, values.tobytes()
    )


GOOD = np.arange(4, dtype="<f4")
NAN = np.array([1, np.nan], "<f4")
BFLOAT16_INFINITY = np.array([0x3F80, 0x7F80], "<u2")
FAULTS = {
    "pickle": pickle.dumps({KEY: [1.0]}),
    "broken": b"GIF89a",
    "truncated": tensors(GOOD)[:-1],
    "keys": tensors(GOOD, key="transformer.blocks.0.weight"),
    "nan": tensors(NAN),
}


@pytest.mark.parametrize("code", FAULTS)
def test_each_fault_is_named(tmp_path, code):
    path = tmp_path / "a.safetensors"
    path.write_bytes(FAULTS[code])
    with pytest.raises(UnsoundError) as caught:
        read_lora_keys(path)
    assert [finding.code for finding in caught.value.findings] == [f"lora.{code}"]
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "header",
    [
        b"[1]",
        b"\xff\xfe",
        b'{"a": 1}',
        b'{"a": {"dtype": "F32"}}',
        b'{"a": {"dtype": "F32", "data_offsets": [1]}}',
        b'{"a": {"dtype": "F32", "data_offsets": [-8, 0]}}',
        b'{"__metadata__": 1}',
        b'{"a":' * 100_000,
    ],
)
def test_a_header_of_another_form_is_broken(tmp_path, header):
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_of(header))
    with pytest.raises(UnsoundError, match=r"lora\.broken"):
        read_lora_keys(path)


def test_a_header_that_claims_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 40) + b"{}")
    with pytest.raises(UnsoundError, match=r"lora\.broken"):
        read_lora_keys(path)


@pytest.mark.parametrize(
    ("values", "dtype"), [(BFLOAT16_INFINITY, "BF16"), (np.array([np.nan], "<f2"), "F16")]
)
def test_half_precision_is_looked_through_too(tmp_path, values, dtype):
    path = tmp_path / "a.safetensors"
    path.write_bytes(tensors(values, dtype))
    with pytest.raises(UnsoundError, match="NaN or infinity"):
        read_lora_keys(path)


def test_a_whole_file_gives_its_keys(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({KEY: GOOD, "b.lora_B.weight": GOOD}, path, metadata={"step": "5"})
    assert read_lora_keys(path) == ["b.lora_B.weight", KEY]
    with pytest.raises(UnsoundError, match=r"lora\.missing"):
        read_lora_keys(tmp_path / "b.safetensors")
