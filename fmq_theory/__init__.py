"""Theory and measurement of optimal-transport weight quantization for flow-matching models.

The public names are loaded on first use, so ``import fmq_theory`` costs nothing (PEP 562).
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmq_theory import bounds, metrics, quantizers, sources
    from fmq_theory.errors import FmqError
    from fmq_theory.metrics import w2_squared
    from fmq_theory.quantizers import QuantizedTensor, quantize

__all__ = [
    "FmqError",
    "QuantizedTensor",
    "__version__",
    "bounds",
    "metrics",
    "quantize",
    "quantizers",
    "sources",
    "w2_squared",
]

__version__ = "0.1.0"

_ROOMS = ("bounds", "metrics", "quantizers", "sources")
_HOMES = {
    "FmqError": "errors",
    "QuantizedTensor": "quantizers",
    "quantize": "quantizers",
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
    return sorted({*globals(), *__all__})
