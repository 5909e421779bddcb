"""The instrument itself: each kind of step rejects what is false or undecided."""

import mpmath as mp
import pytest
import sympy as sp

from proofs_check.derivation import Derivation, NotProvedError

X, Y = sp.symbols("x y", positive=True)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((X + Y) ** 2, X**2 + 2 * X * Y + Y**2),
        (sp.log(X * Y), sp.log(X) + sp.log(Y)),
        (sp.gamma(X + 1), X * sp.gamma(X)),
        (sp.gamma(sp.Rational(5, 6)) * sp.gamma(sp.Rational(1, 6)), 2 * sp.pi),
        (sp.Function("f")(X) * 2 - sp.Function("f")(X), sp.Function("f")(X)),
    ],
)
def test_identity_accepts_identities(left: sp.Expr, right: sp.Expr) -> None:
    d = Derivation()
    d.identity("step", left, right)
    assert [step.name for step in d.steps] == ["step"]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((X + Y) ** 2, X**2 + Y**2),
        (sp.log(X + Y), sp.log(X) + sp.log(Y)),
        (sp.gamma(X + 1), sp.gamma(X)),
        (sp.pi, sp.Rational(355, 113)),
        (sp.Function("f")(X), sp.Function("f")(2 * X)),
        (sp.Integer(1), sp.nan),
    ],
)
def test_identity_rejects_the_rest(left: sp.Expr, right: sp.Expr) -> None:
    d = Derivation()
    with pytest.raises(NotProvedError, match="step"):
        d.identity("step", left, right)
    assert d.steps == []


def test_identity_is_not_fooled_by_agreement_at_its_test_point() -> None:
    """Zero at the point that is tried first, yet not identically zero."""
    first_point = sp.Rational(5, 2) + sp.Rational(1, 7)
    with pytest.raises(NotProvedError, match="not shown"):
        Derivation().identity("step", X, first_point)


def test_an_undecided_condition_is_not_a_proof() -> None:
    Derivation().decided("step", (X + 1).is_positive, "x + 1 > 0")
    Derivation().decided("step", sp.true, "a relation")
    for undecided in (None, sp.Symbol("z") > 0, False, 1):
        with pytest.raises(NotProvedError):
            Derivation().decided("step", undecided, "?")


def test_agrees_counts_digits() -> None:
    with mp.workdps(50):
        third = mp.mpf(1) / 3
    Derivation().agrees("step", third, sp.Rational(1, 3), digits=45)
    Derivation().agrees("step", 1 / 3, sp.Rational(1, 3), digits=15)
    for wrong in (1 / 3, mp.nan, mp.inf, third * (1 + mp.mpf(10) ** -29)):
        with pytest.raises(NotProvedError):
            Derivation().agrees("step", wrong, sp.Rational(1, 3), digits=30)


def test_a_constant_has_no_free_symbols() -> None:
    with pytest.raises(NotProvedError, match="free symbols"):
        Derivation().deliver("c", X + 1)


def test_an_instance_is_checked_and_proves_nothing() -> None:
    d = Derivation()
    d.example("an instance", sp.integrate(X, (X, 0, 2)), sp.Integer(2))
    d.holds("a condition", sp.Integer(2) > 1, "2 > 1")
    assert [step.how for step in d.steps] == ["checked", "checked"]
    with pytest.raises(NotProvedError, match="an instance"):
        d.example("an instance", sp.integrate(X, (X, 0, 2)), sp.Integer(3))
    with pytest.raises(NotProvedError, match="a condition"):
        d.holds("a condition", sp.Integer(2) > 3, "2 > 3")
    assert len(d.steps) == 2
