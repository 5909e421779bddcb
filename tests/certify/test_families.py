from fractions import Fraction
from itertools import pairwise

import mpmath as mp
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from fmq_theory.certify import LAWS, Enclosure, Law, ball, law, precision
from fmq_theory.errors import CertificationError
from tests.certify.conftest import CASES, holds, mp_density, mp_integral, number

POINTS = ["0", "1/8", "2"]


@pytest.mark.deep
@pytest.mark.parametrize("point", POINTS)
def test_upper_moments_enclose_an_independent_quadrature(some_law: Law, point: str) -> None:
    with precision(160):
        moments = [Enclosure.of(value) for value in some_law.upper_moments(ball(point))]
    start = number(point)
    for power, enclosure in enumerate(moments):
        with mp.workdps(30):
            oracle = mp_integral(some_law, lambda x, p=power: x**p, start)
        margin = "1e-22"  # the oracle's own tail and quadrature
        assert holds(enclosure, oracle, margin)
        assert enclosure.radius < Fraction(1, 10**35)


def test_moments_left_of_zero_mirror_those_right_of_it(some_law: Law) -> None:
    with precision(120):
        left, right = some_law.upper_moments(arb(-0.625)), some_law.upper_moments(arb(0.625))
        assert (left.mass + right.mass).overlaps(arb(1))
        assert left.first.overlaps(right.first)
        assert (left.second + right.second).overlaps(some_law.variance())


@settings(max_examples=150, deadline=None)
@given(
    case=st.sampled_from(CASES),
    centre=st.integers(-40, 40),
    radius=st.integers(1, 40),
    share=st.fractions(-1, 1, max_denominator=64),
)
def test_a_ball_of_points_encloses_each_of_them(
    case: tuple[str, dict[str, str]], centre: int, radius: int, share: Fraction
) -> None:
    some_law = law(*case)
    with precision(100):
        wide = arb(centre / 16, radius / 16)
        inside = ball(Fraction(centre, 16) + share * Fraction(radius, 16)).mid()
        for whole, part in zip(some_law.upper_moments(wide), some_law.upper_moments(inside), strict=True):
            assert whole.overlaps(part)
        if inside != 0:
            spread = some_law.density(wide)
            assert not spread.is_finite() or spread.overlaps(some_law.density(inside))


def test_density_and_score(some_law: Law) -> None:
    density = mp_density(some_law)
    with precision(160):
        value = Enclosure.of(some_law.density(ball("3/4")))
        score = Enclosure.of(some_law.score(ball("3/4")))
    x = number("3/4")
    assert holds(value, density(x))
    assert holds(score, -mp.diff(density, x) / density(x), "1e-18")


@pytest.mark.parametrize("mass", ["1/2", "3/7", "1/100", "1/4096", "9/10"])
def test_quantiles_invert_the_tail(some_law: Law, mass: str) -> None:
    with precision(160):
        quantile = some_law.upper_quantile(Fraction(mass))
        assert some_law.upper_moments(quantile).mass.contains(ball(mass).mid())
        assert quantile.rad() <= abs(quantile) * arb(2) ** -120


def test_uniqueness_is_claimed_only_for_log_concave_laws() -> None:
    # log f is concave iff the score does not decrease on x > 0 and starts from at least 0.
    cases = [("gaussian", {}), ("laplace", {}), ("logistic", {}), ("student-t", {"df": 7})]
    cases += [("generalized-gaussian", {"beta": b}) for b in ("1/2", "1", "3/2", "2", "5")]
    cases += [("gamma", {"shape": s}) for s in ("1/2", "1", "2")]
    for name, parameters in cases:
        drawn = law(name, parameters)
        scores = [drawn.score(arb(i) / 8) for i in range(1, 80)]
        concave = not any(b < a for a, b in pairwise(scores)) and not scores[0] < 0
        assert (drawn.uniqueness is not None) == concave, drawn.label()


def test_bad_parameters() -> None:
    with pytest.raises(CertificationError, match="choose one of gaussian"):
        law("cauchy")
    with pytest.raises(CertificationError, match="exactly the parameters"):
        law("student-t")
    with pytest.raises(CertificationError, match="exactly the parameters"):
        law("gaussian", {"df": 3})
    with pytest.raises(CertificationError, match="must exceed 2"):
        law("student-t", {"df": 2})
    with pytest.raises(CertificationError, match="write it as 3"):
        law("gamma", {"shape": 0.5})  # type: ignore[dict-item]
    with pytest.raises(CertificationError, match="inside"):
        law("gaussian").upper_quantile(Fraction(0))
    assert set(LAWS) == {
        "gaussian", "laplace", "logistic", "student-t", "generalized-gaussian", "gamma", "uniform"
    }  # fmt: skip
