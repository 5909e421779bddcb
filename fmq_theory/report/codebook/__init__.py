"""What is certified of a codebook, as text and for programs."""
