"""What every report is made of: looks and names, tables and figures, progress, files."""
