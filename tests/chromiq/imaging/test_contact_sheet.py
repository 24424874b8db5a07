"""Captions below pictures."""

import subprocess
import sys

import numpy as np

from chromiq.imaging.contact_sheet import captioned


def test_captions_show_latin_greek_and_cyrillic_letters():
    """Pillow's default font draws the same empty box for each of them."""
    letters = "äöüßéñøłčИΩ"
    drawn = {
        captioned(np.zeros((1, 30, 3), np.uint8), [letter], doubtful=False).tobytes() for letter in letters
    }
    assert len(drawn) == len(letters)


def test_captions_do_without_matplotlib_itself():
    code = (
        "import sys, numpy; from chromiq.imaging.contact_sheet import captioned; "
        "captioned(numpy.zeros((1, 30, 3), numpy.uint8), ['a'], doubtful=False); "
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
