"""Training of flow-matching models for the experiments."""
