"""One file for each screen; each exports its ``ROUTES``."""
