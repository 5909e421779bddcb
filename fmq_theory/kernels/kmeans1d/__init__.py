"""The partition of sorted points into K cells of least squared error."""
