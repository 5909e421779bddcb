"""Cells of equal counts, for rows of every length."""
