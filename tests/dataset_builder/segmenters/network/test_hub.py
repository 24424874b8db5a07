"""Model libraries that are not installed."""

import sys

import pytest

from chromiq.dataset_builder.segmenters.choose import label_faults
from chromiq.dataset_builder.segmenters.network.grounded_sam2 import load_grounded_sam2
from chromiq.dataset_builder.segmenters.network.hub import HubModel, Runtime, fetch_weights
from chromiq.dataset_builder.segmenters.network.sam3 import load_sam3
from chromiq.errors import UsageError

MODEL = HubModel("no/model")
RUNTIME = Runtime("cpu", "float32", None)


@pytest.mark.parametrize(
    ("missing", "call"),
    [
        ("torch", Runtime.choose),
        ("huggingface_hub", lambda: fetch_weights(MODEL)),
        ("transformers", lambda: label_faults("sam3", ["shirt"])),
        ("transformers", lambda: load_grounded_sam2(MODEL, MODEL, RUNTIME)),
        ("transformers", lambda: load_sam3(MODEL, RUNTIME)),
    ],
)
def test_segmenters_name_the_one_that_needs_none(monkeypatch, missing, call):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError) as caught:
        call()
    said = str(caught.value)
    assert said.startswith("this segmenter needs packages that are missing or too old (")
    assert said.endswith("; use the segmenter classic, or run: pip install 'chromiq[models]'")
