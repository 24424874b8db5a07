"""Match the colour of a garment in on-model photos to its still-life."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "correct"]


def __getattr__(name: str) -> Any:
    """Load `chromiq.correct` lazily, because it imports OpenCV."""
    if name == "correct":
        from importlib import import_module

        return import_module("chromiq.correction.photo").correct
    raise AttributeError(f"module 'chromiq' has no attribute {name!r}")
