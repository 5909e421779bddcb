"""Samples of a quantized flow beside those of full precision: tables, figures, a page, files."""
