"""The smallest wrong prediction that a claim's measurements refute, on claims made up for the purpose."""

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fmq_theory.certify import Enclosure
from fmq_theory.claims.engine.claim import (
    Claim,
    Near,
    NegativeControl,
    Relation,
    Resolution,
    Values,
)
from fmq_theory.claims.engine.judge import examine
from fmq_theory.claims.engine.mutations import plus, steeper, times
from fmq_theory.claims.engine.relations import AT_LEAST, AT_MOST, BELOW, EQUAL, INSIDE, band
from fmq_theory.claims.engine.resolution import in_words, sentences
from fmq_theory.errors import CertificationError
from fmq_theory.metrics import Estimate, exact_estimate
from tests.claims.engine.made_claims import made_claim

TWICE = times(2)


def point(value: Fraction | int | str) -> Enclosure:
    return Enclosure.of(Fraction(value))


def claim(
    predicted: Values, measured: Values, relation: Relation = AT_MOST, near: Near = TWICE, **more: Any
) -> Claim:
    return made_claim(predicted, measured, relation, near=near, **more)


def found(*args: object, **more: object) -> tuple[Resolution, ...]:
    return examine(claim(*args, **more)).resolutions  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("relation", "predicted", "sizes"),
    [
        # Measured is 1. "≤" holds at 1 itself, so the bound must be over 1.9 times smaller; "<" does not.
        (AT_MOST, point("1.9"), ["0.91"]),
        (BELOW, point("1.9"), ["0.9"]),
        (AT_LEAST, point("0.8"), ["0.26"]),
        (EQUAL, point(1), ["1.1e-20", "1.1e-20"]),
        (INSIDE, band("0.5", "1.1"), ["1.1", "0.11"]),
    ],
)
def test_sizes_by_hand(relation: Relation, predicted: Enclosure, sizes: list[str]) -> None:
    known = found({"a": predicted}, {"a": point(1)}, relation)
    assert [resolution.size for resolution in known] == [Fraction(size) for size in sizes]
    assert [resolution.near for resolution in known] == [Fraction(size) <= 1 for size in sizes]


def test_differences_are_counted_in_their_unit() -> None:
    (known,) = found({"a": point("1.75")}, {"a": point("2.1")}, AT_LEAST, plus("1/2", "bits"))
    assert known.size == Fraction("0.36")
    assert sentences((known,)) == (
        "would have noticed a bound 0.36 bits larger (a); one 0.5 bits off in 1 of 1 cases",
    )
    (loose,) = found({"a": point("1.75")}, {"a": point("2.1")}, AT_LEAST, plus("1/4", "bits"))
    assert not loose.near


def test_an_integer_is_wrong_by_one_at_least() -> None:
    more, less = found({"a": point(270)}, {"a": point(270)}, EQUAL, plus(1, "weights", whole=True))
    assert (more.size, less.size) == (1, 1)
    assert sentences((more, less)) == (
        "would have noticed a value 1 weight larger (a) or a value 1 weight smaller (a); "
        "one 1 weight off in 1 of 1 cases",
    )
    (loose,) = found({"a": point(270)}, {"a": point("267.5")}, AT_MOST, plus(5, "weights", whole=True))
    assert loose.size == 3  # 2.6 on the grid of fractions
    (fraction,) = found({"a": point(270)}, {"a": point("267.5")}, AT_MOST, plus(5, "weights"))
    assert fraction.size == Fraction("2.6")  # control


def test_the_nearest_case_decides_and_near_cases_are_counted() -> None:
    measured = {"a": point(1), "b": point(1), "c": point(1)}
    (known,) = found({"a": point(300), "b": point("1.05"), "c": point("1.5")}, measured)
    assert (known.case, known.size, known.near_cases, known.cases) == ("b", Fraction("0.051"), 2, 3)


def test_a_loose_bound_says_so() -> None:
    (known,) = found({"a": point(100), "b": point(5000)}, {"a": point(1), "b": point(1)})
    assert not known.near
    assert sentences((known,)) == (
        "no resolution: a bound 2 times smaller is noticed nowhere; the nearest that is: "
        "a bound 101 times smaller (a)",
    )


def test_a_range_that_is_loose_at_one_end_says_which() -> None:
    lower, upper = found({"a": band("0.001", "1.2")}, {"a": point(1)}, INSIDE)
    assert sentences((lower,))[0].startswith("no resolution: a lower end 2 times higher is noticed nowhere")
    assert sentences((upper,))[0].startswith("would have noticed an upper end 1.21 times lower")
    both = sentences(found({"a": band("0.9", "1.2")}, {"a": point(1)}, INSIDE))
    assert both == (
        "would have noticed a lower end 1.12 times higher (a) or an upper end 1.21 times lower (a); "
        "one 2 times off in 1 of 1 cases",
    )


def test_a_bound_that_no_size_refutes() -> None:
    (known,) = found({"a": point(1)}, {"a": point(0)})
    assert known.size is None
    assert sentences((known,))[0] == "no resolution: a bound 2 times smaller, or more, is noticed nowhere"


def test_an_infinite_bound_has_no_resolution() -> None:
    finding = examine(claim({"a": math.inf}, {"a": point(1)}))
    assert not finding.resolved
    assert finding.resolutions[0].cases == 0


