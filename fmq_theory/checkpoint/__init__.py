"""Checkpoints: reading the weights of trained models from files that others wrote."""

from fmq_theory.checkpoint.reader import iter_tensors, read_tensors
from fmq_theory.checkpoint.tensors import Checkpoint, NamedTensor, SkippedTensor

__all__ = ["Checkpoint", "NamedTensor", "SkippedTensor", "iter_tensors", "read_tensors"]
