"""Segmenters whose weights come from the Hugging Face hub."""
