"""Drawn garments with exact masks, for the demo, the tests and the benchmarks."""
