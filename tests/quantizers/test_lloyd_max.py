"""Lloyd-Max: published tables, optimality on data, laws without a symmetric optimum, hard inputs."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from fmq_theory.codebook import Codebook, LowerBound
from fmq_theory.errors import ConvergenceError, SchemeError, SourceError
from fmq_theory.kernels.kmeans1d import solve
from fmq_theory.kernels.kmeans1d.solve import Partition
from fmq_theory.quantizers import quantize
from fmq_theory.quantizers.lloyd_max import LloydMax
from fmq_theory.quantizers.lloyd_max_law import evaluate, is_minimum, minimise, optimal_levels
from fmq_theory.sources import (
    Gaussian,
    GeneralizedGaussian,
    Laplace,
    Logistic,
    Source,
    StudentT,
    SymmetricSource,
    TwoSidedGamma,
    Uniform,
)
from fmq_theory.sources.empirical import Empirical
from tests.quantizers.drawing import law_distortion
from tests.strategies import sources

SCHEME = LloydMax()
UNIT_LAPLACE = Laplace(0.0, math.sqrt(0.5))

# Unit variance. Gaussian: Max 1960, table I, with more digits; Laplace: Paez & Glisson 1972, likewise.
TABLE = {
    "gaussian": {2: 0.363380, 4: 0.117482, 8: 0.0345478, 16: 0.00950101, 32: 0.00250467},
    "laplace": {2: 0.5, 4: 0.176195, 8: 0.0544760, 16: 0.0153725},
}
MAX_1960 = {2: 0.3634, 4: 0.1175, 8: 0.03454, 16: 0.009497, 32: 0.002499}


def squared_error(codebook: Codebook, x: np.ndarray) -> float:
    return float(np.square(x - codebook.decode(codebook.encode(x))).sum())


def by_quadrature(codebook: Codebook, pdf, reach: float) -> float:
    """E (X - Q(X))**2 with scipy.stats' density, cell by cell."""
    edges = [-reach, *codebook.thresholds, reach]
    return math.fsum(
        integrate.quad(lambda x, c=c: (x - c) ** 2 * pdf(x), a, b, epsabs=0.0, epsrel=1e-12, limit=200)[0]
        for (a, b), c in zip(itertools.pairwise(edges), codebook.levels, strict=True)
    )


