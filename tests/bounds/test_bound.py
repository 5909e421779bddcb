import math

import pytest

from fmq_theory.bounds import Bound
from fmq_theory.errors import SourceError


def test_vacuous_statements_say_so():
    assert Bound(math.inf, "upper", None, ("why",), "ref").is_vacuous
    assert Bound(math.inf, "asymptotic", 1.0, (), "ref").is_vacuous
    assert Bound(0.0, "lower", None, (), "ref").is_vacuous
    assert "vacuous" in Bound(math.inf, "upper", None, ("why",), "ref").describe()


def test_statements_with_content_are_not_vacuous():
    assert not Bound(0.0, "upper", None, (), "ref").is_vacuous
    assert not Bound(1.0, "lower", None, (), "ref").is_vacuous
    infinite = Bound(math.inf, "exact", None, ("the variance is infinite",), "ref")
    assert infinite.is_infinite
    assert not infinite.is_vacuous  # that a distortion is infinite is news


def test_description_holds_value_order_assumptions_and_reference():
    text = Bound(0.25, "upper", 2.0, ("every K",), "theory T2a").describe()
    assert text == "at most 0.25, order 2 (every K) [theory T2a]"


def test_scaling_moves_the_enclosure_too():
    bound = Bound(2.0, "exact", 1.0, (), "ref", enclosure=(1.5, 2.5)).scaled(4.0)
    assert (bound.value, bound.enclosure) == (8.0, (6.0, 10.0))


@pytest.mark.parametrize("value", [math.nan, -1.0])
def test_impossible_values_are_refused(value):
    with pytest.raises(SourceError, match="non-negative"):
        Bound(value, "upper", None, (), "ref")


def test_an_enclosure_must_contain_the_value():
    with pytest.raises(SourceError, match="enclosure"):
        Bound(2.0, "exact", None, (), "ref", enclosure=(0.0, 1.0))
