"""A network in memory, quantized by one call: with one scheme, by a plan, or to a budget of bits."""
