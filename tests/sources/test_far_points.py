"""Moments about a point so far out that its square is no float."""

import numpy as np
import pytest

from fmq_theory.errors import SourceError
from fmq_theory.sources import Gaussian, StudentT


@pytest.mark.parametrize("scale", [1e-74, 1.0, 1e74])
def test_moments_about_a_point_whose_square_leaves_float64_are_refused(scale: float) -> None:
    law = StudentT(0.9, 0.0, scale)
    near = law.partial_moments(1e120 * scale, 2e120 * scale, about=1.5e120 * scale)
    assert np.isfinite([near.mass, near.first, near.second]).all()
    with pytest.raises(SourceError, match="where squares leave float64"):
        law.partial_moments(1e164 * scale, 2e164 * scale, about=1.5e164 * scale)


def test_a_square_that_is_beyond_float64_is_infinite() -> None:
    assert Gaussian().partial_moments(-1.0, 1.0, about=1e200).second == np.inf
