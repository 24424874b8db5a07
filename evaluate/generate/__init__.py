"""Inference with diffusers and a LoRA."""
