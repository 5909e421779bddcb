"""Data as a source: conversion, conventions at ties and cell edges, accuracy at hard scales."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.errors import SourceError, WeightsError
from fmq_theory.sources import Gaussian, Laplace, Logistic, Source, Uniform
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.weights import as_weights

numbers = st.floats(-1e3, 1e3, allow_subnormal=False)
samples = st.one_of(
    st.lists(numbers, min_size=1, max_size=40),
    st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40),
)
orders = st.floats(0.0, 1.0)


class TestAsWeights:
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint16", "int64", ">f4"])
    def test_numpy_types_keep_values_and_shape(self, dtype: str) -> None:
        array = np.arange(6).reshape(2, 3).astype(dtype)
        converted = as_weights(array)
        assert converted.dtype == np.float64
        assert (converted == np.arange(6.0).reshape(2, 3)).all()

    @pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64", "float8_e4m3fn", "int32"])
    def test_torch_types(self, dtype: str) -> None:
        tensor = torch.tensor([[0.5, -1.5], [2.0, 3.0]], dtype=torch.float64).to(getattr(torch, dtype))
        expected = tensor.to(torch.float64).numpy()
        assert (as_weights(tensor) == expected).all()

    def test_torch_tensor_with_gradient_and_stride(self) -> None:
        tensor = torch.arange(6.0).reshape(2, 3).T.requires_grad_()
        assert (as_weights(tensor) == np.arange(6.0).reshape(2, 3).T).all()

    def test_layouts(self, tmp_path) -> None:
        x = np.arange(20.0)
        np.save(tmp_path / "x.npy", x)
        frozen = x.copy()
        frozen.setflags(write=False)
        for view in (x[::-2], np.load(tmp_path / "x.npy", mmap_mode="r"), frozen, x.tolist(), 3):
            assert (as_weights(view) == np.asarray(view)).all()
            assert Empirical(view).size == np.size(view)
        assert (x == np.arange(20.0)).all()  # sorting worked on a copy

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            ([], "empty"),
            (np.zeros((3, 0)), r"empty \(shape \(3, 0\)\)"),
            ([1.0, math.nan, math.nan], "2 nan and 0 infinite of 3"),
            ([1.0, math.inf, -math.inf, math.nan], "1 nan and 2 infinite of 4"),
            (np.ones(3, dtype=complex), "complex128"),
            (torch.ones(3, dtype=torch.complex64), "complex64"),
            ([None, 1.0], "object"),
            (["a"], "does not hold real numbers"),
            ([True, False], "bool"),
            ([[1.0], [1.0, 2.0]], "no array"),
            (np.ma.masked_equal([1.0, 2.0], 2.0), "masked"),
            (None, "object"),
        ],
    )
    def test_errors_name_the_thing_and_the_remedy(self, bad: object, message: str) -> None:
        with pytest.raises(WeightsError, match=message) as caught:
            as_weights(bad, "tensor 'conv.weight'")
        assert caught.value.thing == "tensor 'conv.weight'"
        assert caught.value.remedy


class TestSampleWeight:
    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            ([1.0, 1.0], "shape"),
            ([1.0, -1.0, 0.0], "1 of 3 entries are negative"),
            ([0.0, 0.0, 0.0], "all entries are zero"),
            ([1.0, math.nan, 1.0], "1 nan"),
        ],
    )
    def test_errors(self, bad: list[float], message: str) -> None:
        with pytest.raises(WeightsError, match=message):
            Empirical([1.0, 2.0, 3.0], bad)

    @given(samples, st.data())
    def test_whole_weights_are_repeats(self, points: list[float], data: st.DataObject) -> None:
        counts = data.draw(st.lists(st.integers(0, 4), min_size=len(points), max_size=len(points)))
        if sum(counts) == 0:
            counts[0] = 1
        weighted = Empirical(points, np.array(counts, dtype=float))
        repeated = Empirical(np.repeat(points, counts))
        assert (weighted.values == repeated.values).all()
        assert (weighted.multiplicity == repeated.multiplicity).all()
        for source in (weighted, repeated):
            assert source.total_mass == sum(counts)
        ends = np.array([source.data.num_points for source in (weighted, repeated)])
        total, again = weighted.data.sums(ends[:1]), repeated.data.sums(ends[1:])
        assert np.allclose(total, again, rtol=1e-15, atol=0.0)
        q = np.linspace(0.0, 1.0, 13)
        assert (weighted.ppf(q) == repeated.ppf(q)).all()

    def test_scale_of_the_weights_does_not_matter(self) -> None:
        x, w = np.arange(5.0), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
        plain = Empirical(x, w)
        for scale in (1e-300, 1e300, 0.3):
            scaled = Empirical(x, w * scale)
            assert scaled.mean() == pytest.approx(plain.mean(), rel=1e-15)
            assert scaled.variance() == pytest.approx(plain.variance(), rel=1e-15)
            assert scaled.cdf(2.0) == pytest.approx(0.4)

    def test_weights_of_zero_are_left_out(self) -> None:
        source = Empirical([5.0, 1.0, 9.0], [0.0, 1.0, 1.0])
        assert source.values.tolist() == [1.0, 9.0]
        assert source.size == 2


class TestDistribution:
    @given(samples, st.lists(orders, min_size=1, max_size=9))
    def test_quantiles_are_numpys_to_the_bit(self, points: list[float], q: list[float]) -> None:
        source = Empirical(points)
        assert (source.quantile_linear(q) == np.quantile(points, q)).all()
        assert (source.ppf(q) == np.quantile(points, q, method="inverted_cdf")).all()

    @given(samples, numbers)
    def test_cdf_counts(self, points: list[float], x: float) -> None:
        source = Empirical(points)
        for at in (x, points[0]):
            assert source.cdf(at) == np.mean(np.array(points) <= at)
            assert source.sf(at) == pytest.approx(np.mean(np.array(points) > at), abs=1e-16)

    @given(samples, st.floats(1e-9, 1.0))
    def test_inverses(self, points: list[float], q: float) -> None:
        source = Empirical(points)
        assert source.cdf(source.ppf(q)) >= q - 1e-15
        assert source.sf(source.isf(q)) <= q + 1e-15
        below = np.nextafter(source.ppf(q), -math.inf)
        assert source.cdf(below) < q + 1e-15

    def test_quantiles_outside_are_nan(self) -> None:
        source = Empirical([1.0, 2.0])
        assert np.isnan(source.ppf([-0.1, 1.1, math.nan])).all()
        assert np.isnan(source.isf(2.0))

    def test_linear_quantile_of_weighted_data(self) -> None:
        x, q = np.array([0.0, 1.0, 4.0]), np.linspace(0.0, 1.0, 9)
        assert np.allclose(Empirical(x, [2.0, 2.0, 2.0]).quantile_linear(q), np.quantile(x, q), rtol=1e-15)
        assert Empirical(x, [1.0, 3.0, 1.0]).quantile_linear(0.25) == 1.0

    def test_linear_quantile_does_not_overflow(self) -> None:
        assert Empirical([-1.5e308, 1.5e308]).quantile_linear([0.0, 0.5, 1.0]).tolist() == [
            -1.5e308,
            0.0,
            1.5e308,
        ]

    def test_signed_zeros_are_one_value(self) -> None:
        source = Empirical([0.0, -0.0, 1.0])
        assert source.values.tolist() == [0.0, 1.0]
        assert not np.signbit(source.values[0])
        assert source.multiplicity.tolist() == [2.0, 1.0]

    @given(samples)
    def test_sorted_weights(self, points: list[float]) -> None:
        assert (Empirical(points).sorted_weights == np.sort(points) + 0.0).all()

    def test_sorted_weights_of_weighted_data_do_not_exist(self) -> None:
        with pytest.raises(SourceError, match="no list"):
            _ = Empirical([1.0], [2.0]).sorted_weights

    def test_sample_has_the_law_of_the_data(self) -> None:
        rng = np.random.default_rng(0)
        for source in (Empirical([3.0, 1.0, 1.0, 2.0]), Empirical([1.0, 2.0, 3.0], [2.0, 1.0, 1.0])):
            drawn = source.sample(40_000, rng=rng)
            share = [(drawn == x).mean() for x in (1.0, 2.0, 3.0)]
            assert np.allclose(share, [0.5, 0.25, 0.25], atol=4 * math.sqrt(0.25 / 40_000))

    def test_what_data_do_not_have(self) -> None:
        source = Empirical([1.0, 2.0])
        with pytest.raises(SourceError, match="no density"):
            source.pdf(0.0)
        with pytest.raises(SourceError, match="no density"):
            source.differential_entropy()
        assert np.isinf(source.density_sup([0.0, 1.0], 2.0)).all()
        assert source.tail.kind == "bounded"

    def test_ranges(self) -> None:
        source = Empirical([-4.0, -1.0, 0.0, 2.0, 3.0])
        assert source.typical_range(10) == (-4.0, 3.0)
        assert source.typical_magnitudes(10) == ((1.0, 4.0), (2.0, 3.0))
        assert Empirical([0.0]).typical_magnitudes(10) == (None, None)
        assert Empirical([2.0, 5.0]).typical_magnitudes(10) == (None, (2.0, 5.0))

    def test_frozen(self) -> None:
        source = Empirical([1.0, 2.0])
        with pytest.raises(AttributeError):
            source.size = 3  # pyright: ignore[reportAttributeAccessIssue]
        source.values[0] = 3.0  # a copy
        assert source.values.tolist() == [1.0, 2.0]


class TestMoments:
    @given(samples, st.tuples(numbers, numbers), numbers)
    def test_partial_moments_in_rational_arithmetic(
        self, points: list[float], edges: tuple[float, float], about: float
    ) -> None:
        low, high = sorted(edges)
        low = points[0] if points[0] < high else low  # an edge on a data point, which belongs to the cell
        found = Empirical(points).partial_moments(low, high, about=about)
        inside = [Fraction(x) - Fraction(about) for x in points if low <= x < high]
        for power, moment in enumerate(found):
            expected = sum((d**power for d in inside), Fraction(0)) / len(points)
            size = sum((abs(d**power) for d in inside), Fraction(0)) / len(points)
            # A cell is a difference of running sums, which keep some 100 bits of all that lies before it.
            every = sum(((abs(Fraction(x)) + abs(Fraction(about))) ** power for x in points), Fraction(0))
            near = 1e-14 * float(size) + 1e-30 * float(every)
            assert float(moment) == pytest.approx(float(expected), rel=1e-14, abs=near)

    @given(samples, st.integers(0, 5))
    def test_moments(self, points: list[float], order: int) -> None:
        expected = sum((Fraction(x) ** order for x in points), Fraction(0)) / len(points)
        size = sum((abs(Fraction(x)) ** order for x in points), Fraction(0)) / len(points)
        found = Empirical(points).moment(order)
        assert found == pytest.approx(float(expected), rel=1e-13, abs=1e-13 * float(size))

    @pytest.mark.parametrize("scale", [1.0, 1e-310, 1e-160, 1e160, 3e-45])
    def test_shape_is_the_same_at_every_scale(self, scale: float) -> None:
        x = np.array([-3.0, -1.0, 0.5, 2.0, 7.0])
        standard = Empirical(x * scale).standard_deviation_one()
        expected = (x - x.mean()) / x.std()
        assert np.allclose(standard.values, expected, rtol=1e-12)
        assert standard.mean() == pytest.approx(0.0, abs=1e-15)
        assert standard.variance() == pytest.approx(1.0, rel=1e-14)
        assert Empirical(x * scale).mean() == pytest.approx(1.1 * scale, rel=1e-12)

    @pytest.mark.parametrize("scale", [1e-300, 2e-223, 1e-160, 1e-100, 1.0, 1e100])
    @pytest.mark.parametrize("about", [1e-150, 1.0, -1e90, 1e150])
    def test_moments_about_a_distant_point(self, scale: float, about: float) -> None:
        points = [0.0, scale, 3.0 * scale]
        found = Empirical(points).partial_moments(-math.inf, math.inf, about=about)
        first, second = (sum((Fraction(x) - Fraction(about)) ** p for x in points) / 3 for p in (1, 2))
        assert float(found.mass) == 1.0
        assert float(found.first) == pytest.approx(float(first), rel=1e-15)
        assert float(found.second) == pytest.approx(float(second), rel=1e-14, abs=5e-324)
        nothing = Empirical(points).partial_moments(5.0 * scale, math.inf, about=about)
        assert (float(nothing.mass), float(nothing.first), float(nothing.second)) == (0.0, 0.0, 0.0)

    def test_moments_beyond_float64_are_infinite(self) -> None:
        source = Empirical([-1e300, 2e300])
        assert source.moment(2) == math.inf
        assert source.moment(3) == math.inf
        assert source.variance() == math.inf
        assert source.mean() == 5e299
        assert Empirical([-2e300, 1e300]).moment(3) == -math.inf

    def test_offset_far_above_the_spread(self) -> None:
        z = np.random.default_rng(1).integers(-(2**10), 2**10, 5_000) * 2.0**-12
        offset = 2.0**38
        source = Empirical(z + offset)
        exact = sum((Fraction(v) ** 2 for v in z.tolist()), Fraction(0)) / z.size
        exact -= (sum(map(Fraction, z.tolist()), Fraction(0)) / z.size) ** 2
        assert source.variance() == pytest.approx(float(exact), rel=1e-14)
        second = source.partial_moments(-math.inf, math.inf, about=offset).second
        assert float(second) == pytest.approx(np.square(z).mean(), rel=1e-14)
        naive = np.square(z + offset).mean() - np.mean(z + offset) ** 2  # control
        assert abs(naive - float(exact)) > 1e-3 * float(exact)

    def test_negative_order(self) -> None:
        with pytest.raises(SourceError, match="order -1"):
            Empirical([1.0]).moment(-1)

    def test_one_value_has_no_unit_of_spread(self) -> None:
        source = Empirical([4.0, 4.0])
        assert source.variance() == 0.0
        with pytest.raises(SourceError, match="equal"):
            source.standard_deviation_one()

    def test_standard_form_of_weighted_data(self) -> None:
        standard = Empirical([1.0, 2.0, 6.0], [1.0, 2.0, 0.5]).standard_deviation_one()
        assert standard.is_weighted
        assert standard.variance() == pytest.approx(1.0, rel=1e-14)


LAWS: list[Source] = [Gaussian(), Laplace(1.0, 2.0), Logistic(), Uniform(0.5, 3.0)]


class TestDensityFromSpacings:
    @pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
    @pytest.mark.parametrize("beta", [1.0 / 3.0, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0])
    def test_power_integral_near_the_laws(self, law: Source, beta: float) -> None:
        data = Empirical(law.sample(300_000, rng=np.random.default_rng(8)))
        assert data.density_power_integral(beta) == pytest.approx(law.density_power_integral(beta), rel=0.02)

    def test_bias_correction_matters_where_buckets_are_small(self) -> None:
        """64 weights: buckets of 4. Mean over many samples, with and without the correction."""
        rng = np.random.default_rng(2)
        found, plain = [], []
        for _ in range(400):
            spacings = Empirical(rng.random(65))._spacings()
            found.append(spacings.density_power_integral(2.5))
            plain.append(((np.diff(spacings.edges) * (spacings.edges.size - 1)) ** -1.5).mean())
        assert np.mean(found) == pytest.approx(1.0, abs=0.15)
        assert np.mean(plain) > 1.4  # control

    @pytest.mark.parametrize("law", [Gaussian(), Uniform()], ids=lambda law: law.name)
    @pytest.mark.parametrize("alpha", [0.0, 1.0 / 3.0, 0.5, 1.0])
    def test_escort_near_the_laws(self, law: Source, alpha: float) -> None:
        data = Empirical(law.sample(300_000, rng=np.random.default_rng(9)))
        q = np.array([0.05, 0.2, 0.5, 0.8, 0.95])
        if alpha == 0.0:
            low, high = data.support
            expected = low + (high - low) * q
        else:
            expected = law.escort(alpha).ppf(q)
        assert np.allclose(data.escort(alpha).ppf(q), expected, atol=0.08)

    def test_weighted_data_of_equal_weights(self) -> None:
        x = np.random.default_rng(3).standard_normal(5_000)
        plain, weighted = Empirical(x), Empirical(x, np.full(5_000, 0.25))
        q = np.linspace(0.1, 0.9, 5)
        assert np.allclose(weighted.escort(0.5).ppf(q), plain.escort(0.5).ppf(q), rtol=1e-9)
        assert weighted.density_power_integral(0.5) == pytest.approx(plain.density_power_integral(0.5))

    def test_ties(self) -> None:
        data = Empirical(np.repeat([0.0, 1.0, 5.0], [60, 30, 10]))
        assert data.escort(0.5).ppf([0.0, 1.0]).tolist() == [0.0, 5.0]
        assert data.density_power_integral(2.0) == math.inf
        with pytest.raises(SourceError, match="tied"):
            data.escort(1.5)

    def test_a_power_beyond_the_count(self) -> None:
        with pytest.raises(SourceError, match="too large"):
            Empirical(np.arange(8.0)).density_power_integral(9.0)

    @given(samples, st.floats(0.0, 1.0), orders)
    def test_escort_stays_in_the_range(self, points: list[float], alpha: float, q: float) -> None:
        data = Empirical([*points, points[0] + 1.0])
        low, high = data.support
        assert low <= data.escort(alpha).ppf(q) <= high


def test_cells_side_by_side_have_the_moments_of_cells_asked_in_any_order() -> None:
    rng = np.random.default_rng(4)
    for data in (Empirical(rng.standard_normal(3000)), Empirical(rng.standard_normal(500), rng.random(500))):
        edges = np.concatenate(([-np.inf], np.sort(rng.standard_normal(40)), [5.0, 5.0, np.inf]))
        about = rng.standard_normal(edges.size - 1)
        together = np.stack(data.partial_moments(edges[:-1], edges[1:], about=about))
        order = rng.permutation(about.size)
        apart = np.stack(data.partial_moments(edges[:-1][order], edges[1:][order], about=about[order]))
        assert together[:, order].tobytes() == apart.tobytes()
