"""One scheme a file: design(source, num_levels) -> Codebook; and ``quantize`` for tensors."""

from fmq_theory.quantizers.clipped_uniform import ClippedUniform
from fmq_theory.quantizers.entropy_constrained import EntropyConstrained
from fmq_theory.quantizers.fp4 import FP4
from fmq_theory.quantizers.grid import GridCell, design_grid
from fmq_theory.quantizers.lloyd_max import LloydMax
from fmq_theory.quantizers.log2 import Log2
from fmq_theory.quantizers.minmax_uniform import MinMaxUniform
from fmq_theory.quantizers.nf4 import NF4
from fmq_theory.quantizers.power_compander import PowerCompander
from fmq_theory.quantizers.published import Published
from fmq_theory.quantizers.registry import SCHEMES, get_scheme
from fmq_theory.quantizers.scheme import Promise, RangeScheme, Scheme
from fmq_theory.quantizers.tensor import QuantizedTensor, quantize

__all__ = [
    "FP4",
    "NF4",
    "SCHEMES",
    "ClippedUniform",
    "EntropyConstrained",
    "GridCell",
    "LloydMax",
    "Log2",
    "MinMaxUniform",
    "PowerCompander",
    "Promise",
    "Published",
    "QuantizedTensor",
    "RangeScheme",
    "Scheme",
    "design_grid",
    "get_scheme",
    "quantize",
]
