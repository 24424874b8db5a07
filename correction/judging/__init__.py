"""Whether a correction may be handed out: what is measured, and the rules over it."""
