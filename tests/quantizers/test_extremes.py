"""Every scheme on weights at the ends of their type: a right result, or a refusal by name."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
import torch

from fmq_theory.errors import FmqError
from fmq_theory.quantizers import SCHEMES, design_grid, quantize
from fmq_theory.quantizers.block_scaled import quantize_blocks
from tests.kernels.oracles import exact_mean_squared_error, nearest_float
from tests.quantizers.measured import measured

MAX, LEAST = float(np.finfo(np.float64).max), 5e-324
NAMES = (
    *SCHEMES,
    "power:0.5",
    "published:equal_mass",
    "published:log2",
    "published:pwl",
    "published:uniform",
)


def float64_arrays() -> Iterator[tuple[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    yield "a causal mask", np.triu(np.full((8, 8), -MAX), 1)
    yield "both signs of 1e308", np.array([[1e308, -1e308] * 8])
    yield "both ends", np.array([[MAX, -MAX] * 3 + [0.0, 1.0]])
    yield "denormals", np.array([[LEAST, 3 * LEAST, 7 * LEAST, 0.0, -LEAST] * 3])
    yield "small denormals and others", np.array([[1e-310, 2e-310, 7e-310, -5e-310, 3e-320]])
    yield "615 decades", np.array([[MAX, 1e200, 1.0, 1e-200, LEAST, -LEAST, -1e-100, -MAX]])
    yield "neighbours", np.array([[1.0, np.nextafter(1, 2), np.nextafter(1, 0), 1.0]])
    yield "neighbours and a far one", np.array([[1.0, np.nextafter(1, 2), -3.0, -3.0, 20.0]])
    yield "squares near the end", np.array([[1e154, -1e154, 3e153, 1e150, 5.0, 2e154]])
    yield "squares below the least", np.array([[1e-160, -1e-160, 3e-161, 1e-170, 5e-160, 2e-162]])
    yield "one far weight", np.array([[1.0, 2.0, 1e200], [0.5, 3.0, 1e200]])
    yield (
        "rows of all kinds",
        np.array([[1.0, 2, 3], [1e308, -1e308, 3], [LEAST, 0, 2e-310], [7, 7, 7], [0] * 3]),
    )
    yield "constant rows", np.array([[MAX] * 5, [LEAST] * 5, [-MAX] * 5])
    yield "rows of one weight", np.array([[MAX], [LEAST], [0.0], [-1e-200]])
    yield "rows of two", np.array([[MAX, -MAX], [LEAST, 0.0], [0.0, MAX], [-1e-200, 1e200]])
    yield "many of 1e308", rng.standard_normal((2, 100)) * 4e307
    yield "many denormals", rng.standard_normal((2, 100)) * 1e-310
    yield "many decades", np.exp2(rng.uniform(-1074, 1023, (2, 100))) * rng.choice([-1, 1], (2, 100))


def arrays() -> Iterator[tuple[str, object, np.ndarray]]:
    largest = float(np.finfo(np.float32).max)
    for name, x in float64_arrays():
        yield f"float64, {name}", x, x
        narrow = np.clip(x, -largest, largest).astype(np.float32)
        yield f"float32, {name}", narrow, narrow.astype(np.float64)
    half = np.array([[65504.0, -65504.0, 0.0, 6e-8, 1.0, -1.0, 6e-5, 3.0]], dtype=np.float16)
    yield "float16", half, half.astype(np.float64)
    for name, tensor in {
        "bfloat16": torch.tensor([[3.3e38, -3.3e38, 1e-40, 0.0, 1.0, 5.0, 9e-41]], dtype=torch.bfloat16),
        "a mask in bfloat16": torch.full((300, 300), torch.finfo(torch.bfloat16).min).triu(1).bfloat16(),
    }.items():
        yield name, tensor, tensor.double().numpy()


@pytest.mark.deep
@pytest.mark.parametrize("scheme", NAMES)
def test_a_right_result_or_a_refusal(scheme: str) -> None:
    refused = 0
    for name, given, x in arrays():
        for bits in (4,) if scheme in ("nf4", "fp4") else (1, 3):
            for granularity in ("channel", "tensor"):
                where = (scheme, name, bits, granularity)
                try:
                    q = quantize(given, scheme, bits, granularity)
                except FmqError as error:
                    assert scheme.startswith("published:"), (*where, str(error))  # its rules are float32's
                    refused += 1
                    continue
                decoded = q.dequantize()
                assert np.isfinite(decoded).all(), where
                assert (q.codebooks[:, 1:] >= q.codebooks[:, :-1]).all(), where
                same = x.astype(np.float64).ravel().tolist() == decoded.astype(np.float64).ravel().tolist()
                assert (q.mse == 0.0) == same, where
                if x.size < 100:
                    exact = exact_mean_squared_error(x, decoded)
                    assert q.mse == pytest.approx(exact, rel=1e-11, abs=1e-320), where
                if q.optimality_gap is not None:
                    assert q.optimality_gap >= 0.0, where
    if scheme.startswith("published:"):
        assert refused


@pytest.mark.parametrize("scheme", [name for name in NAMES if not name.startswith("published:")])
def test_a_grid_has_the_error_that_quantize_has(scheme: str) -> None:
    for name, given, x in arrays():
        if "decades" in name or x.shape[1] < 4:  # ranks beyond what one unit holds, and rows of few weights
            continue
        bits = 4 if scheme in ("nf4", "fp4") else 2
        q = quantize(given, scheme, bits)
        cell = next(design_grid(given, [scheme], [bits]))
        assert measured(cell).mse == pytest.approx(q.mse, rel=1e-9, abs=1e-320), (scheme, name)


def test_the_optimum_is_not_above_other_schemes() -> None:
    for name, given, _ in arrays():
        least = quantize(given, "lloyd_max", 2).mse
        for scheme in ("uniform", "uniform_clipped", "equal_mass", "panter_dite"):
            other = quantize(given, scheme, 2).mse
            assert least <= other * (1.0 + 1e-9), (name, scheme)


def test_denormal_scales_beside_large_ones() -> None:
    """The inverse of such a scale is infinite in float32; times a weight of zero it was nan, and an index."""
    x = np.zeros((4, 32), dtype=np.float32)
    x[0], x[1, :3], x[2, 5] = 1.0, [1e-40, -3e-41, 2e-45], 1e-45
    for bits in (1, 4, 8):
        for signed in (False, True):
            q = quantize_blocks(x, bits=bits, group_size=32, scale_type="float32", signed=signed)
            assert np.isfinite(q.dequantize()).all()
            assert q.mse <= float(np.mean(x.astype(np.float64) ** 2))


def test_control_the_oracle_sees_a_lost_square() -> None:
    assert nearest_float(Fraction(1e-200) ** 2) == LEAST
    assert 1e-200**2 == 0.0
