"""Datasets and training runs, as the page shows them."""
