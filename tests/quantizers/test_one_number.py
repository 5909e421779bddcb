"""A number that is reported of a scheme is that of the codes that ``quantize`` stores, ties included."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from fmq_theory import quantize
from fmq_theory.errors import SchemeError
from fmq_theory.kernels.codes.encode import counts_rows
from fmq_theory.quantizers import SCHEMES, QuantizedTensor, design_grid, get_scheme
from fmq_theory.quantizers.grid import GridCell
from fmq_theory.sources import SortedRows
from tests.quantizers.measured import measured

NAMES = (
    *SCHEMES,
    "power:0.5",
    "ecq:3",
    *(f"published:{r}" for r in ("equal_mass", "uniform", "pwl", "log2")),
)
TIED = np.array([[0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]])


def stored(weights: np.ndarray, q: QuantizedTensor) -> tuple[float, float]:
    """The mean squared error of the stored weights and the mean entropy of the stored codes, by numpy."""
    error = float(np.mean(np.square(weights.astype(np.float64) - q.dequantize().astype(np.float64))))
    entropies = []
    for row in q.layout.rows(q.codes):
        share = np.bincount(row.astype(np.intp)) / row.size
        entropies.append(-math.fsum(share[share > 0.0] * np.log2(share[share > 0.0])))
    return error, float(np.mean(entropies))


def agree(cell: GridCell, q: QuantizedTensor, weights: np.ndarray) -> None:
    error, entropy = stored(weights, q)
    largest = float(np.abs(weights).max()) ** 2
    # Two roads to the levels may round to neighbours in the type of the codebook.
    ulp = float(np.finfo(q.codebooks.dtype).eps) * math.sqrt(largest)
    slack = 1e-12 * error + 2.0 * ulp * math.sqrt(error) + ulp**2
    assert measured(cell).mse == pytest.approx(error, rel=0.0, abs=slack)
    assert q.mse == pytest.approx(error, rel=1e-9, abs=1e-300)
    assert measured(cell).entropy_bits == pytest.approx(entropy, rel=1e-9, abs=1e-12)
    assert cell.effective_bits == q.effective_bits


@st.composite
def tensors(draw: st.DrawFn) -> np.ndarray:
    """Few rows with ties of each kind: lattices, runs, two values, weights rounded to 0.1, constants."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.integers(1, 3)), draw(st.sampled_from([2, 4, 8, 12, 60, 300]))
    x = {
        "normal": lambda: rng.standard_normal(shape),
        "rounded": lambda: rng.standard_normal(shape).round(1),
        "lattice": lambda: rng.integers(-3, 4, shape) / 4.0,
        "two": lambda: (rng.random(shape) < 0.3) * 1.0,
        "heavy": lambda: rng.standard_t(3.0, shape).round(1),
        "one sign": lambda: 0.5 + rng.random(shape).round(2),
        "runs": lambda: np.repeat(rng.standard_normal((shape[0], 2)), shape[1] // 2, axis=1),
    }[draw(st.sampled_from(["normal", "rounded", "lattice", "two", "heavy", "one sign", "runs"]))]()
    if draw(st.booleans()):
        x[0] = x[0, 0]
    return x.astype(draw(st.sampled_from([np.float64, np.float32, np.float16])))


@pytest.mark.deep
@pytest.mark.parametrize("name", NAMES)
@given(
    weights=tensors(),
    bits=st.integers(1, 8),
    layout=st.sampled_from([("channel", None), ("tensor", None), ("group", 2)]),
)
@example(weights=TIED, bits=1, layout=("channel", None))
def test_the_grid_has_the_numbers_of_quantize(
    name: str, weights: np.ndarray, bits: int, layout: tuple[str, int | None]
) -> None:
    granularity, size = layout
    (cell,) = design_grid(
        weights, [name], [4 if name in ("nf4", "fp4") else bits], granularity, group_size=size
    )
    agree(cell, quantize(weights, name, cell.bits, granularity, group_size=size), weights)


def test_the_example_of_equal_mass() -> None:
    """Cells {0, 0, 0, 0} and {0, 1, 1, 1}: 3/4, where by value all eight weights are in the upper cell."""
    (cell,) = design_grid(TIED, ["equal_mass"], [1])
    assert 8.0 * measured(cell).mse == pytest.approx(0.75, rel=1e-15)
    codebook = cell.codebooks.row(0)
    by_value = np.square(TIED - codebook.decode(codebook.encode(TIED))).sum()
    assert by_value == pytest.approx(3.0, rel=1e-15)  # what was reported; the control


def test_rounded_weights_are_reported_as_they_are_stored() -> None:
    weights = np.random.default_rng(0).standard_normal((16, 1024)).round(1).astype(np.float32)
    ratios: list[float] = []
    for cell in design_grid(weights, ["equal_mass"], [2, 4, 6, 8]):
        agree(cell, quantize(weights, "equal_mass", cell.bits), weights)
        books = [cell.codebooks.row(index) for index in range(16)]
        values = [book.decode(book.encode(row)) for book, row in zip(books, weights, strict=True)]
        ratios.append(float(np.mean(np.square(weights - np.array(values)))) / measured(cell).mse)
    # Control: codes by value, which were reported, are worse at each bit-width.
    assert min(ratios) > 1.02
    assert max(ratios) > 1.5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("ecq:3", "power:0.5")])
def test_many_weights_of_16_bits_counted_by_their_patterns(name: str, dtype: torch.dtype) -> None:
    """``quantize`` counts patterns of bits there; reports see the same tensor in float32."""
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(1 << 16, generator=generator).to(dtype)
    wide = weights.float().numpy()
    (cell,) = design_grid(wide, [name], [4], "tensor")
    agree(cell, quantize(weights, name, 4, "tensor"), wide)


@pytest.mark.parametrize("name", NAMES)
@given(weights=tensors(), bits=st.integers(1, 6))
def test_cells_hold_as_many_weights_as_codes_say(name: str, weights: np.ndarray, bits: int) -> None:
    scheme = get_scheme(name)
    rows = np.ascontiguousarray(weights, dtype=np.float32)
    num_levels = 16 if name in ("nf4", "fp4") else 2**bits
    _, ends = scheme.cells_of_rows(SortedRows.of(rows), num_levels)
    _, codes = scheme.quantize_rows(rows, num_levels, 1)
    np.testing.assert_array_equal(np.diff(ends, axis=1), counts_rows(codes, num_levels))


def test_a_scheme_without_that_many_levels_has_no_cells() -> None:
    with pytest.raises(SchemeError, match="16 levels"):
        get_scheme("nf4").cells_of_rows(SortedRows.of(np.ones((1, 4))), 8)
