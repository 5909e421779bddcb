"""What the documents show of the results: numbers, tables, verdicts."""
