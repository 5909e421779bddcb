"""Double-double arithmetic, running sums, and the cells and ranks that they give."""
