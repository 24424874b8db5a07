"""Lets torchvision be imported beside a CPU torch; a .pth file in the trainer's environment loads it.

The package index has torchvision linked against CUDA only. Beside a CPU torch its native library cannot be
loaded, and its Python code then stops at undeclared operators. Once declared, they are merely absent:
nothing that AI-Toolkit does in training calls them.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from typing import Any

_OPERATORS = ("nms", "qnms")


class _BeforeTorchvision:
    """Declares the operators when torchvision is imported, and finds nothing itself."""

    library: Any = None

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            # What was declared goes with this object, so it is kept.
            self.library = _BeforeTorchvision.library = torch.library.Library("torchvision", "FRAGMENT")
            for operator in _OPERATORS:
                self.library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return None


sys.meta_path.insert(0, _BeforeTorchvision())
