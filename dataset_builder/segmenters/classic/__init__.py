"""A segmenter without weights."""
