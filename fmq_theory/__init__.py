"""Theory and measurement of optimal-transport weight quantization for flow-matching models.

The public names and the rooms are loaded on first use, so ``import fmq_theory`` costs nothing (PEP 562).

Examples:
    Weights of an array, and a checkpoint:

    >>> import numpy as np
    >>> import fmq_theory
    >>> weights = np.random.default_rng(0).standard_normal((64, 1024))
    >>> quantized = fmq_theory.quantize(weights, scheme="lloyd_max", bits=4, granularity="channel")
    >>> round(quantized.mse, 5), quantized.effective_bits
    (0.00838, 5.0)
    >>> from fmq_theory.flow.digits import DIGITS_FILE
    >>> found = fmq_theory.audit(DIGITS_FILE, schemes=("uniform", "lloyd_max"), bits=(4,))
    >>> found.totals.cell("lloyd_max", 4).mse < found.totals.cell("uniform", 4).mse
    True
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmq_theory import (
        bounds,
        certify,
        checkpoint,
        claims,
        codebook,
        errors,
        flow,
        metrics,
        quantizers,
        report,
        sources,
    )
    from fmq_theory.checkpoint import (
        Plan,
        dequantize_module,
        load_packed,
        plan_for_budget,
        quantize_module,
        save_packed,
    )
    from fmq_theory.checkpoint.audit import audit
    from fmq_theory.checkpoint.compare import compare
    from fmq_theory.errors import FmqError
    from fmq_theory.flow import FlowModel
    from fmq_theory.metrics import w2_squared
    from fmq_theory.quantizers import QuantizedTensor, quantize

__all__ = [
    "FlowModel",
    "FmqError",
    "Plan",
    "QuantizedTensor",
    "__version__",
    "audit",
    "bounds",
    "certify",
    "checkpoint",
    "claims",
    "codebook",
    "compare",
    "dequantize_module",
    "errors",
    "flow",
    "load_packed",
    "metrics",
    "plan_for_budget",
    "quantize",
    "quantize_module",
    "quantizers",
    "report",
    "save_packed",
    "sources",
    "w2_squared",
]

__version__ = "0.1.0"

# The last line has the rooms behind the others: reachable, but no promise is made about what is in them.
_ROOMS = (
    "bounds", "certify", "checkpoint", "claims", "codebook", "errors", "flow", "metrics", "quantizers",
    "report", "sources",
    "brief", "cli", "counts", "kernels", "shown", "storage",
)  # fmt: skip
_HOMES = {
    "FlowModel": "flow",
    "FmqError": "errors",
    "Plan": "checkpoint",
    "QuantizedTensor": "quantizers",
    "audit": "checkpoint.audit",
    "compare": "checkpoint.compare",
    "dequantize_module": "checkpoint",
    "load_packed": "checkpoint",
    "plan_for_budget": "checkpoint",
    "quantize": "quantizers",
    "quantize_module": "checkpoint",
    "save_packed": "checkpoint",
    "w2_squared": "metrics",
}


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value  # later look-ups do not come here
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
