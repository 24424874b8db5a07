"""Which pairs, labels and masks the user has."""
