"""Known numbers that an installation must give: run by ``fmq doctor`` in a process of its own.

A crash of a compiled library then ends that process and not the report. ``python -m fmq_theory.cli.self_test
NAME...`` prints a line of JSON for each test.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["SELF_TESTS", "SelfTest"]


class SelfTest(NamedTuple):
    """A number, and how near it must come.

    Attributes:
        what: in words.
        measure: gives the number.
        expected: the known value.
        tolerance: absolute.
    """

    what: str
    measure: Callable[[], float]
    expected: float
    tolerance: float


def _gaussian_lloyd_max() -> float:
    from fmq_theory.metrics import distortion
    from fmq_theory.quantizers import get_scheme
    from fmq_theory.sources import Gaussian

    return distortion(get_scheme("lloyd_max").design(Gaussian(), 4), Gaussian())


def _gaussian_uniform() -> float:
    from fmq_theory.metrics import distortion
    from fmq_theory.quantizers import get_scheme
    from fmq_theory.sources import Gaussian

    return distortion(get_scheme("uniform_clipped").design(Gaussian(), 16), Gaussian())


def _laplace_equal_mass() -> float:
    from fmq_theory.bounds import equal_mass_distortion
    from fmq_theory.sources import Laplace

    return equal_mass_distortion(Laplace(scale=math.sqrt(0.5)), 8)


def _panter_dite() -> float:
    from fmq_theory.bounds import panter_dite_constant
    from fmq_theory.sources import Gaussian

    return panter_dite_constant(Gaussian())


def _data_lloyd_max() -> float:
    from fmq_theory.quantizers import quantize

    return quantize([[1.0, 2.0, 3.0, 10.0, 11.0, 12.0]], "lloyd_max", bits=1).mse


def _offset() -> float:
    from fmq_theory.sources import Empirical

    return Empirical([1e8, 1e8 + 1.0, 1e8 + 2.0]).variance()


def _transport() -> float:
    import numpy as np

    from fmq_theory.metrics import w2_squared

    x = np.arange(1000.0)
    return w2_squared(x, x[::-1] + 0.5)


def _packing() -> float:
    import numpy as np

    from fmq_theory.kernels.codes.packing import pack_codes, unpack_codes

    codes = (np.arange(3000, dtype=np.uint32) * 7919 % 8).astype(np.uint8).reshape(3, 1000)
    return float(np.count_nonzero(unpack_codes(pack_codes(codes, 3), 3, 1000) != codes))


def _certified() -> float:
    from fmq_theory.certify import exponential_sum

    return float(exponential_sum(digits=15).midpoint)


def _digits() -> float:
    from importlib.resources import as_file, files

    import numpy as np

    from fmq_theory.checkpoint import read_tensors

    with as_file(files("fmq_theory").joinpath("data", "digits.safetensors")) as path:
        found = read_tensors(path)
    return float(sum(not np.isfinite(tensor.array).all() for tensor in found.tensors))


SELF_TESTS: dict[str, SelfTest] = {
    "gaussian lloyd_max": SelfTest(
        "distortion of Lloyd-Max with 4 levels on N(0, 1) (Max 1960)", _gaussian_lloyd_max, 0.117482, 5e-7
    ),
    "gaussian uniform": SelfTest(
        "distortion of the best uniform quantizer with 16 levels on N(0, 1) (Max 1960)",
        _gaussian_uniform,
        0.0115429,
        1e-7,
    ),
    "laplace equal_mass": SelfTest(
        "distortion of equal mass with 8 levels on the Laplace law of variance 1",
        _laplace_equal_mass,
        0.132444,
        1e-6,
    ),
    "panter_dite": SelfTest(
        "Panter-Dite constant of N(0, 1): pi sqrt(3) / 2", _panter_dite, 2.7206990463513265, 1e-12
    ),
    "data": SelfTest("optimal 1-bit codebook of two triples of integers: 2/3", _data_lloyd_max, 2 / 3, 1e-12),
    "sums": SelfTest("variance of 1e8, 1e8 + 1, 1e8 + 2: 2/3, not rounded away", _offset, 2 / 3, 1e-15),
    "transport": SelfTest("W2 squared of data moved by 1/2", _transport, 0.25, 1e-12),
    "packing": SelfTest("codes of 3 bits that differ after packing", _packing, 0.0, 0.0),
    "certified": SelfTest("S_inf of equal mass by ball arithmetic", _certified, 1.0803270395149802, 1e-14),
    "checkpoint": SelfTest("tensors of the bundled model that are not finite", _digits, 0.0, 0.0),
}


def main() -> None:
    """Runs the tests that are named and prints each result as it is known."""
    for name in sys.argv[1:]:
        start = time.perf_counter()
        value = SELF_TESTS[name].measure()
        line = {"name": name, "value": value, "seconds": time.perf_counter() - start}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
