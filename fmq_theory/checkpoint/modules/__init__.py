"""Networks that hold the weights of a checkpoint: plain, or packed as they are in the file."""
