from fractions import Fraction
from itertools import pairwise
from typing import Literal

import mpmath as mp
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from fmq_theory.certify import (
    Enclosure,
    Law,
    LloydMaxSystem,
    OptimalCodebook,
    check_codebook,
    codebook_distortion,
    law,
    normalized_constant,
    optimal_codebook,
    optimal_symmetric_codebook,
    panter_dite_constant,
    precision,
    stationary_codebook,
)
from fmq_theory.certify.search import ThresholdSearch
from fmq_theory.certify.starts import levels_on_a_grid
from fmq_theory.errors import CertificationError
from tests.certify.conftest import holds, mp_integral, number

TWENTY = Fraction(1, 10**20)


def relative_gap(found: OptimalCodebook) -> float:
    return float((found.optimum.upper - found.optimum.lower) / found.optimum.lower)


@pytest.mark.parametrize(
    ("num_levels", "expected"),
    [(16, "0.0095010080081918861091"), (256, "0.000041185082867117485781")],
)
def test_the_gaussian_goals(num_levels: int, expected: str) -> None:
    best = optimal_codebook(law("gaussian"), num_levels)
    assert best.verdict == "CERTIFIED"
    assert best.codebook.distortion.radius <= TWENTY
    assert all(level.radius <= TWENTY for level in best.codebook.levels)
    # The last printed digit is rounded.
    assert abs(best.codebook.distortion.midpoint - Fraction(expected)) <= Fraction(1, 10 ** len(expected[2:]))


def test_the_published_table() -> None:
    # Max 1960, table I, column of errors; theory.md section 9 for four and more digits, unit variance.
    table = {
        "gaussian": {2: ".363380", 4: ".117482", 8: ".0345478", 16: ".00950101"},
        "laplace": {2: ".5", 4: ".176195", 8: ".0544760", 16: ".0153725"},
    }
    for name, column in table.items():
        for num_levels, text in column.items():
            source = law(name)
            distortion = optimal_codebook(source, num_levels).optimum
            variance = 2 if name == "laplace" else 1
            unit = Fraction(1, 10 ** (len(text) - 1))
            assert abs(distortion.midpoint / variance - Fraction(text)) <= unit


def test_maxs_last_entry_is_low() -> None:
    # Max prints .002499 at K = 32.
    value = optimal_codebook(law("gaussian"), 32).optimum
    assert Enclosure.of("0.0025046").less_than(value) is True
    assert value.less_than("0.0025047") is True


def test_the_gaussian_approaches_its_constant_from_below() -> None:
    gaussian = law("gaussian")
    limit = panter_dite_constant(gaussian)
    scaled = [optimal_codebook(gaussian, 2**b).optimum * 4**b for b in range(1, 9)]
    assert all(value.less_than(limit) is True for value in scaled)
    assert all(a.less_than(b) is True for a, b in pairwise(scaled))
    assert (limit * Fraction(99, 100)).less_than(scaled[-1]) is True
    # Negative control: a constant 1 % smaller is not an upper bound.
    assert scaled[-1].less_than(limit * Fraction(99, 100)) is False


