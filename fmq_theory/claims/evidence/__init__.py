"""What several claims are judged on: proven values, drawn layers, real weights and measured samples."""
