"""A LoRA that is not one is refused by every verb that takes it, before a model library is even imported."""

import io
import json
import os
import pickle
import struct
import sys
import tracemalloc

import numpy as np
import pytest

from chromiq.errors import EXIT_UNSOUND, EXIT_USAGE
from chromiq.files import LOCK_NAME
from chromiq.photos.images import write_photo

KEY = "transformer.transformer_blocks.0.attn.to_q.lora_A.weight"


def safetensors(values, key=KEY, promised=None, shape=None):
    size = promised or values.nbytes
    header = {key: {"dtype": "F32", "shape": shape or [size // 4], "data_offsets": [0, size]}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + values.tobytes()


class Trap:
    """Unpickled it makes a folder."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def pickled(_, tmp_path):
    return pickle.dumps({KEY: Trap(tmp_path / "sprung")})


def saved_by_torch(_, tmp_path):
    torch = pytest.importorskip("torch")
    stream = io.BytesIO()
    torch.save({KEY: Trap(tmp_path / "sprung")}, stream)
    return stream.getvalue()


GOOD = np.linspace(-1, 1, 64, dtype="<f4")
FAULTS = {
    "pickle": (pickled, "lora.pickle", "pickle"),
    "torch.save": (saved_by_torch, "lora.pickle", "pickle"),
    "empty": (lambda *_: b"", "lora.broken", "0 bytes"),
    "cut in its length": (lambda good, _: good[:5], "lora.broken", "5 bytes"),
    "cut in its header": (lambda good, _: good[:40], "lora.broken", "40 bytes"),
    "cut in its numbers": (lambda good, _: good[:-1], "lora.truncated", "Copy it again"),
    "more than it says": (lambda good, _: good + b"\0", "lora.truncated", "Copy it again"),
    "a tensor of 200 MB promised": (
        lambda *_: safetensors(GOOD, promised=200_000_000),
        "lora.truncated",
        "Copy it again",
    ),
    "a shape that does not fit its bytes": (
        lambda *_: safetensors(GOOD, shape=[65]),
        "lora.broken",
        "Copy it again",
    ),
    "a whole model": (
        lambda *_: safetensors(GOOD, key="transformer.blocks.0.weight"),
        "lora.keys",
        "not a whole model",
    ),
    "NaN": (lambda *_: safetensors(np.where(GOOD > 0.9, np.nan, GOOD).astype("<f4")), "lora.nan", KEY),
    "infinity": (lambda *_: safetensors(np.where(GOOD > 0.9, np.inf, GOOD).astype("<f4")), "lora.nan", KEY),
}


@pytest.fixture
def without_models(monkeypatch):
    """To import a model library is an error."""
    for name in ("diffusers", "peft", "safetensors.torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def verbs(tmp_path):
    """Command lines that take a LoRA, by verb; each writes to ``out``."""
    photo = np.full((120, 96, 3), 128, np.uint8)
    canvas = np.full((64, 96, 3), 128, np.uint8)
    for role in ("gt", "control", "reference"):
        write_photo(tmp_path / "testset" / role / "1.png", canvas)
    (tmp_path / "testset" / "gt" / "1.txt").write_text("red")
    for role in ("still-life", "on_model"):
        write_photo(tmp_path / "pairs" / f"{role}1.png", photo)
    out = ("--out", tmp_path / "out", "--lora", tmp_path / "lora.safetensors", "--checkpoint", tmp_path)
    photos = (tmp_path / "pairs" / "still-life1.png", tmp_path / "pairs" / "on_model1.png")
    one = ("--out", tmp_path / "out" / "1.png", *out[2:])
    network = ("--segmenter", "classic", "--method")
    return {
        "generate": ("generate", "--control", tmp_path / "testset" / "control", "--prompt", "red", *out),
        "evaluate": ("evaluate", tmp_path / "testset", *out),
        "correct": ("correct", *photos, *one, *network, "lora"),
        "correct --batch": ("correct", "--batch", tmp_path / "pairs", *out, *network, "hybrid"),
    }


def written(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != LOCK_NAME)


@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_refused_with_the_reason(chromiq, verbs, tmp_path, without_models, fault, request):
    make, code, said = FAULTS[fault]
    lora = tmp_path / "lora.safetensors"
    if fault == "torch.save":
        request.getfixturevalue("monkeypatch").undo()
    lora.write_bytes(make(safetensors(GOOD), tmp_path))
    exit_code, document, _ = chromiq(*verbs["generate"])
    assert exit_code == document["exit_code"] == EXIT_UNSOUND
    (finding,) = document["findings"]
    assert (finding["code"], finding["where"]) == (code, str(lora))
    assert said in finding["message"] + finding["hint"]
    assert not (tmp_path / "sprung").exists()
    assert written(tmp_path / "out") == []


@pytest.mark.parametrize("verb", ["generate", "evaluate", "correct", "correct --batch"])
def test_every_verb_refuses_it_before_it_writes(chromiq, verbs, tmp_path, without_models, verb):
    (tmp_path / "lora.safetensors").write_bytes(safetensors(GOOD)[:-1])
    code, document, reported = chromiq(*verbs[verb])
    assert code == EXIT_UNSOUND, reported
    assert [finding["code"] for finding in document["findings"]] == ["lora.truncated"]
    assert written(tmp_path / "out") == []


def test_a_header_of_200_mb_is_not_read(chromiq, verbs, tmp_path, without_models):
    """The file is as long as its header promises, so only a limit keeps it from being read."""
    lora = tmp_path / "lora.safetensors"
    with lora.open("wb") as stream:
        stream.write(struct.pack("<Q", 200_000_000) + b"{")
        stream.truncate(200_001_000)
    tracemalloc.start()
    code, document, _ = chromiq(*verbs["generate"])
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert code == EXIT_UNSOUND
    assert [finding["code"] for finding in document["findings"]] == ["lora.broken"]
    assert peak_bytes < 20_000_000


def test_a_sound_one_reaches_the_model_libraries(chromiq, verbs, tmp_path, without_models):
    (tmp_path / "lora.safetensors").write_bytes(safetensors(GOOD))
    code, _, reported = chromiq(*verbs["generate"])
    assert code == EXIT_USAGE
    assert "generating needs packages that are missing or too old (" in reported
    assert reported.endswith("); run: pip install 'chromiq[models]'\n")
