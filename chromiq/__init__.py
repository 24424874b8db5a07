"""The ground every chromiq stage stands on: errors, records, pixels, colour, files, progress."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "correct"]


def __getattr__(name: str) -> Any:
    """`chromiq.correct` is loaded when it is asked for: it needs OpenCV, the ground does not."""
    if name == "correct":
        from importlib import import_module

        return import_module("chromiq.correction.arrays").correct
    raise AttributeError(f"module 'chromiq' has no attribute {name!r}")
