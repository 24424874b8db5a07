"""A model card and an upload to the Hugging Face hub."""
