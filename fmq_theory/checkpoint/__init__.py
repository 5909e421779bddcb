"""Checkpoints: reading the weights of trained models from files that others wrote."""

from fmq_theory.checkpoint.models import load_field, load_flow, read_state
from fmq_theory.checkpoint.reader import iter_tensors, read_tensors
from fmq_theory.checkpoint.tensors import Checkpoint, NamedTensor, SkippedTensor

__all__ = [
    "Checkpoint",
    "NamedTensor",
    "SkippedTensor",
    "iter_tensors",
    "load_field",
    "load_flow",
    "read_state",
    "read_tensors",
]