class TestLaws:
    @pytest.mark.parametrize("num_levels", [2, 4, 8, 16, 32])
    def test_gaussian_table_by_two_routes(self, num_levels: int) -> None:
        codebook = SCHEME.design(Gaussian(), num_levels)
        expected = pytest.approx(TABLE["gaussian"][num_levels], rel=4e-6)
        assert law_distortion(codebook, Gaussian()) == expected
        assert by_quadrature(codebook, stats.norm.pdf, 20.0) == expected
        # What Max printed; his last entry is 0.23 % low.
        assert MAX_1960[num_levels] == pytest.approx(TABLE["gaussian"][num_levels], rel=2.4e-3)

    @pytest.mark.parametrize("num_levels", [2, 4, 8, 16])
    def test_laplace_table_by_two_routes(self, num_levels: int) -> None:
        codebook = SCHEME.design(UNIT_LAPLACE, num_levels)
        expected = pytest.approx(TABLE["laplace"][num_levels], rel=4e-6)
        assert law_distortion(codebook, UNIT_LAPLACE) == expected
        assert by_quadrature(codebook, stats.laplace(scale=math.sqrt(0.5)).pdf, 40.0) == expected

    def test_control_lloyds_conditions_from_equal_mass_cells_are_not_met(self) -> None:
        levels = Gaussian().ppf((np.arange(16) + 0.5) / 16)
        assert evaluate(Gaussian(), levels).residual > 1e-2

    @pytest.mark.parametrize(
        "law",
        [
            Gaussian(),
            Laplace(),
            Logistic(),
            Uniform(),
            StudentT(2.1),
            StudentT(3.0),
            StudentT(50.0),
            GeneralizedGaussian(0.5),
            GeneralizedGaussian(0.97),
            GeneralizedGaussian(8.0),
            TwoSidedGamma(0.3),
            TwoSidedGamma(1.1),
            TwoSidedGamma(2.0),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("num_levels", [1, 2, 3, 4, 7, 16, 64, 256])
    def test_stationary_to_1e_12_and_a_minimum(self, law: Source, num_levels: int) -> None:
        standard = law.standard_deviation_one()
        state = evaluate(standard, SCHEME.design(standard, num_levels).levels)
        # design() maps the levels through mean 0 and deviation 1, which may move them by an ulp.
        assert state.residual <= 2e-12
        assert is_minimum(standard, state)
        mean = state.levels + state.first / state.mass
        assert np.abs(mean - state.levels).max() <= 1e-11 * np.abs(state.levels).max() + 1e-15

    @pytest.mark.parametrize("num_levels", [2, 5, 32])
    def test_uniform_is_known_in_closed_form(self, num_levels: int) -> None:
        codebook = SCHEME.design(Uniform(0.0, 1.0), num_levels)
        assert np.allclose(codebook.levels, (2 * np.arange(num_levels) + 1) / num_levels - 1, atol=1e-12)
        assert law_distortion(codebook, Uniform()) == pytest.approx(1 / (3 * num_levels**2), rel=1e-12)

    @given(sources(finite_moment=2.0), st.integers(1, 40))
    def test_one_more_level_is_better_and_no_perturbation_is(self, law: Source, num_levels: int) -> None:
        law = law.standard_deviation_one()
        codebook = SCHEME.design(law, num_levels)
        best = law_distortion(codebook, law)
        assert law_distortion(SCHEME.design(law, num_levels + 1), law) < best
        rng = np.random.default_rng(num_levels)
        for size in (1e-3, 0.1):
            moved = Codebook.nearest(codebook.levels + size * rng.standard_normal(num_levels))
            assert law_distortion(moved, law) >= best * (1.0 - 1e-13)

    @given(
        sources(("gaussian", "logistic", "generalized-gaussian", "student-t"), finite_moment=2.5), st.data()
    )
    def test_equivariance(self, law: SymmetricSource, data: st.DataObject) -> None:
        num_levels = data.draw(st.integers(1, 24))
        scale, shift = data.draw(st.floats(0.01, 100.0)), data.draw(st.floats(-100.0, 100.0))
        moved = type(law)(
            **{p.name: getattr(law, p.name) for p in law.parameters}
            | {"loc": scale * law.loc + shift, "scale": scale * law.scale}
        )
        expected = shift + scale * SCHEME.design(law, num_levels).levels
        found = SCHEME.design(moved, num_levels).levels
        size = np.abs(expected).max() + abs(shift) + scale * abs(law.loc)
        assert np.allclose(found, expected, rtol=1e-9, atol=1e-9 * size)

    def test_infinite_variance(self) -> None:
        with pytest.raises(SourceError, match="variance is infinite"):
            SCHEME.design(StudentT(1.9), 4)


class TestAsymmetricOptimum:
    """Kabal 1984: for the Gamma law and even K the optimal codebook is not symmetric."""

    @pytest.mark.parametrize("shape", [0.3, 0.5, 0.9])
    @pytest.mark.parametrize("num_levels", [2, 4, 8, 16])
    def test_better_than_the_best_symmetric_codebook(self, shape: float, num_levels: int) -> None:
        law = TwoSidedGamma(shape).standard_deviation_one()
        codebook = SCHEME.design(law, num_levels)
        half = law.isf(0.5 * (np.arange(num_levels // 2)[::-1] + 0.5) / (num_levels // 2))
        symmetric = minimise(law, np.concatenate((-half[::-1], half)), symmetric=True)
        assert symmetric.residual <= 1e-12  # stationary, and yet:
        assert law_distortion(codebook, law) < symmetric.distortion * (1.0 - 1e-6)
        assert not is_minimum(law, symmetric)
        assert np.abs(codebook.levels + codebook.levels[::-1]).max() > 0.01

    @pytest.mark.parametrize("law", [Gaussian(), Laplace(), StudentT(4.0), TwoSidedGamma(0.5)], ids=str)
    def test_symmetric_where_that_is_best(self, law: Source) -> None:
        numbers = (3, 9) if isinstance(law, TwoSidedGamma) else (3, 8, 9, 64)
        for num_levels in numbers:
            levels = SCHEME.design(law, num_levels).levels
            assert np.allclose(levels, -levels[::-1], rtol=0.0, atol=1e-10 * levels[-1])

    def test_a_law_with_a_hole_may_want_an_odd_codebook_off_centre(self) -> None:
        law = TwoSidedGamma(2.0).standard_deviation_one()  # f(0) = 0
        positive = int((SCHEME.design(law, 7).levels > 0.0).sum())
        assert positive in (3, 4)
        symmetric = minimise(law, np.linspace(-2.5, 2.5, 7), symmetric=True)
        assert law_distortion(SCHEME.design(law, 7), law) < 0.99 * symmetric.distortion


class TestData:
    def test_equals_brute_force(self) -> None:
        rng = np.random.default_rng(0)
        for _ in range(60):
            x = rng.choice([rng.standard_normal(9), rng.integers(-4, 5, 9).astype(float)])
            num_levels = int(rng.integers(1, 6))
            values = np.unique(x)
            best = min(
                sum(np.square(part - part.mean()).sum() for part in np.split(np.sort(x), cuts))
                for cuts in itertools.combinations(range(1, 9), min(num_levels, values.size) - 1)
            )
            found = squared_error(SCHEME.design(Empirical(x), num_levels), x)
            assert found == pytest.approx(best, rel=1e-12, abs=1e-13)

    def test_a_stationary_codebook_that_is_not_optimal(self) -> None:
        x = np.array([0.0, 1.0, 10.0, 11.0, 20.0, 21.0, 22.0])
        trap = Codebook.nearest([0.0, 1.0, 16.8])  # meets both conditions of Lloyd and Max
        codes = trap.encode(x)
        assert np.allclose([x[codes == k].mean() for k in range(3)], trap.levels)
        found = SCHEME.design(Empirical(x), 3)
        assert found.levels.tolist() == [0.5, 10.5, 21.0]
        assert squared_error(found, x) < 0.1 * squared_error(trap, x)

    @given(st.lists(st.floats(-100.0, 100.0), min_size=1, max_size=50), st.integers(1, 12))
    def test_levels_are_means_and_codes_nearest(self, points: list[float], num_levels: int) -> None:
        x = np.array(points)
        codebook = SCHEME.design(Empirical(x), num_levels)
        assert codebook.num_levels == min(num_levels, np.unique(x + 0.0).size)
        codes = codebook.encode(x)
        assert np.unique(codes).size == codebook.num_levels  # no phantom levels
        nearest = np.abs(x[:, None] - codebook.levels).min(axis=1)
        assert np.allclose(np.abs(x - codebook.decode(codes)), nearest, atol=1e-13 * np.abs(x).max())
        for k, level in enumerate(codebook.levels):
            exact = float(sum(map(Fraction, x[codes == k].tolist())) / int((codes == k).sum()))
            assert level == pytest.approx(exact, rel=1e-15, abs=1e-28 * np.abs(x).max())

    def test_weights_are_repeats(self) -> None:
        rng = np.random.default_rng(1)
        x, counts = rng.standard_normal(200), rng.integers(1, 6, 200)
        weighted = SCHEME.design(Empirical(x, counts), 9)
        repeated = SCHEME.design(Empirical(np.repeat(x, counts)), 9)
        assert (weighted.levels == repeated.levels).all()
        assert (weighted.thresholds == repeated.thresholds).all()
        plain = SCHEME.design(Empirical(x), 9)
        assert not np.allclose(plain.levels, repeated.levels)  # control

    @pytest.mark.parametrize("scale", [2.0**-1040, 1e-310, 1e-30, 1e38, 1e300])
    def test_scale(self, scale: float) -> None:
        x = np.random.default_rng(2).standard_normal(300)
        expected = SCHEME.design(Empirical(x), 8)
        found = SCHEME.design(Empirical(x * scale), 8)
        tolerance = 5e-324 / scale + 1e-13
        assert np.allclose(found.levels / scale, expected.levels, rtol=0.0, atol=2 * tolerance)
        assert (found.encode(x * scale) == expected.encode(x)).all()

    def test_offset_1e8_with_spread_1(self) -> None:
        z = np.random.default_rng(3).integers(-(2**24), 2**24, 2_000) * 2.0**-24
        expected, found = (SCHEME.design(Empirical(z + shift), 16) for shift in (0.0, 2.0**27))
        assert np.allclose(found.levels - 2.0**27, expected.levels, rtol=0.0, atol=2.0**-25)
        assert (found.encode(z + 2.0**27) == expected.encode(z)).all()

    @pytest.mark.parametrize(
        ("points", "levels"),
        [
            ([3.0], [3.0]),
            ([3.0] * 1000, [3.0]),
            ([1.0, -2.0], [-2.0, 1.0]),
            ([5.0, 5.0, -1.0, 5.0], [-1.0, 5.0]),
            ([0.0, -0.0], [0.0]),
            ([5e-324, 0.0, 1e-323], [0.0, 5e-324, 1e-323]),
            ([1e308, -1e308], [-1e308, 1e308]),
        ],
    )
    def test_fewer_values_than_levels(self, points: list[float], levels: list[float]) -> None:
        codebook = SCHEME.design(Empirical(points), 4)
        assert codebook.levels.tolist() == levels
        assert squared_error(codebook, np.array(points)) == 0.0

    def test_neighbouring_floats_are_told_apart(self) -> None:
        x = np.array([1.0, np.nextafter(1.0, 2.0), 2.0, np.nextafter(2.0, 3.0)])
        assert squared_error(SCHEME.design(Empirical(x), 4), x) == 0.0
        assert SCHEME.design(Empirical(x), 2).encode(x).tolist() == [0, 0, 1, 1]

    def test_order_of_the_weights_does_not_matter(self) -> None:
        x = np.random.default_rng(4).laplace(size=1000)
        expected = SCHEME.design(Empirical(np.sort(x)), 16).levels
        assert (SCHEME.design(Empirical(np.sort(x)[::-1]), 16).levels == expected).all()
        assert (SCHEME.design(Empirical(x.reshape(10, 100)), 16).levels == expected).all()

    def test_mirrored_data_cost_the_same(self) -> None:
        x = np.random.default_rng(5).standard_t(3, size=999)
        there, back = (squared_error(SCHEME.design(Empirical(s * x), 13), s * x) for s in (1.0, -1.0))
        assert there == pytest.approx(back, rel=1e-12)

    def test_large_samples_approach_the_law(self) -> None:
        x = Gaussian().sample(400_000, rng=np.random.default_rng(6))
        found, law = SCHEME.design(Empirical(x), 16), SCHEME.design(Gaussian(), 16)
        assert np.allclose(found.levels, law.levels, atol=0.05)
        assert squared_error(found, x) <= squared_error(law, x)
        assert squared_error(found, x) / x.size == pytest.approx(TABLE["gaussian"][16], rel=0.01)

    def test_a_result_without_certificate_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def halves(points: np.ndarray, *_: object) -> Partition:
            return Partition(np.array([0, 2, points.size]), 1.0, 0.5)

        def halves_of_sums(prefix: np.ndarray, *_: object) -> Partition:
            return Partition(np.array([0, 2, prefix.shape[0] - 1]), 1.0, 0.5)

        monkeypatch.setattr(solve, "_of_points", lambda row, *_: halves(row.points))
        assert SCHEME.design(Empirical(np.arange(5.0)), 2).num_levels == 2  # every point is visited instead
        monkeypatch.setattr(solve, "optimum_of_sums", halves_of_sums)
        with pytest.raises(ConvergenceError, match="not proved optimal"):
            SCHEME.design(Empirical(np.arange(5.0)), 2)


class TestGap:
    def test_the_gap_of_a_tensor_is_rigorous_and_small(self) -> None:
        x = np.random.default_rng(7).standard_t(3.0, (3, 5000))
        for granularity in ("channel", "tensor"):
            found = quantize(x, "lloyd_max", 4, granularity)
            assert found.optimality_gap is not None
            assert 0.0 <= found.optimality_gap < 1e-10
        single = quantize(x.astype(np.float32), "lloyd_max", 4)  # levels are rounded to float32
        assert single.optimality_gap is not None
        assert single.optimality_gap < 1e-7

    @pytest.mark.parametrize("name", ["lloyd_max:1e-2", "lloyd_max:1e-4"])
    def test_a_gap_that_is_allowed_is_kept(self, name: str) -> None:
        x = np.random.default_rng(8).laplace(size=200_000)
        exact, near = quantize(x, "lloyd_max", 6), quantize(x, name, 6)
        assert near.scheme == name.replace("1e-2", "0.01").replace("1e-4", "0.0001")
        assert near.optimality_gap is not None
        assert near.optimality_gap <= float(name.partition(":")[2]) * (1.0 + 1e-9)
        # What is claimed holds: the optimum is not below the bound.
        assert near.mse <= exact.mse * (1.0 + near.optimality_gap)
        assert near.mse >= exact.mse * (1.0 - 1e-12)

    def test_short_rows_are_solved_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        solved: list[float] = []
        one_row = LloydMax.design_with_bound

        def watched(scheme: LloydMax, source: Empirical, num_levels: int) -> tuple[Codebook, LowerBound]:
            solved.append(source.support[1])
            return one_row(scheme, source, num_levels)

        monkeypatch.setattr(LloydMax, "design_with_bound", watched)
        rng = np.random.default_rng(12)
        x = np.concatenate((rng.standard_normal((20, 1000)), rng.standard_t(3.0, (20, 1000))))
        quantize(x, "lloyd_max", 4)
        assert solved == []
        # Control: a row that needs a frame of its own is solved again, and seen.
        quantize(np.concatenate((x, 1e200 * x[:1])), "lloyd_max", 4)
        assert solved == [1e200 * x[0].max()]

    def test_other_schemes_prove_nothing(self) -> None:
        assert quantize(np.arange(100.0), "uniform", 3).optimality_gap is None

    def test_weighted_data_have_a_gap_too(self) -> None:
        rng = np.random.default_rng(9)
        x, mass = rng.standard_normal((2, 300)), rng.random((2, 300))
        found = quantize(x, "lloyd_max", 3, sample_weight=mass)
        assert found.optimality_gap is not None
        assert found.optimality_gap < 1e-10

    @pytest.mark.parametrize("gap", [-1.0, float("inf"), float("nan")])
    def test_impossible_gaps_are_refused(self, gap: float) -> None:
        with pytest.raises(SchemeError, match="gap"):
            LloydMax(gap)


@pytest.mark.parametrize("shape", [0.99999, 0.999, 0.9])
def test_a_density_that_is_infinite_at_the_middle_threshold_is_left(shape: float) -> None:
    """Just below shape 1 the symmetric codebook is a saddle, by less than a grid can tell."""
    law = TwoSidedGamma(shape).standard_deviation_one()
    levels = optimal_levels(law, 8)
    best = evaluate(law, levels)
    assert best.residual <= 1e-12
    assert is_minimum(law, best)
    balanced = minimise(law, 0.5 * (levels - levels[::-1]), symmetric=True)
    assert not is_minimum(law, balanced)
    assert best.distortion < balanced.distortion
