"""Simulated colour errors of known size."""
