"""Cells of sorted rows as intervals of ranks, against codes counted one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fmq_theory.kernels.row_codebooks import cell_ends
from fmq_theory.kernels.uniform.codes import uniform_codes, uniform_ends

ROWS = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    st.tuples(st.integers(1, 3), st.integers(1, 30)),
    elements=st.integers(-8, 8).map(lambda i: i / 4.0),
).map(lambda rows: np.sort(rows, axis=1))


@given(rows=ROWS, seed=st.integers(0, 2**32), count=st.integers(0, 9))
def test_ends_by_thresholds_count_the_points_below(rows: np.ndarray, seed: int, count: int) -> None:
    thresholds = np.sort(np.random.default_rng(seed).integers(-9, 9, (len(rows), count)) / 4.0, axis=1)
    ends = cell_ends(rows, thresholds)
    for row, threshold, end in zip(rows, thresholds, ends, strict=True):
        assert end.tolist() == [0, *((row < t).sum() for t in threshold), row.size]


@given(rows=ROWS, top=st.integers(0, 12), step=st.sampled_from([0.25, 0.5, 0.1]))
def test_ends_by_the_rule_of_uniform_codes_count_those_codes(rows: np.ndarray, top: int, step: float) -> None:
    """With half-way points, which the rule sends to even codes and no threshold without care would."""
    low, scale = rows[:, 0].astype(np.float64) + 0.25, np.full(len(rows), step)
    tops, codes = np.full(len(rows), top), np.empty(rows.shape, dtype=np.uint8)
    ends = np.empty((len(rows), 14), dtype=np.int64)
    uniform_ends(rows, low, scale, tops, ends)
    uniform_codes(rows, low, scale, tops, codes)
    for code, end in zip(codes, ends, strict=True):
        assert end.tolist() == [(code < k).sum() for k in range(14)]


def test_control_half_way_points_by_thresholds_alone_are_elsewhere() -> None:
    rows = np.array([[0.0, 0.5, 1.0, 1.5, 2.0]])
    ends = np.empty((1, 4), dtype=np.int64)
    uniform_ends(rows, np.zeros(1), np.ones(1), np.full(1, 2), ends)
    assert ends.tolist() == [[0, 2, 3, 5]]  # 0.5 to 0, 1.5 to 2
    assert cell_ends(rows, np.array([[0.5, 1.5]])).tolist() == [[0, 1, 3, 5]]
