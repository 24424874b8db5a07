"""Training in this process with diffusers and peft, for tiny checkpoints."""
