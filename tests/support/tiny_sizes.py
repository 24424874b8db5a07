"""The sizes of the tiny models, which lie in ``tiny_sizes.yaml``."""

from functools import cache
from pathlib import Path

import yaml


@cache
def _text():
    return Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")


def sizes(name):
    """What a constructor takes, by the function and the class that takes it; the caller's own copy."""
    return yaml.safe_load(_text())[name]
