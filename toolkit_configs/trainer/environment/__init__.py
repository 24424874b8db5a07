"""What ``chromiq toolkit setup`` puts into the trainer's own environment; data, never imported by chromiq."""
