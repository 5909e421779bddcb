"""Quantized files beside their original: in a terminal, as a page, for programs."""
