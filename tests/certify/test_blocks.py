"""Piecewise constant laws: exact distortions, enclosed optima, and the laws that refute "for every law"."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from fmq_theory.certify import Block, BlockLaw, SpikeLaw, absolute_moment, law, pierce_bound, three_blocks
from fmq_theory.errors import CertificationError
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import LloydMax
from fmq_theory.sources import make
from fmq_theory.sources.empirical import Empirical


@st.composite
def block_laws(draw: st.DrawFn) -> BlockLaw:
    count = draw(st.integers(1, 4))
    ends = sorted(draw(st.sets(st.integers(-40, 40), min_size=2 * count, max_size=2 * count)))
    weights = [draw(st.integers(1, 9)) for _ in range(count)]
    total = sum(weights)
    return BlockLaw(
        tuple(
            Block(Fraction(a, 10), Fraction(b, 10), Fraction(w, total))
            for (a, b), w in zip(zip(ends[::2], ends[1::2], strict=True), weights, strict=True)
        )
    )


def quantiles(found: BlockLaw, size: int) -> np.ndarray:
    """The middles of ``size`` equal masses, by the inverse of the distribution function."""
    masses = np.cumsum([0.0, *(float(block.mass) for block in found.blocks)])
    u = (np.arange(size) + 0.5) / size
    at = np.clip(np.searchsorted(masses, u, side="right") - 1, 0, len(found.blocks) - 1)
    low = np.array([float(block.low) for block in found.blocks])[at]
    high = np.array([float(block.high) for block in found.blocks])[at]
    share = (u - masses[at]) / np.array([float(block.mass) for block in found.blocks])[at]
    return low + share * (high - low)


@given(block_laws(), st.integers(1, 4))
@settings(max_examples=20)
def test_the_enclosure_holds_the_optimum_of_a_fine_sample(found: BlockLaw, num_levels: int) -> None:
    optimum = found.optimum(num_levels, buckets=12)
    source = Empirical(quantiles(found, 4000))
    sampled = distortion(LloydMax().design(source, num_levels), source)
    width = max(float(block.high) for block in found.blocks) - min(float(b.low) for b in found.blocks)
    assert float(optimum.lower) <= sampled + 1e-3 * width**2
    assert float(optimum.upper) >= sampled - 1e-3 * width**2


@given(block_laws(), st.lists(st.integers(-40, 40), min_size=1, max_size=4, unique=True))
@settings(max_examples=25)
def test_distortions_are_those_of_quadrature(found: BlockLaw, places: list[int]) -> None:
    levels = [Fraction(place, 10) for place in places]
    floats = np.array([float(level) for level in levels])
    by_hand = 0.0
    for block in found.blocks:
        low, high = float(block.low), float(block.high)
        middles = [m for a, b in pairwise(sorted(floats)) if low < (m := (a + b) / 2) < high]
        for start, stop in pairwise([low, *middles, high]):
            part = quad(lambda x: ((floats - x) ** 2).min(), start, stop)[0]
            by_hand += part * float(block.mass) / (high - low)
    assert float(found.codebook_distortion(levels)) == pytest.approx(by_hand, rel=1e-9)
    order = 3
    moment = sum(
        float(block.mass)
        * quad(lambda x: abs(x) ** order, float(block.low), float(block.high), points=[0.0])[0]
        / float(block.high - block.low)
        for block in found.blocks
    )
    assert float(found.absolute_moment(order)) == pytest.approx(moment, rel=1e-9)


@given(block_laws(), st.integers(1, 3))
@settings(max_examples=20)
def test_no_codebook_is_below_the_lower_end_and_pierce_holds(found: BlockLaw, num_levels: int) -> None:
    optimum = found.optimum(num_levels, buckets=8)
    source = Empirical(quantiles(found, 2000))
    levels = LloydMax().design(source, num_levels).levels
    exact = found.codebook_distortion([Fraction(float(level)) for level in levels])
    assert optimum.lower <= exact
    assert optimum.lower <= optimum.upper
    assert optimum.upper <= pierce_bound(found.absolute_moment(3), 3, num_levels).upper


def test_three_blocks_exceed_the_constant_89_fold() -> None:
    found, bound = three_blocks(), three_blocks().panter_dite_constant() / 4
    assert bound.contains(Fraction(3, 1600))
    optimum = found.optimum(2, buckets=60)
    assert optimum.upper == Fraction(201, 1200)
    assert 88 < float(optimum.lower / bound.upper) <= float(optimum.upper / bound.lower) < 89.4
    three = found.optimum(3, buckets=20)  # with a level for each block the constant is a bound
    assert three.upper <= found.panter_dite_constant().upper / 9


# K^2 D_LM/C_PD at K = 2, 4, 8, 16 of the review, to its printed digits.
@pytest.mark.parametrize(("num_levels", "printed"), [(2, "2.160"), (4, "1.207"), (8, "1.048"), (16, "1.012")])
def test_a_narrow_peak_exceeds_it_at_even_numbers_of_levels(num_levels: int, printed: str) -> None:
    spike = SpikeLaw(Fraction(9, 10), Fraction(1, 10**9))
    ratio = spike.optimum(num_levels) * num_levels**2 / spike.blocks().panter_dite_constant()
    assert f"{float(ratio.lower):.3f}" == f"{float(ratio.upper):.3f}" == printed
    odd = spike.optimum(num_levels + 1) * (num_levels + 1) ** 2 / spike.blocks().panter_dite_constant()
    assert odd.upper < 1  # control: an odd number has a level for the peak and two equal sides


@pytest.mark.parametrize("num_levels", [2, 3, 4])
def test_both_lower_bounds_enclose_one_optimum(num_levels: int) -> None:
    spike = SpikeLaw(Fraction(9, 10), Fraction(1, 50))
    assert spike.optimum(num_levels).overlaps(spike.blocks().optimum(num_levels, buckets=16))


def test_the_peak_shifts_the_level_as_its_share_falls() -> None:
    """2 m^2 ((2m + 1)^-2 + (2m - 1)^-2) = 20/9 at K = 2 is the limit p -> 1, not the value at p = 0.9."""
    ratios = []
    for peak in (Fraction(1, 2), Fraction(9, 10), Fraction(999, 1000)):
        spike = SpikeLaw(peak, Fraction(1, 10**15))
        ratios.append(
            float(spike.optimum(2).upper * 4 / spike.blocks().panter_dite_constant(digits=40).lower)
        )
    assert ratios == sorted(ratios)
    assert ratios[1] == pytest.approx(2.1602, abs=1e-4)
    assert ratios[2] == pytest.approx(20 / 9, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("gaussian", {}),
        ("laplace", {}),
        ("logistic", {}),
        ("uniform", {}),
        ("student-t", {"df": "7/2"}),
        ("generalized-gaussian", {"beta": "3/2"}),
        ("gamma", {"shape": "1/2"}),
    ],
)
@pytest.mark.parametrize("order", ["3", "5/2"])
def test_absolute_moments_agree_with_the_laws(name: str, parameters: dict[str, str], order: str) -> None:
    peer = make(name, **{key: float(Fraction(value)) for key, value in parameters.items()})
    certified = absolute_moment(law(name, parameters), order)
    assert float(certified) == pytest.approx(peer.absolute_moment(float(Fraction(order))), rel=1e-12)
    by_hand = quad(lambda x: 2 * x ** float(Fraction(order)) * float(peer.pdf(x)), 0, np.inf, limit=400)[0]
    assert float(certified) == pytest.approx(by_hand, rel=1e-6)


def test_what_is_refused() -> None:
    with pytest.raises(CertificationError, match="infinite"):
        absolute_moment(law("student-t", {"df": "3"}), 3)
    with pytest.raises(CertificationError, match="above 1"):
        absolute_moment(law("gaussian"), 1)
    with pytest.raises(CertificationError, match="above the second"):
        pierce_bound(1, 2, 4)
    with pytest.raises(CertificationError, match="overlap"):
        BlockLaw((Block(Fraction(0), Fraction(1), Fraction(1, 2)),))
    with pytest.raises(CertificationError, match="between 0 and 1"):
        SpikeLaw(Fraction(1), Fraction(1, 2))
    with pytest.raises(CertificationError, match="too few buckets"):
        three_blocks().optimum(8, buckets=2)
