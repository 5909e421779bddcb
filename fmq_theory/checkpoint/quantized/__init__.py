"""Making quantized checkpoints of others, and plain files or other tools' folders of quantized ones."""
