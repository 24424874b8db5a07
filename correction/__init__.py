"""Correct the colour of an on-model photo to that of its still-life."""
