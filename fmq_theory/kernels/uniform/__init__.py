"""Equally spaced levels: codes, costs, and the best range."""
