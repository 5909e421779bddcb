"""The comparison on laws: against independent routes, and unmoved by how it is run."""

import math

import numpy as np
import pytest

from fmq_theory.claims import Comparison, compare_law
from fmq_theory.errors import SchemeError, SourceError
from fmq_theory.sources import Gaussian, Laplace, Source, StudentT, Uniform

SCHEMES = (
    "uniform",
    "uniform_clipped",
    "equal_mass",
    "pwl",
    "log2",
    "panter_dite",
    "lloyd_max",
    "ecq",
    "nf4",
)


def _compare(source: Source, **changes: object) -> Comparison:
    asked: dict[str, object] = {"bits": (2, 4), "schemes": SCHEMES, "n": 20_000, "repeats": 4, "seed": 1}
    asked.update(changes)
    return compare_law(source, "a law", **asked)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def gaussian() -> Comparison:
    return _compare(Gaussian())


def test_every_scheme_and_bit_width_has_a_row(gaussian: Comparison) -> None:
    assert [(row.scheme, row.bits) for row in gaussian.rows] == [(s, b) for s in SCHEMES for b in (2, 4)]


def test_scheme_without_a_codebook_of_that_size_is_a_row_that_says_so(gaussian: Comparison) -> None:
    row = next(row for row in gaussian.rows if (row.scheme, row.bits) == ("nf4", 2))
    assert row.own_hat is None
    assert row.law_exact is None
    assert "16" in row.note


def test_single_repeat_equals_pot_to_rounding() -> None:
    measured = [row for row in _compare(Gaussian(), repeats=1, n=5000).rows if row.own_hat is not None]
    assert len(measured) == 2 * len(SCHEMES) - 1  # nf4 has no codebook of 2 bits
    for row in measured:
        assert row.w2_squared_pot == pytest.approx(row.own_hat, rel=1e-9)
        assert row.own_lo is None


def test_each_measured_quantity_agrees_with_its_own_theory(gaussian: Comparison) -> None:
    for row in gaussian.rows:
        if row.own_exact is not None:
            assert row.own_hat == pytest.approx(row.own_exact, rel=0.2 if row.scheme == "pwl" else 0.05)
        if row.fresh_exact is not None:
            assert row.fresh_hat == pytest.approx(row.fresh_exact, rel=0.1)
    assert {row.scheme for row in gaussian.rows if row.own_exact} >= {"uniform", "equal_mass", "pwl", "nf4"}


def test_bounds_stand_beside_what_they_bound(gaussian: Comparison) -> None:
    for row in gaussian.rows:
        for quantity in ("own", "law"):
            exact, upper = getattr(row, quantity + "_exact"), getattr(row, quantity + "_upper")
            if exact is not None and upper is not None:
                assert exact <= upper * (1 + 1e-12)
        if row.fresh_exact is not None and row.fresh_lower is not None:
            assert row.fresh_exact >= row.fresh_lower * (1 - 1e-9)
    assert {row.scheme for row in gaussian.rows if row.law_upper} >= {"equal_mass", "pwl", "lloyd_max"}


def test_short_channels_have_three_different_quantities() -> None:
    """The fault: the law's bound stood beside the error of a codebook designed on 1,024 weights."""
    found = _compare(Uniform(), schemes=("equal_mass", "pwl", "lloyd_max"), bits=(8,), n=1024, repeats=20)
    rows = {row.scheme: row for row in found.rows}
    for scheme in ("equal_mass", "pwl"):
        row = rows[scheme]
        assert row.own_hat > 1.3 * row.law_upper  # type: ignore[operator]  # what the table once contradicted
        assert row.own_hat == pytest.approx(row.own_exact, rel=0.03)
        assert row.fresh_hat == pytest.approx(row.fresh_exact, rel=0.03)
    optimum = rows["lloyd_max"]
    assert optimum.own_hat < 0.6 * optimum.own_upper  # type: ignore[operator]
    assert optimum.fresh_hat > optimum.fresh_lower > optimum.own_hat  # type: ignore[operator]


def test_no_more_weights_than_levels_is_no_error_and_says_why() -> None:
    rows = {row.scheme: row for row in _compare(Gaussian(), bits=(5,), n=32).rows}
    for scheme in ("equal_mass", "lloyd_max"):
        row = rows[scheme]
        assert row.own_hat == 0.0
        assert (row.own_exact if scheme == "equal_mass" else row.own_upper) == 0.0
        assert "room for each" in row.note
        assert row.fresh_hat > 0  # type: ignore[operator]
    assert rows["pwl"].own_exact is None
    assert "hold no weight" in rows["pwl"].note


