"""Checks of a finished dataset."""
