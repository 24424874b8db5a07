"""AI-Toolkit: find it, install it, launch it, read its output."""
