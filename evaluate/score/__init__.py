"""CIEDE2000 of image folders, with intervals."""