def test_nothing_beats_the_shannon_bound(gaussian: Comparison) -> None:
    limits = dict(gaussian.shannon)
    assert limits[2] == pytest.approx(2.0**-4)  # Gaussian of variance 1: 2^(-2R)
    known = [(row.scheme, row.bits, exact) for row in gaussian.rows if (exact := row.law_exact) is not None]
    assert {scheme for scheme, _, _ in known} >= {"equal_mass", "pwl", "lloyd_max"}
    for _, bits, exact in known:
        assert exact > limits[bits]


def test_laplace_equal_mass_is_the_finite_sum() -> None:
    rows = _compare(Laplace(scale=math.sqrt(0.5)), bits=(2, 3), schemes=("equal_mass",), repeats=1).rows
    for row in rows:
        j = np.arange(1, row.num_levels // 2)
        s = 1.0 + np.sum(1.0 - j * (j + 1.0) * np.log1p(1.0 / j) ** 2)
        assert row.law_exact == pytest.approx(s / row.num_levels, abs=1e-12)


def test_ratios_do_not_need_their_schemes_to_be_asked_for() -> None:
    found = _compare(Gaussian(), schemes=("log2",), repeats=2)
    assert {row.scheme for row in found.rows} == {"log2"}
    assert all(row.rho_w2 is not None and row.rho_em is not None for row in found.ratios)


def test_result_depends_on_the_seed_and_not_on_the_threads() -> None:
    first = _compare(Gaussian(), schemes=("lloyd_max",), workers=1)
    again = _compare(Gaussian(), schemes=("lloyd_max",), workers=3)
    other = _compare(Gaussian(), schemes=("lloyd_max",), seed=2)
    assert first.rows == again.rows
    assert first.rows != other.rows


def test_uniform_law_is_where_the_paper_rate_is_right() -> None:
    found = _compare(Uniform(), schemes=("equal_mass",), bits=(3, 4, 5))
    assert {row.order_predicted for row in found.rows} == {2.0}
    exact = [row.law_exact or math.nan for row in found.rows]
    assert exact[0] / exact[1] == pytest.approx(4.0)


def test_student_t_order_is_the_tail_s(gaussian: Comparison) -> None:
    row = _compare(StudentT(df=3.0), schemes=("equal_mass",), bits=(4,), repeats=2).rows[0]
    assert row.order_predicted == pytest.approx(1.0 / 3.0)
    assert any("fourth moment" in note for note in _compare(StudentT(df=3.0), bits=(2,), repeats=2).notes)
    assert not any("fourth moment" in note for note in gaussian.notes)


def test_the_note_on_grids_off_centre_is_there_with_the_scheme(gaussian: Comparison) -> None:
    (note,) = (note for note in gaussian.table_notes if note.startswith("uniform_clipped, law"))
    for digits in ("0.19446", "0.19630", "0.23298", "0.31998"):  # recomputed in test_clipped_uniform
        assert digits in note
    assert not any("uniform_clipped" in note for note in _compare(Gaussian(), schemes=("lloyd_max",)).notes)


def test_infinite_variance_is_refused() -> None:
    with pytest.raises(SourceError, match="variance is infinite"):
        _compare(StudentT(df=2.0))


def test_unknown_scheme_is_refused_with_the_choices() -> None:
    with pytest.raises(SchemeError, match="lloyd_max"):
        _compare(Gaussian(), schemes=("loyd_max",))


def test_each_stage_of_the_progress_ends_at_one() -> None:
    told: list[tuple[str, float]] = []
    _compare(
        Gaussian(),
        schemes=("uniform",),
        progress=lambda share, what: told.append((what.split(",")[0], share)),
    )
    for stage in ("measuring", "exact values"):
        shares = [share for what, share in told if what.startswith(stage)]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0


@pytest.mark.deep
def test_gaussian_ratios_at_a_million_weights() -> None:
    found = compare_law(
        Gaussian(), "gaussian", bits=(4, 5, 6, 7, 8), schemes=("uniform",), n=1_000_000, repeats=20, seed=0
    )
    ratios = {row.bits: row for row in found.ratios}
    assert all(0.24 <= (row.rho_w2 or 0.0) <= 0.38 for row in ratios.values())
    assert (ratios[4].rho_em or math.inf) < 1 < (ratios[6].rho_em or 0.0)
    assert ratios[8].rho_em == pytest.approx(6.0, abs=0.5)
