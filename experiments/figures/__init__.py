"""One figure a file: settings, cells, the rows of a cell, and the drawing of the table."""
