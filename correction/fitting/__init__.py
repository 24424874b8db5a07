"""One garment's colour correction fitted to pixels: hypotheses, transport and the map."""
