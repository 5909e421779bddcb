"""How a verdict follows from the cases, on claims made up for the purpose."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.certify import Enclosure
from fmq_theory.claims.engine.claim import (
    Claim,
    Missing,
    NegativeControl,
    Quantity,
    Relation,
    Values,
    Verdict,
)
from fmq_theory.claims.engine.judge import examine
from fmq_theory.claims.engine.relations import AT_LEAST, AT_MOST, BELOW, EQUAL, INSIDE, band
from fmq_theory.errors import CertificationError
from fmq_theory.metrics import Estimate, exact_estimate
from tests.claims.engine.made_claims import made_claim


def enclosure(low: float, high: float | None = None) -> Enclosure:
    return Enclosure(Fraction(low), Fraction(low if high is None else high))


def claim(
    predicted: Values | Missing, measured: Values, relation: Relation = AT_MOST, wrong: Values | None = None
) -> Claim:
    control = NegativeControl("none", "a", lambda _inputs: wrong or {k: enclosure(-1) for k in measured}, "a")
    return made_claim(predicted, measured, relation, control)


@pytest.mark.parametrize(
    ("predicted", "measured", "verdict"),
    [
        (enclosure(2), enclosure(1), "CERTIFIED"),
        (enclosure(1), enclosure(2), "REFUTED"),
        (enclosure(1, 3), enclosure(2), "INCONCLUSIVE"),
        (exact_estimate(2.0), enclosure(1), "SUPPORTED"),
        (enclosure(2), exact_estimate(1.0), "SUPPORTED"),  # statistics never earn CERTIFIED
        (2.0, enclosure(1), "SUPPORTED"),  # nor does a float
        (math.inf, enclosure(1), "VACUOUS"),
        (enclosure(2), Estimate(1.0, None, None, 1, 0.95), "INCONCLUSIVE"),
        (enclosure(2), Estimate(1.0, 0.5, 2.5, 3, 0.95), "INCONCLUSIVE"),
        (enclosure(2), Estimate(3.0, 2.5, 3.5, 3, 0.95), "REFUTED"),
    ],
)
def test_one_case(predicted: Quantity, measured: Quantity, verdict: str) -> None:
    assert examine(claim({"a": predicted}, {"a": measured})).verdict.name == verdict


def test_one_failure_among_proofs_refutes_and_is_named() -> None:
    measured = {"law, b = 2": enclosure(1), "law, b = 3": enclosure(5), "law, b = 4": enclosure(7)}
    finding = examine(claim({case: enclosure(2) for case in measured}, measured))
    assert finding.verdict is Verdict.REFUTED
    assert "fails in 2 of 3 cases (proven): law b = 3-4" in finding.evidence
    assert "law, b = 4: m 7 > p 2 (× 3.5)" in finding.evidence


def test_of_an_enclosed_quantity_the_least_factor_is_told() -> None:
    """165/2 is proven; the quotient of the middles, 83.1, is not."""
    measured = {"a": Enclosure(Fraction(165), Fraction(1675, 10))}
    finding = examine(claim({"a": enclosure(2)}, measured))
    assert "m [165, 167.5] > p 2 (at least × 82.5)" in finding.evidence
    assert "83.1" not in finding.evidence


def test_a_doubt_among_proofs_is_inconclusive() -> None:
    predicted = {"a": enclosure(2), "b": enclosure(1, 3)}
    finding = examine(claim(predicted, {"a": enclosure(1), "b": enclosure(2)}))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "undecided in 1 of 2" in finding.evidence


def test_a_vacuous_case_beside_a_proof_is_counted_apart() -> None:
    finding = examine(claim({"a": enclosure(2), "b": math.inf}, {"a": enclosure(1), "b": enclosure(1)}))
    assert finding.verdict is Verdict.CERTIFIED
    assert "1 more are vacuous" in finding.evidence


def test_missing_input_is_said() -> None:
    finding = examine(claim(Missing("--network FILE", "a trained one"), {"a": enclosure(1)}))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.evidence == "needs --network FILE: a trained one"
    assert finding.control is None


def test_a_control_that_passes_is_not_caught() -> None:
    finding = examine(claim({"a": enclosure(2)}, {"a": enclosure(1)}, wrong={"a": enclosure(3)}))
    assert finding.control is not None
    assert not finding.control.caught
    assert finding.control.verdict is Verdict.CERTIFIED
    assert finding.resolved is False


def test_a_control_that_fails_elsewhere_is_not_caught() -> None:
    wrong = {"a": enclosure(3), "b": enclosure(0)}
    measured = {"a": enclosure(1), "b": enclosure(1)}
    finding = examine(claim({"a": enclosure(2), "b": enclosure(2)}, measured, wrong=wrong))
    assert finding.control is not None
    assert finding.control.verdict is Verdict.REFUTED
    assert not finding.control.caught


def test_cases_must_pair_up() -> None:
    with pytest.raises(CertificationError, match="same cases: b"):
        examine(claim({"a": enclosure(2)}, {"a": enclosure(1), "b": enclosure(1)}))


def test_a_backward_range_is_refused() -> None:
    with pytest.raises(CertificationError, match="out of order"):
        band("0.4", "0.25")


ends = st.integers(-50, 50)
ranges = st.tuples(ends, ends).map(lambda pair: enclosure(min(pair), max(pair)))


@given(ranges, ranges, st.fractions(0, 1), st.fractions(0, 1))
def test_a_decided_relation_is_true_of_every_pair_of_points(
    left: Enclosure, right: Enclosure, s: Fraction, t: Fraction
) -> None:
    x = left.lower + s * (left.upper - left.lower)
    y = right.lower + t * (right.upper - right.lower)
    tolerance = Fraction(1, 10**18)
    truths = {
        AT_MOST.symbol: (AT_MOST, x <= y + tolerance, x > y),
        AT_LEAST.symbol: (AT_LEAST, x >= y - tolerance, x < y),
        BELOW.symbol: (BELOW, x < y, x >= y),
        EQUAL.symbol: (EQUAL, abs(x - y) <= tolerance, x != y),
    }
    for relation, agrees, contradicts in truths.values():
        decided = relation.holds(left, right)
        if decided is True:
            assert agrees, relation.symbol
        if decided is False:
            assert contradicts, relation.symbol
    inside = INSIDE.holds(left, right)
    if inside is True:
        assert right.lower <= x <= right.upper
    if inside is False:
        assert not right.lower <= x <= right.upper


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        (["a, b = 1", "a, b = 2", "c, b = 1", "c, b = 2", "d, b = 4"], "a, c b = 1-2; d b = 4"),
        (["net, x, b = 2", "net, y, b = 2", "web, x, b = 2", "web, y, b = 2"], "net, web (x, y) b = 2"),
        (["net, x, b = 2", "web, y, b = 2"], "net, x, web, y b = 2"),
        (["blocks at -1, 0, 1, b = 1", "blocks at -1, 0, 1, b = 2"], "blocks at -1, 0, 1 b = 1-2"),
        (["field 1", "field 2", "field 4"], "field 1-2/4"),
        (["K = 2", "K = 4"], "K = 2/4"),
        (["gaussian n = 256", "laplace n = 256"], "gaussian, laplace n = 256"),
    ],
)
def test_cases_are_listed_by_what_they_share(cases: list[str], words: str) -> None:
    finding = examine(claim({case: enclosure(2) for case in cases}, {case: enclosure(1) for case in cases}))
    assert finding.cases == words


def test_where_a_claim_was_tested_is_gathered_from_its_cases() -> None:
    values = {f"law, b = {bits}": Enclosure.of(1) for bits in (1, 2, 3, 5)}
    plain = replace(claim(values, values, EQUAL), domain="")
    assert examine(plain).domain == "4 cases: law b = 1-3/5"
    more = examine(replace(plain, domain="to 20 digits"))
    assert more.domain == "to 20 digits; 4 cases: law b = 1-3/5"
    del values["law, b = 5"]
    assert examine(plain).domain == "3 cases: law b = 1-3"
