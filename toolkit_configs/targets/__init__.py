"""Where a training runs when not here: Slurm or SkyPilot. A job there runs the very same command."""
