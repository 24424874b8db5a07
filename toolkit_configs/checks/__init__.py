"""What can be wrong with a config, a topic a file; `chromiq.toolkit_configs.checks.config` runs them all."""
