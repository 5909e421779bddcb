"""Entropy of codes and the Shannon lower bound."""

import math

import numpy as np
import pytest

from fmq_theory.codebook import Codebook
from fmq_theory.errors import SourceError
from fmq_theory.metrics import distortion, index_entropy, shannon_lower_bound
from fmq_theory.sources import Gaussian, Laplace, Logistic, StudentT, Uniform
from fmq_theory.sources.empirical import Empirical


def test_closed_forms() -> None:
    for rate in (0.0, 1.0, 3.5):
        # Gaussian: the bound is the rate-distortion function itself.
        assert shannon_lower_bound(Gaussian(1.0, 2.0), rate) == pytest.approx(4.0 * 4.0**-rate, rel=1e-13)
        # Laplace: h = ln(2 e b), so e / pi * sigma^2 / 2 * ... = 2 e b^2 / pi * 4^-R.
        assert shannon_lower_bound(Laplace(0.0, 3.0), rate) == pytest.approx(
            18.0 * math.e / math.pi * 4.0**-rate, rel=1e-13
        )
        assert shannon_lower_bound(Uniform(0.0, 0.5), rate) == pytest.approx(
            4.0**-rate / (2 * math.pi * math.e), rel=1e-13
        )


def test_uniform_entropy_is_the_number_of_bits() -> None:
    levels = -1.0 + (2.0 * np.arange(32) + 1.0) / 32
    assert index_entropy(Codebook.nearest(levels), Uniform()) == pytest.approx(5.0, rel=1e-13)


@pytest.mark.parametrize("law", [Gaussian(), Laplace(), Logistic(), StudentT(4.0), Uniform()])
@pytest.mark.parametrize("step", [0.05, 0.3, 1.0, 2.0])
def test_no_codebook_beats_the_bound_at_its_entropy(law, step: float) -> None:
    codebook = Codebook.nearest(step * np.arange(-400, 401))
    bound = shannon_lower_bound(law, index_entropy(codebook, law))
    found = distortion(codebook, law)
    assert bound <= found
    # At high rate entropy-coded uniform quantization is pi e / 6 above the bound (Gish and Pierce 1968).
    if step == 0.05 and isinstance(law, (Gaussian, Laplace, Logistic)):  # others overload or have edges
        assert found / bound == pytest.approx(math.pi * math.e / 6.0, rel=2e-2)


def test_bound_fails_one_bit_lower() -> None:
    """Negative control: against the bound of a lower rate the same codebook wins."""
    codebook = Codebook.nearest(0.05 * np.arange(-400, 401))
    rate = index_entropy(codebook, Gaussian())
    assert shannon_lower_bound(Gaussian(), rate - 1.0) > distortion(codebook, Gaussian())


def test_data_have_no_density() -> None:
    with pytest.raises(SourceError):
        shannon_lower_bound(Empirical([1.0, 2.0]), 4)
