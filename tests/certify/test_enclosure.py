import json
import math
import pickle
from fractions import Fraction

import pytest
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.certify import Enclosure, ball, exact, precision
from fmq_theory.errors import CertificationError, FmqError

rationals = st.fractions(min_value=-(10**6), max_value=10**6)


def intervals() -> st.SearchStrategy[Enclosure]:
    return st.tuples(rationals, rationals).map(lambda ends: Enclosure(min(ends), max(ends)))


@given(intervals())
def test_json_round_trip_is_exact(enclosure: Enclosure) -> None:
    assert Enclosure.from_json(json.loads(json.dumps(enclosure.to_json()))) == enclosure


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(0, 60))
def test_the_json_of_dyadic_ends_is_a_plain_decimal(value: float, power: int) -> None:
    dyadic = Fraction(value) / 2**power
    text = Enclosure(dyadic, dyadic).to_json()["lower"]
    assert "/" not in text
    assert Fraction(text) == dyadic


@given(intervals())
def test_floats_round_outwards_and_are_tight(enclosure: Enclosure) -> None:
    low, high = enclosure.lower_float, enclosure.upper_float
    assert Fraction(low) <= enclosure.lower < Fraction(math.nextafter(low, math.inf))
    assert Fraction(math.nextafter(high, -math.inf)) < enclosure.upper <= Fraction(high)


@given(intervals(), st.integers(0, 25))
def test_decimals_keep_the_enclosure(enclosure: Enclosure, digits: int) -> None:
    wider = enclosure.rounded(digits)
    assert wider.contains(enclosure)
    assert wider.radius - enclosure.radius <= Fraction(1, 10**digits)
    shown, _, error = enclosure.decimal(digits).partition(" +/- ")
    radius = Fraction(error or "0")
    assert Enclosure(Fraction(shown) - radius, Fraction(shown) + radius).contains(enclosure)


@given(intervals(), intervals(), st.fractions(0, 1), st.fractions(0, 1))
def test_arithmetic_encloses_pointwise_results(a: Enclosure, b: Enclosure, s: Fraction, t: Fraction) -> None:
    x, y = a.lower + s * (a.upper - a.lower), b.lower + t * (b.upper - b.lower)
    assert (a + b).contains(x + y)
    assert (a - b).contains(x - y)
    assert (a * b).contains(x * y)
    if not b.contains(0):
        assert (a / b).contains(x / y)


@given(intervals(), intervals())
def test_comparisons_are_proofs(a: Enclosure, b: Enclosure) -> None:
    if a.less_than(b):
        assert a.upper < b.lower
    elif a.less_than(b) is False:
        assert a.lower >= b.upper
    else:
        assert a.overlaps(b)
    assert Enclosure.hull(a, b).contains(a)
    assert Enclosure.hull(a, b).contains(b)


def test_overlapping_enclosures_are_undecided() -> None:
    assert Enclosure(Fraction(0), Fraction(2)).less_than(Enclosure(Fraction(1), Fraction(3))) is None


def test_balls_go_through_unharmed() -> None:
    with precision(200):
        enclosure = Enclosure.of(arb.pi())
        assert ball(enclosure).contains(arb.pi().mid())
        assert enclosure.certified_places >= 58
        assert str(enclosure).startswith("3.141592653589793238462643383279502884197")
    assert float(enclosure) == math.pi
    assert pickle.loads(pickle.dumps(enclosure)) == enclosure


def test_precision_is_restored_also_after_an_error() -> None:
    before = ctx.prec
    with precision(500):
        assert ctx.prec == 500
    with pytest.raises(ZeroDivisionError), precision(500):
        _ = 1 // 0
    assert ctx.prec == before


@pytest.mark.parametrize("bad", [0.1, True, None, "0.1.2", "nan", "1/0", [1]])
def test_what_is_not_exact_is_refused(bad: object) -> None:
    with pytest.raises(CertificationError, match="write it as 3"):
        exact(bad)  # type: ignore[arg-type]


def test_nothing_infinite_is_certified() -> None:
    for value in (arb.nan(), arb.pos_inf(), arb(0) / arb(0)):
        with pytest.raises(CertificationError, match="not finite"):
            Enclosure.of(value)


def test_errors_name_cause_and_remedy() -> None:
    with pytest.raises(FmqError, match="above its upper end") as caught:
        Enclosure(Fraction(1), Fraction(0))
    assert caught.value.remedy
    with pytest.raises(CertificationError, match="contains zero"):
        _ = Enclosure(Fraction(1), Fraction(1)) / Enclosure(Fraction(-1), Fraction(1))
    with pytest.raises(CertificationError, match="'lower' and 'upper'"):
        Enclosure.from_json({"lower": 0.5, "upper": 1})
    with pytest.raises(CertificationError, match="32 bits"), precision(8):
        pass
