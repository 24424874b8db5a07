"""What a training config may hold."""
