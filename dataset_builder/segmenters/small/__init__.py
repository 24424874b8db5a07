"""Small models that find the person; their weights are fetched once by `chromiq weights fetch`."""
