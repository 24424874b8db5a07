"""Correct, generate, score and report."""
