"""Many runs: grids, local devices, Slurm."""
