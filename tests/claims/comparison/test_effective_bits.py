"""Effective bits of short channels: levels that are used are counted, whoever reports."""

import pytest

from fmq_theory.claims.comparison.on_law import compare_law
from fmq_theory.sources import make


@pytest.mark.parametrize(
    ("scheme", "expected"),
    # A level a weight of 32 bits; the two ends; all 256 midpoints, which PWL keeps though cells are empty.
    [("equal_mass", 8 + 32), ("lloyd_max", 8 + 32), ("uniform", 8 + 1), ("pwl", 8 + 256 * 32 / 64)],
)
def test_a_law_of_64_weights_at_8_bits(scheme: str, expected: float) -> None:
    found = compare_law(make("gaussian"), "Gaussian", bits=(8,), schemes=(scheme,), n=64, repeats=1, seed=0)
    assert [row.effective_bits for row in found.rows] == [expected]
