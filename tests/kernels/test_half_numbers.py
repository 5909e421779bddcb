"""float16 in float64: numpy's rounding, and every number of the type."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.kernels.half_numbers import LARGEST_HALF, half_above, nearest_half, next_half

ALL = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)


def test_every_number_is_its_own_and_has_the_next_one() -> None:
    assert [nearest_half(x) for x in ALL] == ALL.tolist()
    assert [nearest_half(-x) for x in ALL] == (-ALL).tolist()
    assert [half_above(x) for x in ALL] == ALL.tolist()
    assert [next_half(x) for x in ALL] == [*ALL[1:], np.inf]


def test_halfway_between_two_the_even_one_is_taken() -> None:
    middles = 0.5 * (ALL[:-1] + ALL[1:])
    assert [nearest_half(x) for x in middles] == middles.astype(np.float16).astype(np.float64).tolist()


@given(st.floats(-1e7, 1e7) | st.floats(-1e-6, 1e-6))
def test_the_nearest_is_numpys_and_beyond_the_range_the_largest(x: float) -> None:
    expected = float(np.float16(np.clip(x, -LARGEST_HALF, LARGEST_HALF)))
    assert nearest_half(x) == expected
    above = half_above(abs(x))
    assert above >= abs(x)
    assert above == np.inf or (above in ALL and (above == 0.0 or ALL[above > ALL][-1] < abs(x)))
