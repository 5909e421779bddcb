"""Checkpoints: reading the weights of trained models from files that others wrote."""

from fmq_theory.checkpoint.audit.result import Audit
from fmq_theory.checkpoint.io import limits
from fmq_theory.checkpoint.io.packed.file import QuantizedFile, load
from fmq_theory.checkpoint.io.reader import iter_tensors, read_tensors
from fmq_theory.checkpoint.io.tensors import Checkpoint, NamedTensor, SkippedTensor
from fmq_theory.checkpoint.modules.fitting import load_into
from fmq_theory.checkpoint.modules.models import load_field, load_flow, read_state
from fmq_theory.checkpoint.modules.packed_layers import load_packed, quantize_module
from fmq_theory.checkpoint.plan import Plan, TensorPlan
from fmq_theory.checkpoint.plan.budget import plan_for_budget
from fmq_theory.checkpoint.quantized.write import write_quantized

__all__ = [
    "Audit",
    "Checkpoint",
    "NamedTensor",
    "Plan",
    "QuantizedFile",
    "SkippedTensor",
    "TensorPlan",
    "iter_tensors",
    "limits",
    "load",
    "load_field",
    "load_flow",
    "load_into",
    "load_packed",
    "plan_for_budget",
    "quantize_module",
    "read_state",
    "read_tensors",
    "write_quantized",
]
