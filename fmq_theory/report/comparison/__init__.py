"""Theory beside measurement, for each scheme and bit-width: what ``fmq bounds`` shows."""
