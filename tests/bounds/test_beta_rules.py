"""Rules for Beta laws: moments in closed form, also of powers that are singular at the ends."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln, digamma

from fmq_theory.bounds.beta_rules import gauss_rule, graded_rule


def moment(p, q, power):
    """E U^power of Beta(p, q)."""
    return math.exp(float(betaln(p + power, q) - betaln(p, q)))


@given(st.floats(0.5, 1e6), st.floats(0.5, 1e6), st.integers(1, 12))
def test_gauss_rules_are_exact_for_polynomials(p, q, order):
    rule = gauss_rule(np.array([p]), np.array([q]), order)
    expected = 1.0
    for power in range(2 * order):
        found = float((rule.weight * rule.node**power).sum())
        assert found == pytest.approx(expected, rel=1e-8)
        expected *= (p + power) / (p + q + power)
    wrong = float((rule.weight * rule.node).sum())
    assert wrong != pytest.approx(moment(p + 0.01 * p + 0.01, q, 1), rel=1e-12)  # control: another law


@pytest.mark.parametrize(("p", "q"), [(1, 1000), (2, 1023), (3, 5), (23, 10**6), (500, 524)])
@pytest.mark.parametrize("power", [-2 / 3, -0.4, 1.0, 2.0])
def test_graded_rules_take_singular_powers(p, q, power):
    rule = graded_rule(p, q, power=2 / 3)
    assert float(rule.weight @ rule.node**power) == pytest.approx(moment(p, q, power), rel=1e-7)
    coarse = graded_rule(p, q, power=2 / 3, coarse=1.6)
    assert coarse.node.size < rule.node.size
    assert float(coarse.weight @ coarse.node**power) == pytest.approx(moment(p, q, power), rel=1e-3)


def test_a_gauss_rule_is_no_match_for_a_singular_power():
    """Why there are two kinds of rules."""
    rule = gauss_rule(np.array([1]), np.array([1000]), 10)
    assert abs(float((rule.weight * rule.node ** (-2 / 3)).sum()) / moment(1, 1000, -2 / 3) - 1) > 0.05


@pytest.mark.parametrize(
    "make_rule", [graded_rule, lambda p, q: gauss_rule(np.array([p]), np.array([q]), 20)]
)
def test_logarithms_and_complements(make_rule):
    rule = make_rule(40, 60)
    assert float((rule.weight * np.log(rule.node)).sum()) == pytest.approx(
        float(digamma(40) - digamma(100)), rel=1e-9
    )
    assert (rule.node + rule.rest).ravel() == pytest.approx(np.ones(rule.node.size), abs=1e-15)
