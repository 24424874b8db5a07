"""The ground every chromiq stage stands on: errors, records, pixels, colour, files, progress."""

__version__ = "0.1.0"
