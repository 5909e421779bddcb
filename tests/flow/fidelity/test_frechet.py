"""The Fréchet distance: against three other routes, and the inequalities that it must obey exactly."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torchmetrics.image.fid import _compute_fid  # pyright: ignore[reportPrivateUsage]

from fmq_theory.errors import FlowError
from fmq_theory.flow.fidelity import FeatureSet, frechet_distance, paired_rms


def _rows(seed: int, n: int, d: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=generator, dtype=torch.float64)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) @ mix + 1.0


def _distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return frechet_distance(FeatureSet.of(a), FeatureSet.of(b))


def _covariance(rows: torch.Tensor) -> torch.Tensor:
    return torch.cov(rows.T, correction=0)


@pytest.mark.parametrize("d", [2, 5, 12])
def test_two_other_routes_agree(d: int) -> None:
    a, b = _rows(d, 60, d), _rows(d + 50, 40, d)
    found = _distance(a, b)
    sa, sb = _covariance(a), _covariance(b)
    by_eigenvalues = float(_compute_fid(a.mean(0), sa, b.mean(0), sb))
    root = np.real(sqrtm(sa.numpy() @ sb.numpy()))
    by_root = float((a.mean(0) - b.mean(0)).square().sum() + torch.trace(sa + sb)) - 2 * float(np.trace(root))
    assert found == pytest.approx(by_eigenvalues, rel=1e-10)
    assert found == pytest.approx(by_root, rel=1e-8)


def test_one_dimension_is_the_closed_form() -> None:
    a, b = _rows(1, 30, 1), 3 * _rows(2, 20, 1)
    expected = float((a.mean() - b.mean()) ** 2 + (a.std(correction=0) - b.std(correction=0)) ** 2)
    assert _distance(a, b) == pytest.approx(expected, rel=1e-12)


@given(seed=st.integers(0, 10_000), n=st.integers(1, 12), d=st.integers(1, 12), size=st.floats(1e-9, 10.0))
def test_paired_inequality_holds_exactly(seed: int, n: int, d: int, size: float) -> None:
    """Any number of samples, also fewer than dimensions; errors from 1e-9 to ten times the features."""
    a = _rows(seed, n, d)
    b = a + size * _rows(seed + 1, n, d)
    scale = float(a.norm() + b.norm())
    assert math.sqrt(_distance(a, b)) <= paired_rms(a, b) + 1e-14 * scale


@given(seed=st.integers(0, 10_000), d=st.integers(1, 8))
def test_bures_triangle(seed: int, d: int) -> None:
    sets = [FeatureSet.of(_rows(seed + k, 5 + 3 * k, d)) for k in range(3)]
    ab, ac, bc = (math.sqrt(frechet_distance(sets[i], sets[j])) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert abs(ac - bc) <= ab * (1 + 1e-12) + 1e-12


def test_stretched_features_meet_the_bound_and_no_digit_is_lost() -> None:
    """b = c a around the mean: the pairing is the best coupling, so both sides are equal, however small."""
    a = _rows(3, 50, 6)
    for stretch in (1.5, 1 + 1e-6, 1 + 1e-10):
        b = a.mean(0) + stretch * (a - a.mean(0))
        # 1e-10 of numbers of size 10 leaves five digits in float64.
        assert math.sqrt(_distance(a, b)) == pytest.approx(paired_rms(a, b), rel=1e-4)


def test_control_the_difference_of_traces_loses_them() -> None:
    a = _rows(3, 50, 6)
    b = a.mean(0) + (1 + 1e-10) * (a - a.mean(0))
    naive = float(_compute_fid(a.mean(0), _covariance(a), b.mean(0), _covariance(b)))
    assert abs(naive) > 100 * paired_rms(a, b) ** 2 or naive <= 0.0


def test_control_unbiased_covariances_break_the_paired_inequality() -> None:
    a = _rows(4, 5, 2)
    b = a.mean(0) + 2.0 * (a - a.mean(0))
    biased, unbiased = (
        float(_compute_fid(a.mean(0), torch.cov(a.T, correction=k), b.mean(0), torch.cov(b.T, correction=k)))
        for k in (0, 1)
    )
    assert math.sqrt(biased) <= paired_rms(a, b) * (1 + 1e-9)
    assert math.sqrt(unbiased) > 1.1 * paired_rms(a, b)


def test_control_features_from_other_noise_are_no_pairs() -> None:
    """The bound speaks of one noise: the distance to samples from another one exceeds the pairs' error."""
    a, other = _rows(5, 20, 4), _rows(5, 40, 4)[20:] * 1.2
    b = a + 0.01 * _rows(6, 20, 4)
    assert math.sqrt(_distance(a, b)) <= paired_rms(a, b)
    assert math.sqrt(_distance(other, b)) > paired_rms(a, b)


def test_the_same_set_is_at_distance_zero_and_order_does_not_matter() -> None:
    a = _rows(7, 30, 5)
    assert _distance(a, a) < 1e-24
    assert _distance(a, a.flip(0)) < 1e-24


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (torch.zeros(3), "not \\[samples, numbers\\]"),
        (torch.zeros(0, 3), "not \\[samples, numbers\\]"),
        (torch.tensor([[1.0, math.nan]]), "nan"),
    ],
)
def test_bad_features_are_refused(rows: torch.Tensor, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        FeatureSet.of(rows)


def test_different_features_have_no_distance() -> None:
    with pytest.raises(FlowError, match="same feature map"):
        _distance(_rows(0, 5, 2), _rows(0, 5, 3))
    with pytest.raises(FlowError, match="no pairs"):
        paired_rms(_rows(0, 5, 2), _rows(0, 6, 2))
