"""Captions below pictures."""

import numpy as np

from chromiq.imaging.contact_sheet import captioned


def test_captions_show_the_letters_of_file_names_from_anywhere():
    """Pillow's default font draws the same empty box for each of them."""
    letters = "äöüßéñøłčИΩ"
    drawn = {
        captioned(np.zeros((1, 30, 3), np.uint8), [letter], doubtful=False).tobytes() for letter in letters
    }
    assert len(drawn) == len(letters)
