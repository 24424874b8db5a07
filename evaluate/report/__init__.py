"""One self-contained HTML page of the scores."""
