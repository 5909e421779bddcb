"""Quantized files of other tools, and our own: each weight with its bytes, its format, and its numbers.

``files.open_stored`` opens any of them. A format is one file of this room: it finds its weights among the
tensors of a checkpoint by their keys, types and shapes, never by the name of the file, and rebuilds their
numbers as its own tool does. One weight is in memory at a time.
"""
