"""Ours and every installed peer, in one process and in turn, beside the goals that were set."""
