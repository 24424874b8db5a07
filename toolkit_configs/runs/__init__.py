"""A training run: its folder, events, status, resuming."""
