"""Checkpoints: reading the weights of trained models from files that others wrote, and writing smaller ones.

Names are loaded on first use, so that a command loads the rooms that it needs and no other.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmq_theory.checkpoint.audit import Audit
    from fmq_theory.checkpoint.compare import FileScore
    from fmq_theory.checkpoint.in_memory.quantize import quantize_module
    from fmq_theory.checkpoint.io import limits
    from fmq_theory.checkpoint.io.packed.file import QuantizedFile, load
    from fmq_theory.checkpoint.io.reader import iter_tensors, read_tensors
    from fmq_theory.checkpoint.io.tensors import Checkpoint, NamedTensor, SkippedTensor
    from fmq_theory.checkpoint.modules.fitting import load_into
    from fmq_theory.checkpoint.modules.loading import load_packed
    from fmq_theory.checkpoint.modules.models import load_field, load_flow, read_state
    from fmq_theory.checkpoint.modules.packed_layers import dequantize_module, packed_weights
    from fmq_theory.checkpoint.modules.saving import save_packed
    from fmq_theory.checkpoint.plan import Plan, TensorPlan
    from fmq_theory.checkpoint.plan.budget import plan_for_budget
    from fmq_theory.checkpoint.quantized.choice import Choice
    from fmq_theory.checkpoint.quantized.recipe import Recipe
    from fmq_theory.checkpoint.quantized.write import write_quantized

__all__ = [
    "Audit",
    "Checkpoint",
    "Choice",
    "FileScore",
    "NamedTensor",
    "Plan",
    "QuantizedFile",
    "Recipe",
    "SkippedTensor",
    "TensorPlan",
    "dequantize_module",
    "iter_tensors",
    "limits",
    "load",
    "load_field",
    "load_flow",
    "load_into",
    "load_packed",
    "packed_weights",
    "plan_for_budget",
    "quantize_module",
    "read_state",
    "read_tensors",
    "save_packed",
    "write_quantized",
]

_ROOMS = ("audit", "compare", "exports", "foreign", "in_memory", "io", "modules", "plan", "quantized")
_HOMES = {
    "Audit": "audit",
    "Checkpoint": "io.tensors",
    "Choice": "quantized.choice",
    "FileScore": "compare",
    "NamedTensor": "io.tensors",
    "Plan": "plan",
    "QuantizedFile": "io.packed.file",
    "Recipe": "quantized.recipe",
    "SkippedTensor": "io.tensors",
    "TensorPlan": "plan",
    "dequantize_module": "modules.packed_layers",
    "iter_tensors": "io.reader",
    "limits": "io",
    "load": "io.packed.file",
    "load_field": "modules.models",
    "load_flow": "modules.models",
    "load_into": "modules.fitting",
    "load_packed": "modules.loading",
    "packed_weights": "modules.packed_layers",
    "plan_for_budget": "plan.budget",
    "quantize_module": "in_memory.quantize",
    "read_state": "modules.models",
    "read_tensors": "io.reader",
    "save_packed": "modules.saving",
    "write_quantized": "quantized.write",
}


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    value = getattr(home, name, None) or importlib.import_module(f"{home.__name__}.{name}")
    globals()[name] = value  # later look-ups do not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
