"""Processes, threads, signals and devices."""
