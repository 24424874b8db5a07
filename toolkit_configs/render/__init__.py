"""From a dataset and settings to a config.yaml."""
