"""Training jobs: typed, rendered, checked, launched."""