def test_wide_intervals_cost_resolution() -> None:
    """The data must tell the wrong prediction from the truth: the whole interval has to lie beyond it."""
    (sharp,) = found({"a": point(2)}, {"a": Estimate(1.8, 1.7, 1.9, 8, 0.95)})
    (blurred,) = found({"a": point(2)}, {"a": Estimate(1.8, 1.2, 1.9, 8, 0.95)})
    assert sharp.size == Fraction("0.18")  # 2/1.7 = 1.176...
    assert blurred.size == Fraction("0.67")  # 2/1.2 = 1.666...
    (none,) = found({"a": point(2)}, {"a": Estimate(1.8, None, None, 1, 0.95)})
    assert none.size is None


def test_a_refuted_claim_says_what_would_have_held() -> None:
    predicted = {"a": point(1), "b": point(1), "c": point(2)}
    (known,) = found(predicted, {"a": point("1.3"), "b": point(4), "c": point("1.9")})
    assert known.rescue == 3
    assert sentences((known,))[-1] == "no case would be refuted with a bound 4 times larger"
    assert (known.case, known.cases) == ("c", 1)


def test_only_the_end_that_fails_is_relaxed() -> None:
    lower, upper = found({"a": band(1, 2)}, {"a": point("0.5")}, INSIDE)
    assert (lower.rescue, upper.rescue) == (Fraction(1), None)
    assert sentences((lower,))[0] == "nothing is left to notice"


def test_an_order_is_changed_by_the_bits() -> None:
    """Twice the measurement at 8 bits excludes 1/8 more; four times the measurement at 2 bits only 1 more."""
    measured = {"law, b = 8": point(1), "law, b = 2": point(1), "constant": point(1)}
    predicted = {"law, b = 8": point(2), "law, b = 2": point(4), "constant": point(1)}
    _, order = found(predicted, measured, mutations=(steeper(),))
    assert (order.case, order.size, order.near) == ("law, b = 8", Fraction("0.13"), True)
    assert "an order 0.13 higher (law, b = 8)" in sentences((order,))[0]


positive = st.fractions(Fraction(1, 50), 50)


@given(positive, positive, st.sampled_from([AT_MOST, BELOW, AT_LEAST, EQUAL]), st.booleans())
def test_the_size_printed_is_refuted_and_the_one_before_is_not(
    measured: Fraction, predicted: Fraction, relation: Relation, by_factor: bool
) -> None:
    near = times(2) if by_factor else plus(1)
    judged = claim({"a": point(predicted)}, {"a": point(measured)}, relation, near=near)
    sizes = [(one.mutation, size) for one in examine(judged).resolutions if (size := one.size) is not None]
    assume(sizes)
    for mutation, printed in sizes:
        spacing = Fraction(10) ** (math.floor(math.log10(printed)) - 1)
        before = printed - (spacing / 10 if printed == 10 * spacing else spacing)
        for size, refuted in ((printed, True), (before, False)):
            wrong = mutation.change("a", point(predicted), size)
            assert wrong is not None
            assert (relation.holds(point(measured), wrong) is False) == refuted


@given(positive, positive)
def test_relaxed_predictions_hold_from_the_rescue_on(measured: Fraction, predicted: Fraction) -> None:
    (known,) = found({"a": point(predicted)}, {"a": point(measured)})
    assert (known.rescue is not None) == (measured > predicted)
    if known.rescue is not None:
        relaxed = known.mutation.change("a", point(predicted), -known.rescue)
        assert AT_MOST.holds(point(measured), relaxed or point(0)) is True


def test_negative_bounds_move_the_same_way() -> None:
    (known,) = found({"a": point(-1)}, {"a": point("-1.5")})
    assert known.size == Fraction("0.51")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("0.07", "1.07 times"),
        ("8e-4", "1.0008 times"),
        ("1.1e-20", "1 + 1.1e-20 times"),
        ("178", "179 times"),
    ],
)
def test_sizes_in_words(size: str, words: str) -> None:
    assert in_words(Fraction(size), times(2)) == words


@pytest.mark.parametrize("bad", [lambda: times(1), lambda: times("0.5"), lambda: plus(0), lambda: plus(-1)])
def test_a_change_of_nothing_is_refused(bad: object) -> None:
    with pytest.raises(CertificationError, match="changes nothing"):
        bad()  # type: ignore[operator]


# --- negative controls of another form ------------------------------------------------------------------


def controlled(wrong: Values, at: str = "a") -> NegativeControl:
    return NegativeControl("another form", "it must", lambda _i: wrong, at)


@pytest.mark.parametrize(
    ("wrong", "caught", "says"),
    [
        ("0.9", True, "a: m 1 > p 0.9"),
        ("1.6", False, "no case of 'a' is refuted"),
        ("0.5", False, "refuted, but it is 3.2 times away"),
    ],
)
def test_a_control_counts_only_where_it_is_near(wrong: str, caught: bool, says: str) -> None:
    finding = examine(claim({"a": point("1.6")}, {"a": point(1)}, control=controlled({"a": point(wrong)})))
    assert finding.control is not None
    assert finding.control.caught is caught
    assert says in finding.control.evidence


def test_a_control_is_no_control_where_the_claim_fails_itself() -> None:
    measured = {"a": point(3), "b": point(1)}
    wrong = controlled({"a": point("1.9"), "b": point(2)})
    finding = examine(claim({"a": point(2), "b": point(2)}, measured, control=wrong))
    assert finding.control is None


def test_a_finite_control_of_an_infinite_bound_is_not_near() -> None:
    finding = examine(claim({"a": math.inf}, {"a": point(1)}, control=controlled({"a": exact_estimate(0.5)})))
    assert finding.control is not None
    assert "beyond any change" in finding.control.evidence
