"""Codes of weights: found, packed, unpacked, counted; tables for types of 16 bits."""
