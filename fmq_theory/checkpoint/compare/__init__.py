"""Scores of anyone's quantized file against the original: layer by layer, and what follows from them."""

from fmq_theory.checkpoint.compare.result import FileScore, LayerScore
from fmq_theory.checkpoint.compare.run import compare

__all__ = ["FileScore", "LayerScore", "compare"]
