"""Weights that break sorts, histograms and sums, through the public entry point."""

import dataclasses
import math

import numpy as np
import pytest

from fmq_theory.quantizers import QuantizedTensor, quantize
from tests.kernels.inputs import hard_rows
from tests.kernels.oracles import exact_mean_squared_error

SCHEMES = ("lloyd_max", "equal_mass")


def faults(x: np.ndarray, result: QuantizedTensor, num_levels: int) -> list[str]:
    """What is wrong with a quantization of a flat tensor by its own cells."""
    codes, levels = result.codes, result.codebooks[0].astype(np.float64)
    used = int(result.num_levels_used[0])
    distinct = np.unique(x).size
    found: list[str] = []
    if used > min(num_levels, x.size) or np.bincount(codes, minlength=used).min() == 0 or codes.max() >= used:
        found.append("a level without a weight")
    in_order = np.argsort(x, kind="stable")
    if (np.diff(codes[in_order].astype(int)) < 0).any():
        found.append("codes do not follow the weights")
    error = exact_mean_squared_error(x, levels[codes])
    same = math.isclose(result.mse, error, rel_tol=1e-12, abs_tol=1e-320)
    if not same or (result.mse == 0.0) != (error == 0.0):
        found.append(f"its error is {error!r}, and it says {result.mse!r}")
    if result.scheme == "lloyd_max":
        if distinct <= num_levels and (result.mse != 0.0 or used != distinct):
            found.append("few values, and not all of them are levels")
        gap = result.optimality_gap
        if gap is None or gap < 0.0:
            found.append(f"gap {gap!r}")
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 2, 300, 5000])
def test_hard_weights(scheme: str, dtype: type[np.floating], size: int) -> None:
    for kind, x in hard_rows(size, dtype).items():
        for bits in (1, 4, 8):
            result = quantize(x, scheme, bits, granularity="tensor")
            assert faults(x, result, 2**bits) == [], (kind, bits)


@pytest.mark.deep
@pytest.mark.parametrize("scheme", SCHEMES)
def test_ties_by_the_million(scheme: str) -> None:
    x = np.random.default_rng(0).integers(-3, 4, 1_000_000).astype(np.float32)
    for order in (x, np.sort(x), np.sort(x)[::-1]):
        for bits in (2, 4):
            assert faults(order, quantize(order, scheme, bits, granularity="tensor"), 2**bits) == []


def test_control_a_phantom_level_and_a_wrong_error_are_seen() -> None:
    x = hard_rows(300, np.float32)["ties"]
    good = quantize(x, "lloyd_max", 2, granularity="tensor")
    assert faults(x, good, 4) == []
    phantom = dataclasses.replace(good, num_levels_used=good.num_levels_used + 1)
    assert "a level without a weight" in faults(x, phantom, 8)
    assert len(faults(x, dataclasses.replace(good, mse=good.mse * (1.0 + 1e-9)), 4)) == 1
    assert faults(x, dataclasses.replace(good, codes=good.codes[::-1].copy()), 4)
