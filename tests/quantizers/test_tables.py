"""NF4 and FP4 against independent constructions of their tables."""

import numpy as np
import pytest
from scipy import stats

from fmq_theory.errors import SchemeError
from fmq_theory.quantizers import FP4, NF4, quantize
from fmq_theory.sources import Gaussian


def normal_map(offset: float) -> np.ndarray:
    """bitsandbytes' create_normal_map: 8 normal quantiles above zero, 7 below, and zero itself."""
    above = stats.norm.ppf(np.linspace(offset, 0.5, 9)[:-1])
    below = -stats.norm.ppf(np.linspace(offset, 0.5, 8)[:-1])
    values = np.sort(np.concatenate((above, below, [0.0])))
    return values / values.max()


def test_nf4_is_the_table_of_qlora() -> None:
    table = NF4().design_on_range(-1.0, 1.0, 16).levels
    np.testing.assert_allclose(table, normal_map(0.9677083), atol=1e-6, rtol=0.0)
    # Control: the offset matters at this tolerance.
    assert np.abs(table - normal_map(0.9677)).max() > 1e-6


def test_fp4_is_every_value_of_sign_exponent_mantissa() -> None:
    """E2M1 with bias 1: exponent 0 is subnormal, (m/2); else 2**(e-1) (1 + m/2)."""
    values = {
        sign * (mantissa / 2 if exponent == 0 else 2.0 ** (exponent - 1) * (1 + mantissa / 2))
        for sign in (-1, 1)
        for exponent in range(4)
        for mantissa in range(2)
    }
    codebook = FP4().design_on_range(-6.0, 3.0, 16)
    np.testing.assert_allclose(codebook.levels, sorted(values), rtol=1e-15)
    assert codebook.num_levels == 15


@pytest.mark.parametrize("scheme", [NF4(), FP4()])
def test_scale_is_the_largest_magnitude(scheme: NF4 | FP4) -> None:
    np.testing.assert_allclose(
        scheme.design_on_range(-3.0, 1.0, 16).levels,
        3.0 * scheme.design_on_range(-1.0, 1.0, 16).levels,
        rtol=1e-15,
    )
    law = scheme.design(Gaussian(), 16)
    assert law.levels[-1] == Gaussian().typical_range(1_000_000)[1]
    x = np.array([0.1, -4.0, 2.0])
    assert quantize(x, scheme, 4).dequantize()[1] == -4.0


@pytest.mark.parametrize("scheme", [NF4(), FP4()])
def test_other_sizes_are_refused_whatever_the_data(scheme: NF4 | FP4) -> None:
    for weights in (np.arange(5.0), np.ones(5)):
        with pytest.raises(SchemeError, match=f"{scheme.name} has 16 levels; use 4 bits"):
            quantize(weights, scheme, bits=3)
