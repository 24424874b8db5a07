"""Pixels: resizing, masks, registration, sheets."""
