"""Sorting by digits."""