@pytest.mark.deep
@pytest.mark.parametrize("num_levels", [1, 4])
def test_distortion_and_stationarity_by_independent_quadrature(some_law: Law, num_levels: int) -> None:
    book = stationary_codebook(some_law, num_levels)
    with mp.workdps(25):
        total = mp.mpf(0)
        half = [number(c.midpoint) for c in book.levels][num_levels // 2 :]
        cuts = [(a + b) / 2 for a, b in pairwise(half)]
        cuts = [mp.mpf(0), *cuts, mp.inf]
        for c, (low, high) in zip(half, pairwise(cuts), strict=True):
            total += 2 * mp_integral(some_law, lambda x, c=c: (x - c) ** 2, low, high)
            if c > 0 and num_levels > 1:
                mass = mp_integral(some_law, lambda x: mp.mpf(1), low, high)
                assert abs(mp_integral(some_law, lambda x: x, low, high) / mass - c) < mp.mpf("1e-18") * (
                    1 + c
                )
    assert holds(book.distortion, total, "1e-17")


def test_levels_and_thresholds_are_interlaced_and_symmetric(some_law: Law) -> None:
    book = stationary_codebook(some_law, 6)
    for threshold, (a, b) in zip(book.thresholds, pairwise(book.levels), strict=True):
        assert ((a + b) / 2).overlaps(threshold)
    for a, b in zip(book.levels, reversed(book.levels), strict=True):
        assert (a + b).contains(0)
    assert book.thresholds[2] == Enclosure.of(0)


@pytest.mark.deep
@pytest.mark.parametrize("num_levels", [3, 256])
def test_stationary_codebooks_of_many_levels(some_law: Law, num_levels: int) -> None:
    book = stationary_codebook(some_law, num_levels, digits=20)
    assert book.distortion.radius < Fraction(1, 10**18)


SMALL = [
    ("student-t", {"df": 3}, 3, True),
    ("student-t", {"df": 5}, 4, True),
    ("gamma", {"shape": "1/2"}, 2, False),
    ("gamma", {"shape": "1/2"}, 3, True),
    ("gamma", {"shape": "3/2"}, 4, True),
    ("generalized-gaussian", {"beta": "1/2"}, 2, False),
]


@pytest.mark.parametrize(("name", "parameters", "num_levels", "symmetric"), SMALL)
def test_the_global_search_certifies_what_log_concavity_cannot(
    name: str, parameters: dict[str, str], num_levels: int, symmetric: bool
) -> None:
    best = optimal_codebook(law(name, parameters), num_levels)
    assert best.verdict == "CERTIFIED"
    assert "search" in best.proof
    assert relative_gap(best) < 1e-30
    assert (best.codebook.levels[0] + best.codebook.levels[-1]).contains(0) is symmetric
    assert best.codebook.strict_minimum is True


@pytest.mark.deep
@pytest.mark.parametrize(
    ("name", "parameters", "num_levels"),
    [
        ("student-t", {"df": 3}, 8),
        ("gamma", {"shape": "1/2"}, 4),
        ("gamma", {"shape": "1/2"}, 8),
        ("generalized-gaussian", {"beta": "1/2"}, 4),
    ],
)
def test_the_global_search_with_more_levels(name: str, parameters: dict[str, str], num_levels: int) -> None:
    best = optimal_codebook(law(name, parameters), num_levels)
    assert best.verdict == "CERTIFIED"
    assert relative_gap(best) < 1e-30


@pytest.mark.parametrize(("name", "num_levels"), [("gaussian", 4), ("laplace", 3), ("logistic", 2)])
def test_search_and_log_concavity_agree(name: str, num_levels: int) -> None:
    by_search = optimal_codebook(law(name), num_levels, force_search=True)
    by_theorem = optimal_codebook(law(name), num_levels)
    assert by_search.verdict == "CERTIFIED"
    assert by_search.optimum.overlaps(by_theorem.optimum)


def test_the_gamma_trap_kabal_1984() -> None:
    gamma = law("gamma", {"shape": "1/2"})
    best, symmetric = optimal_codebook(gamma, 2), optimal_symmetric_codebook(gamma, 2)
    assert symmetric.verdict == best.verdict == "CERTIFIED"
    assert symmetric.optimum.contains("1/2")  # E X^2 - (E|X|)^2 = 3/4 - 1/4
    assert best.optimum.less_than(symmetric.optimum) is True
    assert (best.optimum * Fraction("1.113")).less_than(symmetric.optimum) is True


@pytest.mark.deep
@pytest.mark.parametrize("num_levels", [4, 8])
def test_the_gamma_trap_with_more_levels(num_levels: int) -> None:
    gamma = law("gamma", {"shape": "1/2"})
    best, symmetric = optimal_codebook(gamma, num_levels), optimal_symmetric_codebook(gamma, num_levels)
    assert symmetric.verdict == best.verdict == "CERTIFIED"
    assert best.optimum.less_than(symmetric.optimum) is True


def test_a_stationary_codebook_that_is_not_optimal_is_told_apart() -> None:
    peaked = law("generalized-gaussian", {"beta": "1/2"})
    saddle, best = stationary_codebook(peaked, 2), optimal_codebook(peaked, 2)
    assert saddle.strict_minimum is False
    assert saddle.distortion.contains(84)  # Gamma(6)/Gamma(2) - (Gamma(4)/Gamma(2))^2 = 120 - 36
    assert best.optimum.less_than(saddle.distortion) is True
    report = check_codebook(peaked, [-6, 6])
    assert all(defect.contains(0) for defect in report.centroid_defects)
    assert Enclosure.of("0.079").less_than(report.excess) is True


def test_a_four_bit_table_with_the_wrong_scale_is_measured() -> None:
    # The optimal 16 levels stretched by 20 % and printed with 6 decimals.
    gaussian = law("gaussian")
    best = optimal_codebook(gaussian, 16).codebook
    scaled = [f"{float(level) * 1.2:.6f}" for level in best.levels]
    report = check_codebook(gaussian, scaled)
    assert Enclosure.of("0.05").less_than(report.excess) is True
    assert not any(defect.contains(0) for defect in report.centroid_defects)
    assert all(defect.contains(0) for defect in report.threshold_defects)
    exact_levels = [str(level.midpoint) for level in best.levels]
    assert check_codebook(gaussian, exact_levels).excess.less_than("1e-25") is True


def test_thresholds_off_the_midpoint_cost_what_they_must() -> None:
    report = check_codebook(law("gaussian"), ["-0.8", "0.8"], ["0.3"])
    assert report.nearest_distortion.less_than(report.distortion) is True
    assert report.threshold_defects[0].contains("0.3")


@settings(max_examples=25, deadline=None)
@given(levels=st.lists(st.fractions(-4, 4, max_denominator=16), min_size=4, max_size=4, unique=True))
def test_no_drawn_codebook_beats_the_certified_optimum(levels: list[Fraction]) -> None:
    for name, parameters in (("gaussian", {}), ("uniform", {})):
        source = law(name, parameters)
        drawn = codebook_distortion(source, sorted(levels))
        assert drawn.less_than(optimal_codebook(source, 4).optimum) is not True


def test_too_little_effort_is_inconclusive_and_still_encloses() -> None:
    student = law("student-t", {"df": 3})
    poor, rich = optimal_codebook(student, 3, effort=1), optimal_codebook(student, 3)
    assert poor.verdict == "INCONCLUSIVE"
    assert poor.optimum.contains(rich.optimum)
    assert 0 < relative_gap(poor) < 0.1
    many = optimal_codebook(student, 40, digits=12)
    assert many.verdict == "INCONCLUSIVE"
    assert many.optimum.lower == 0


def test_the_search_refuses_an_upper_bound_below_the_optimum() -> None:
    from fmq_theory.certify.search import ThresholdSearch

    search = ThresholdSearch(law("gaussian"), 2, upper=0.35)
    with pytest.raises(CertificationError, match="belongs to no codebook"):
        search.begin(4.0, 480)


def test_the_jacobian_is_the_derivative_of_the_residual(some_law: Law) -> None:
    if some_law.name == "uniform":
        pytest.skip("two of these levels lie outside the support")
    with precision(200):
        cases: list[tuple[Literal["even", "odd", "full"], list[float]]] = [
            ("even", [0.3, 1.1, 2.5]),
            ("odd", [0.3, 1.1, 2.5]),
            ("full", [-1.2, 0.3, 1.9]),
        ]
        for shape, levels in cases:
            system = LloydMaxSystem(some_law, shape)
            base = [arb(v) for v in levels]
            rows = system.jacobian(base)
            step = arb(2) ** -60
            for j in range(3):
                moved = [v + step if k == j else v for k, v in enumerate(base)]
                slopes = [
                    (b - a) / step for a, b in zip(system.residual(base), system.residual(moved), strict=True)
                ]
                assert abs(slopes[j] - rows.diagonal[j]) < arb(2) ** -50
                if j:
                    assert abs(slopes[j - 1] - rows.upper[j - 1]) < arb(2) ** -50
                    assert abs(slopes[0] - (rows.upper[0] if j == 1 else 0)) < arb(2) ** -50


def test_bad_tables() -> None:
    gaussian = law("gaussian")
    with pytest.raises(CertificationError, match="not increasing"):
        codebook_distortion(gaussian, ["1", "0"])
    with pytest.raises(CertificationError, match="not increasing"):
        codebook_distortion(gaussian, ["1", "1"])
    with pytest.raises(CertificationError, match="not increasing"):
        codebook_distortion(gaussian, [])
    with pytest.raises(CertificationError, match="interlaced"):
        codebook_distortion(gaussian, ["0", "1"], ["2"])
    with pytest.raises(CertificationError, match="write it as 3"):
        codebook_distortion(gaussian, [-0.8, 0.8])  # type: ignore[list-item]
    with pytest.raises(CertificationError, match="at least 1"):
        stationary_codebook(gaussian, 0)
    with pytest.raises(CertificationError, match="sort them"):
        stationary_codebook(gaussian, 2, start=[1.0, 0.0])
    with pytest.raises(CertificationError, match="even"):
        optimal_symmetric_codebook(gaussian, 3)


def test_unit_variance_limit_is_the_constant() -> None:
    # K^2 D/sigma^2 is within 5 % of C_PD/sigma^2 at K = 64 for light tails.
    for name in ("laplace", "logistic"):
        source = law(name)
        scaled = optimal_codebook(source, 64).optimum * 64**2 / (2 if name == "laplace" else 1)
        limit = normalized_constant(source) if name == "laplace" else panter_dite_constant(source)
        assert scaled.less_than(limit) is True
        assert (limit * Fraction(9, 10)).less_than(scaled) is True


@pytest.mark.parametrize("beta", ["1/1000", "1/150"])
def test_lengths_that_no_float_holds_are_refused_by_name(beta: str) -> None:
    with pytest.raises(CertificationError, match="float64"):
        optimal_codebook(law("generalized-gaussian", {"beta": beta}), 2)


@pytest.mark.parametrize(
    ("name", "parameters", "symmetric"),
    [
        ("generalized-gaussian", {"beta": "1/50"}, False),  # its variance lies decades beyond E|X|
        ("gamma", {"shape": "1/1000"}, False),  # nearly all of its mass lies at 0
        ("student-t", {"df": "21/10"}, True),
    ],
)
def test_optimum_of_two_levels_of_an_extreme_law(
    name: str, parameters: dict[str, str], symmetric: bool
) -> None:
    extreme = law(name, parameters)
    found = optimal_codebook(extreme, 2)
    assert found.verdict == "CERTIFIED"
    # Nearby codebooks are worse, and so is the symmetric one unless it is the optimum.
    low, high = (level.midpoint for level in found.codebook.levels)
    optimum = found.optimum
    for step in (Fraction(-1, 1000), Fraction(1, 1000)):
        moved = codebook_distortion(extreme, [low, high * (1 + step)])
        assert moved.lower > optimum.upper
    assert stationary_codebook(extreme, 2).distortion.overlaps(optimum) is symmetric


def test_a_search_that_cannot_gain_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tail of this law holds its variance beyond every length that float64 can square."""
    steps: list[int] = []
    refine = ThresholdSearch.refine
    monkeypatch.setattr(ThresholdSearch, "refine", lambda self: steps.append(self.effort()) or refine(self))
    found = optimal_codebook(law("student-t", {"df": "2001/1000"}), 2)
    assert found.verdict == "INCONCLUSIVE"
    assert found.optimum.lower > 0
    assert sum(steps) < 10_000


def test_a_grid_grows_no_longer_where_a_longer_one_proves_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly all of the mass of this law lies at 0: a long grid is a coarse one there."""
    tried: list[float] = []
    bound = ThresholdSearch._outside_bound  # pyright: ignore[reportPrivateUsage]

    def counted(search: ThresholdSearch, edges: list[float]) -> float:
        tried.append(edges[-1])
        return bound(search, edges)

    monkeypatch.setattr(ThresholdSearch, "_outside_bound", counted)
    near = law("gamma", {"shape": "1/1000"})
    found = optimal_codebook(near, 4, digits=10)
    assert found.verdict == "CERTIFIED"
    assert len(tried) <= 14
    assert max(tried) < 1e4


@pytest.mark.parametrize(
    ("name", "parameters", "num_levels"),
    [
        ("student-t", {"df": "2001/1000"}, 7),
        ("student-t", {"df": "2001/1000"}, 8),
        ("generalized-gaussian", {"beta": "1/50"}, 8),
    ],
)
def test_levels_that_lie_decades_apart_are_found(
    name: str, parameters: dict[str, str], num_levels: int
) -> None:
    extreme = law(name, parameters)
    book = stationary_codebook(extreme, num_levels)
    levels = [level.midpoint for level in book.levels]
    assert levels[-1] > 10 * levels[-2] > 0
    # Stationary: moving one level costs in both directions, unless it lies at a saddle of the middle.
    for k in range(num_levels // 2 + 1, num_levels):
        for step in (Fraction(-1, 1000), Fraction(1, 1000)):
            moved = [*levels[:k], levels[k] * (1 + step), *levels[k + 1 :]]
            assert codebook_distortion(extreme, moved).lower > book.distortion.upper


def test_the_first_levels_of_a_grid_are_near_the_best_ones() -> None:
    for name, parameters in (("gaussian", {}), ("student-t", {"df": 3})):
        for num_levels in (4, 5):
            source = law(name, parameters)
            near = levels_on_a_grid(source, num_levels // 2, zero=num_levels % 2 == 1)
            best = stationary_codebook(source, num_levels).levels[-(num_levels // 2) :]
            assert [float(c) for c in near] == pytest.approx([float(c) for c in best], rel=0.1)


@pytest.mark.deep
@pytest.mark.parametrize("beta", ["1/20", "1/50"])
def test_a_shorter_grid_proves_what_a_long_one_leaves_open(beta: str) -> None:
    found = optimal_codebook(law("generalized-gaussian", {"beta": beta}), 4)
    assert found.verdict == "CERTIFIED"
