"""Block scaling: published figures, the optimum of the shared codebook, what holds for all weights."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fmq_theory.errors import SchemeError, WeightsError
from fmq_theory.kernels.kmeans1d.solve import optimum_of_sums
from fmq_theory.quantizers.block_scaled import BlockQuantized, BlockScheme, design_blocks, quantize_blocks
from fmq_theory.quantizers.block_scales import SCALE_BITS
from fmq_theory.quantizers.nf4 import NF4
from tests.kernels.inputs import prefix_moments

# With 2**20 weights the mean squared error on N(0, 1) has a relative standard deviation of about 0.3 %; that
# on Student-t(3), whose fourth moment is infinite, of a few per cent. The tolerances are about twice that.
SHAPE = (256, 4096)


def gaussian() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


def student() -> np.ndarray:
    return np.random.default_rng(0).standard_t(3, SHAPE).astype(np.float32)


def squared_error(x: np.ndarray, q: BlockQuantized) -> float:
    """Measured with the definition alone."""
    return float(np.mean((x.astype(np.float64) - q.dequantize()) ** 2))


@pytest.mark.parametrize(
    ("weights", "options", "published", "tolerance"),
    [
        (gaussian, {"scale_type": "float32", "signed": False}, 0.00762, 0.006),
        (student, {"scale_type": "float32", "signed": False}, 0.0331, 0.05),
        (gaussian, {"scheme": "nf4", "scale_type": "float32", "signed": False}, 0.00846, 0.006),
        (student, {"scheme": "nf4", "scale_type": "float32", "signed": False}, 0.0451, 0.05),
    ],
)
def test_published_figures(weights: Any, options: dict[str, Any], published: float, tolerance: float) -> None:
    x = weights()
    q = quantize_blocks(x, **options)
    assert math.isclose(squared_error(x, q), published, rel_tol=tolerance)
    assert math.isclose(q.effective_bits, 4.5, abs_tol=1e-3)


@pytest.mark.parametrize(("weights", "gain"), [(gaussian, 0.08), (student, 0.22)])
@pytest.mark.parametrize("options", [{}, {"scale_type": "float8_e4m3"}, {"signed": False}])
def test_less_error_than_nf4_with_fewer_bits(weights: Any, gain: float, options: dict[str, Any]) -> None:
    x = weights()
    ours = quantize_blocks(x, **options)
    nf4 = quantize_blocks(x, "nf4", scale_type="float32", signed=False)
    assert ours.effective_bits < nf4.effective_bits - 0.24
    assert squared_error(x, ours) <= (1.0 - gain) * squared_error(x, nf4)


def test_a_sign_in_the_scale_pays() -> None:
    for x in (gaussian(), student()):
        assert quantize_blocks(x).mse < 0.97 * quantize_blocks(x, signed=False).mse


def test_nf4_is_the_table() -> None:
    """The shared codebook of NF4 is its table for scales that are not rounded."""
    q = quantize_blocks(gaussian(), "nf4", scale_type="float32", signed=False)
    np.testing.assert_allclose(q.levels, NF4().table(), atol=1e-6)


def exact_optimum(x: np.ndarray, q: BlockQuantized) -> float:
    """The least sum of squared errors of any shared codebook with the scales of q: no bins, all points."""
    scales = np.repeat(q.scales.astype(np.float64), q.group_size)
    w = q.layout.rows(x).astype(np.float64).ravel()
    z, mass = (w / scales)[scales != 0.0], (scales**2)[scales != 0.0]
    distinct, where = np.unique(z, return_inverse=True)
    prefix = prefix_moments(distinct, np.bincount(where, mass).astype(np.float64).astype(np.float64))
    return optimum_of_sums(prefix, 2**q.bits)[1]


@pytest.mark.parametrize("scale_type", list(SCALE_BITS))
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_the_gap_encloses_the_optimum(scale_type: Any, signed: bool, bits: int) -> None:
    x = np.random.default_rng(bits).standard_t(4, (40, 512)).astype(np.float32)
    q = quantize_blocks(x, bits=bits, scale_type=scale_type, signed=signed)
    assert q.optimality_gap is not None
    least = exact_optimum(x, q) / x.size
    assert least <= q.mse * (1 + 1e-9)
    assert q.mse <= (1.0 + q.optimality_gap) * least
    assert q.mse <= 1.002 * least


def test_the_gap_is_small_for_many_weights() -> None:
    for x in (gaussian(), student()):
        gap = quantize_blocks(x).optimality_gap
        assert gap is not None
        assert 0.0 < gap < 1e-3


def test_control_another_codebook_is_outside_the_gap() -> None:
    x = gaussian()
    best, other = quantize_blocks(x), quantize_blocks(x, "uniform")
    assert best.optimality_gap is not None
    assert other.mse > 1.05 * (1.0 + best.optimality_gap) * best.mse
    assert other.optimality_gap is None


blocks = arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 5).map(lambda k: 8 * k)),
    # A largest magnitude below 2**-80 is refused: its scales would leave float32 (test_bad_input).
    elements=st.floats(-100.0, 100.0, width=32).map(lambda x: x if abs(x) >= 2.0**-80 else 0.0),
)


@given(
    x=blocks,
    bits=st.integers(1, 8),
    scale_type=st.sampled_from(list(SCALE_BITS)),
    signed=st.booleans(),
    sweeps=st.integers(0, 3),
)
def test_what_holds_for_all_weights(
    x: np.ndarray, bits: int, scale_type: Any, signed: bool, sweeps: int
) -> None:
    q = quantize_blocks(x, bits=bits, group_size=8, scale_type=scale_type, signed=signed, sweeps=sweeps)
    assert q.codes.shape == x.shape
    assert q.codes.max() < q.num_levels_used <= 2**bits
    assert q.scales.shape == (x.size // 8,)
    reached = q.dequantize()
    assert reached.dtype == np.float32
    assert np.isfinite(reached).all()
    assert math.isclose(
        squared_error(x, q), q.mse, rel_tol=1e-4, abs_tol=1e-12 * float(np.max(x * x, initial=0.0))
    )
    if not signed:
        assert (q.scales >= 0.0).all()
    zero_blocks = ~x.reshape(-1, 8).any(axis=1)
    assert not reached.reshape(-1, 8)[zero_blocks].any()
    assert (q.scales[~zero_blocks] != 0.0).all()


@given(x=blocks, bits=st.integers(1, 5), scale_type=st.sampled_from(list(SCALE_BITS)), signed=st.booleans())
def test_sweeps_never_raise_the_error(x: np.ndarray, bits: int, scale_type: Any, signed: bool) -> None:
    errors = [
        quantize_blocks(x, bits=bits, group_size=8, scale_type=scale_type, signed=signed, sweeps=n).mse
        for n in range(4)
    ]
    assert all(later <= earlier for earlier, later in itertools.pairwise(errors))


def test_sweeps_pay() -> None:
    x = gaussian()
    assert quantize_blocks(x, sweeps=3).mse < 0.97 * quantize_blocks(x).mse


@given(x=blocks, exponent=st.integers(-60, 60), scale_type=st.sampled_from(["float16", "float8_e4m3"]))
def test_a_power_of_two_changes_nothing(x: np.ndarray, exponent: int, scale_type: Any) -> None:
    x = np.where(np.abs(x) < 2.0**-20, np.float32(0.0), x)
    one = quantize_blocks(x, group_size=8, scale_type=scale_type)
    other = quantize_blocks(np.ldexp(x, exponent), group_size=8, scale_type=scale_type)
    np.testing.assert_array_equal(one.codes, other.codes)
    np.testing.assert_array_equal(np.ldexp(one.dequantize(), exponent), other.dequantize())
    assert math.isclose(math.ldexp(one.mse, 2 * exponent), other.mse, rel_tol=1e-12, abs_tol=1e-300)


def test_threads_change_nothing() -> None:
    x = np.random.default_rng(3).standard_normal((600, 4096)).astype(np.float32)  # more blocks than one part
    one, three = (quantize_blocks(x, threads=n, sweeps=1) for n in (1, 3))
    np.testing.assert_array_equal(one.codes, three.codes)
    np.testing.assert_array_equal(one.levels, three.levels)
    np.testing.assert_array_equal(one.scales, three.scales)
    assert one.mse == three.mse


def test_bits_are_counted() -> None:
    q = quantize_blocks(
        np.ones((3, 128)) * np.arange(1, 4)[:, None], bits=2, group_size=32, scale_type="float8_e4m3"
    )
    # 384 codes of 2 bits, 12 scales of 8, a unit, and the levels in use.
    assert q.effective_bits == (384 * 2 + 12 * 8 + 32 + 32 * q.num_levels_used) / 384
    assert q.num_levels_used == 1


@pytest.mark.parametrize(
    "block", [BlockScheme(), BlockScheme("uniform", "float8_e4m3"), BlockScheme(sweeps=1)]
)
def test_errors_without_codes(block: BlockScheme) -> None:
    x = gaussian()[:8]
    for cell in design_blocks(x, block, (2, 4, 8)):
        q = quantize_blocks(x, block.name, cell.bits)
        assert math.isclose(cell.mse, q.mse, rel_tol=1e-3)
        assert cell.effective_bits == q.effective_bits


def test_axis_and_groups() -> None:
    x = np.random.default_rng(1).standard_normal((16, 24)).astype(np.float32)
    rows, columns = (
        quantize_blocks(x, group_size=8),
        quantize_blocks(np.ascontiguousarray(x.T), group_size=8, axis=1),
    )
    np.testing.assert_array_equal(rows.dequantize(), columns.dequantize().T)


def test_sixteen_bits_and_double() -> None:
    x = gaussian()[:4]
    half = x.astype(np.float16)
    np.testing.assert_array_equal(quantize_blocks(half).codes, quantize_blocks(half.astype(np.float32)).codes)
    np.testing.assert_array_equal(quantize_blocks(x.astype(np.float64)).codes, quantize_blocks(x).codes)


def test_names() -> None:
    for block in (
        BlockScheme(),
        BlockScheme("nf4", "float32", signed=False),
        BlockScheme("power:0.5:midpoint", "float8_e4m3", sweeps=3),
    ):
        assert BlockScheme.parse(block.name) == block
    assert BlockScheme.parse("block:lloyd_max") == BlockScheme()
    assert BlockScheme.parse("block:ecq:0.1:absmax") == BlockScheme("ecq:0.1", signed=False)
    assert BlockScheme.parse("lloyd_max") is None
    assert quantize_blocks(np.ones((1, 64)), "block:nf4:float32").block.scale_type == "float32"


@pytest.mark.parametrize(
    "text", ["block:", "block:best", "block:lloyd_max:float7", "block:lloyd_max:sweeps-1"]
)
def test_names_that_mean_nothing(text: str) -> None:
    with pytest.raises(SchemeError):
        BlockScheme.parse(text)


def test_bad_input() -> None:
    with pytest.raises(WeightsError, match="does not divide"):
        quantize_blocks(np.ones((4, 60)))
    with pytest.raises(WeightsError, match="nan"):
        quantize_blocks(np.full((1, 64), np.nan))
    with pytest.raises(WeightsError, match="empty"):
        quantize_blocks(np.empty((0, 64)))
    with pytest.raises(WeightsError, match="largest magnitude"):
        quantize_blocks(np.full((1, 64), 1e300))
    with pytest.raises(WeightsError, match="largest magnitude"):
        quantize_blocks(np.full((1, 64), 1e-300))
    with pytest.raises(WeightsError, match="largest magnitude"):
        quantize_blocks(np.full((1, 64), np.finfo(np.float32).tiny))
    with pytest.raises(SchemeError, match="scale_type"):
        quantize_blocks(np.ones((1, 64)), scale_type="int8")  # pyright: ignore[reportArgumentType]
    with pytest.raises(SchemeError, match="sweeps"):
        quantize_blocks(np.ones((1, 64)), sweeps=-1)
    with pytest.raises(SchemeError, match="16 levels"):
        quantize_blocks(np.ones((1, 64)), "nf4", bits=3)
