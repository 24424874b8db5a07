"""The engines that run a rendered job."""
