"""Photo pairs in, AI-Toolkit training data out."""
