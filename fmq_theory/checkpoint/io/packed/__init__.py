"""The file of a quantized checkpoint: its table and index, and a tensor as codes and codebooks."""
