"""torchvision's Python code beside a CPU torch, for Qwen's processors: a crutch for tests alone.

The package index's wheel is linked against CUDA libraries and breaks the import of the model libraries
where it is installed. Unpacked elsewhere, with the operators declared that its library would bring, its
Python code can be imported, and that is all that Qwen's processors ask for. `make` unpacks it.
"""

import os
import sys
from pathlib import Path

FOLDER = Path(os.environ.get("TORCHVISION_CODE") or Path(sys.prefix) / "torchvision_code")
_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def make_importable():
    """Call it before anything imports torchvision; the process is good for nothing else afterwards."""
    # roi_align would be compiled for 15 seconds.
    os.environ["TORCHDYNAMO_DISABLE"] = "1"
    sys.path.append(str(FOLDER))
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in _OPERATORS:
        library.define(operator)
    import torchvision  # noqa: F401

    return library
