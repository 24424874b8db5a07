"""What can be wrong with a config, a topic a file; `toolkit_configs.check` runs them all."""
