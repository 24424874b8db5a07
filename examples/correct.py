"""Correcting a photo from Python: arrays in, arrays out.

Usage: python correct.py STILL_LIFE ON_MODEL OUT
"""

import sys
from pathlib import Path

import chromiq
from chromiq.photos.images import read_photo, write_photo

if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    still_life, on_model, out = map(Path, sys.argv[1:])
    corrected, record = chromiq.correct(read_photo(still_life).rgb, read_photo(on_model).rgb)
    write_photo(out, corrected)
    print(record.reason)
