"""From a pair of photos to the pictures and texts of one training example."""
