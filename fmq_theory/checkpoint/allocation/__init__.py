"""One option for each tensor at the least total error within a total size; knows nothing of tensors."""
