"""The two laws that keep statements on unbounded support no wider than they are."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.certify import equal_mass_distortion, law
from fmq_theory.certify.unbounded import NearlyUniform, equal_mass_of_atoms, thin_tail_distortion
from fmq_theory.errors import CertificationError


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 7))
def test_atoms_against_every_weight_by_itself(counts: list[int], num_levels: int) -> None:
    """Brute force: each atom as its count of equal weights, cut so that every cell holds whole weights."""
    total = sum(counts)
    atoms = [(Fraction(place * place), Fraction(count, total)) for place, count in enumerate(counts)]
    weights = np.repeat([float(place) for place, _ in atoms], np.array(counts) * num_levels)
    cells = weights.reshape(num_levels, -1)
    by_hand = float(np.mean((cells - cells.mean(axis=1, keepdims=True)) ** 2))
    found = equal_mass_of_atoms(atoms, num_levels)
    assert float(found) == pytest.approx(by_hand, rel=1e-12, abs=1e-13)


def test_the_thin_tail_goes_up_and_down() -> None:
    values = {bits: thin_tail_distortion(bits) * 4**bits for bits in range(2, 30)}
    assert [round(float(values[bits]), 5) for bits in (8, 9)] == [64.00098, 0.00195]  # theory 10.4
    assert values[26].lower > 10**7
    assert values[27].upper < Fraction(1, 10**8)
    # Between 3^j and 3^(j+1) - 1 the top cell holds ever more of what lies above j: 4^b D_EM only rises.
    assert all(values[bits].upper < values[bits + 1].lower for bits in range(9, 26))
    assert values[9].lower > 0  # and the enclosure is of use where the value is small


def test_the_cut_is_accounted_for() -> None:
    """One atom more, by hand, must lie inside; without the allowance for the cut it does not."""
    found = thin_tail_distortion(2)
    above = [Fraction(1), *(Fraction(1, 2 ** (3**i)) for i in range(1, 8)), Fraction(0)]
    finer = equal_mass_of_atoms([(Fraction(i), above[i] - above[i + 1]) for i in range(8)], 4)
    assert found.contains(finer)
    assert finer != found.midpoint


def test_nearly_uniform_is_between_its_parts_and_as_the_issue_measured() -> None:
    values = [
        float(equal_mass_distortion(NearlyUniform(Fraction(1, 10**6)), 2**b)) * 4**b for b in (2, 4, 6, 8)
    ]
    assert values == pytest.approx([0.333, 0.333, 0.334, 0.343], abs=5e-4)
    exact = equal_mass_distortion(law("uniform"), 16)
    assert float(equal_mass_distortion(NearlyUniform(Fraction(1, 10**12)), 16)) == pytest.approx(
        float(exact), rel=1e-8
    )
    # With a share that can be seen at 8 bits the factor is no longer near 1/3: the check can fail.
    assert float(equal_mass_distortion(NearlyUniform(Fraction(1, 10**3)), 256)) * 4**8 > 1


def test_nearly_uniform_by_a_drawn_sample() -> None:
    rng = np.random.default_rng(3)
    heavy = rng.random(2_000_000) < 0.1
    drawn = np.sort(np.where(heavy, rng.standard_normal(2_000_000), rng.uniform(-1, 1, 2_000_000)))
    cells = drawn.reshape(8, -1)
    by_sample = float(np.mean((cells - cells.mean(axis=1, keepdims=True)) ** 2))
    assert float(equal_mass_distortion(NearlyUniform(Fraction(1, 10)), 8)) == pytest.approx(
        by_sample, rel=5e-3
    )


def test_what_is_no_law_is_refused() -> None:
    with pytest.raises(CertificationError, match="no probability"):
        equal_mass_of_atoms([(Fraction(0), Fraction(1, 2))], 2)
    with pytest.raises(CertificationError, match="beyond the uniform part"):
        NearlyUniform(Fraction(1, 2)).upper_quantile(Fraction(1, 1000))
    with pytest.raises(CertificationError, match="choose b >= 1"):
        thin_tail_distortion(0)
