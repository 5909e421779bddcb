"""What every experiment shares: description, store of finished cells, workers, tables, command."""
