"""The record of one derivation: steps that were checked, constants that came out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import mpmath as mp
import sympy as sp

__all__ = ["WORKING_DIGITS", "Constant", "Derivation", "NotProvedError", "Step"]

WORKING_DIGITS = 50


class NotProvedError(Exception):
    """A step that does not hold, or that could not be shown to hold.

    Attributes:
        step: the step's name; a mutated twin must fail at the step it announces.
        reason: what was found instead.
    """

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"{step}: {reason}")
        self.step = step
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Step:
    """One checked step.

    Attributes:
        name: what the step says.
        how: ``derived`` (symbolic identity or decision), ``computed`` (numbers agree to the stated
            digits), ``argued`` (mathematics in words, that no machine checked), ``checked`` (a
            sanity check on an instance or at finite size: it proves nothing), ``concluded`` (a part of
            the lemma's statement, with the steps that it rests on).
        detail: the formula, the digits, or the argument.
        uses: names of the steps and assumptions that this step rests on; a name that ends in ``*``
            stands for all that begin so. See ``proofs_check.chain``.
        same: both sides were the same expression before anything was shown.
    """

    name: str
    how: Literal["derived", "computed", "argued", "checked", "concluded"]
    detail: str
    uses: tuple[str, ...] = ()
    same: bool = False


@dataclass(frozen=True, slots=True)
class Constant:
    """A number that a lemma delivers.

    Attributes:
        name: such as ``C_PD laplace``.
        exact: closed form without free symbols.
        value: the same to 40 digits.
    """

    name: str
    exact: sp.Expr
    value: mp.mpf


@dataclass(slots=True)
class Derivation:
    """What a lemma's derivation writes to. Every method raises NotProvedError if its step fails."""

    steps: list[Step] = field(default_factory=list)
    constants: list[Constant] = field(default_factory=list)

    def identity(self, name: str, left: sp.Expr, right: sp.Expr, *, uses: Sequence[str] = ()) -> None:
        """left = right for all admissible values of the free symbols, shown symbolically."""
        difference = sp.sympify(left) - sp.sympify(right)
        # Most false identities show at one point, and simplification is slow on them.
        point, value = _at_one_point(difference)
        if value.is_number and (not value.is_finite or abs(value) > 1e-15):
            raise NotProvedError(name, f"{left} is not {right}: they differ by {value} at {point}")
        if not _vanishes(difference):
            raise NotProvedError(name, f"{left} = {right} was not shown; they differ by {difference}")
        same = sp.sympify(left) == sp.sympify(right)
        self.steps.append(Step(name, "derived", f"{left} = {right}", tuple(uses), same))

    def decided(self, name: str, condition: object, detail: str, *, uses: Sequence[str] = ()) -> None:
        """A condition that sympy decides; anything but a plain true fails the step."""
        if condition is not True and condition is not sp.true:
            raise NotProvedError(name, f"{detail}: {condition}")
        self.steps.append(Step(name, "derived", detail, tuple(uses)))

    def agrees(
        self, name: str, left: object, right: object, *, digits: int, uses: Sequence[str] = ()
    ) -> None:
        """Two numbers from independent routes agree to ``digits`` significant digits."""
        with mp.workdps(WORKING_DIGITS):
            a, b = _number(left), _number(right)
            size = max(abs(a), abs(b))
            if not (mp.isfinite(size) and abs(a - b) <= mp.mpf(10) ** -digits * size):
                raise NotProvedError(name, f"{mp.nstr(a, digits)} against {mp.nstr(b, digits)}")
            detail = f"{mp.nstr(a, digits)}, {digits} digits agree"
            self.steps.append(Step(name, "computed", detail, tuple(uses)))

    def argue(self, name: str, argument: str, *, uses: Sequence[str] = ()) -> None:
        """A step that a reader has to check; it is listed as such."""
        self.steps.append(Step(name, "argued", argument, tuple(uses)))

    def conclude(self, part: str, *, uses: Sequence[str]) -> None:
        """A part of the statement, word for word, and the steps that it rests on.

        The runner fails a lemma whose conclusion is not in its statement, or that has a step on which no
        conclusion rests.
        """
        self.steps.append(Step(part, "concluded", part, tuple(uses)))

    def example(self, name: str, left: sp.Expr, right: sp.Expr) -> None:
        """The statement on one instance, exactly: it can stop a wrong claim, and proves nothing."""
        trial = Derivation()
        trial.identity(name, left, right)
        self.steps.append(Step(name, "checked", trial.steps[0].detail))

    def holds(self, name: str, condition: object, detail: str) -> None:
        """Like ``example``, for a condition."""
        trial = Derivation()
        trial.decided(name, condition, detail)
        self.steps.append(Step(name, "checked", detail))

    def check(self, name: str, left: object, right: object, *, within: float) -> None:
        """A sanity check of an asymptotic statement at finite size: relative difference below ``within``.

        It can stop a wrong constant, and it proves nothing; it is listed as a check, not as a step.
        """
        with mp.workdps(WORKING_DIGITS):
            a, b = _number(left), _number(right)
            if not (mp.isfinite(a) and mp.isfinite(b) and abs(a - b) <= within * abs(b)):
                raise NotProvedError(name, f"{mp.nstr(a, 8)} against {mp.nstr(b, 8)}")
            self.steps.append(Step(name, "checked", f"{mp.nstr(a, 6)} against {mp.nstr(b, 6)}"))

    def deliver(self, name: str, exact: sp.Expr, value: object = None) -> None:
        """Record a constant that the steps before have established.

        Args:
            name: the runner looks up the certificate of this name in ``Lemma.constants``.
            exact: without free symbols; a sum or an integral counts as exact.
            value: the same to 40 digits, where sympy cannot evaluate a sum or an integral.
        """
        if exact.free_symbols:
            raise NotProvedError(name, f"{exact} has free symbols")
        with mp.workdps(WORKING_DIGITS):
            self.constants.append(Constant(name, exact, _number(exact if value is None else value)))


def _at_one_point(expression: sp.Expr) -> tuple[dict[sp.Basic, sp.Rational], sp.Expr]:
    symbols = sorted(expression.free_symbols, key=str)
    # Unrelated values above 2, so that a parameter bounded below (a degree of freedom) is admissible.
    point = {symbol: sp.Rational(2 * i + 5, 2) + sp.Rational(1, 7 + i) for i, symbol in enumerate(symbols)}
    return point, sp.N(expression.subs(point), 10)


def _vanishes(expression: sp.Expr) -> bool:
    # simplify() is not confluent: products, logarithms and Gamma functions want their own order.
    return any(
        attempt(expression) == 0
        for attempt in (
            sp.expand,
            sp.simplify,
            lambda e: sp.simplify(sp.expand_log(sp.powsimp(e))),
            lambda e: sp.gammasimp(sp.expand_func(sp.simplify(e).rewrite(sp.gamma))),
            lambda e: sp.simplify(_reflected(sp.gammasimp(sp.expand_func(e.rewrite(sp.gamma))))),
        )
    )


def _reflected(expression: sp.Expr) -> sp.Expr:
    """Gamma(z) = pi / (sin(pi z) Gamma(1 - z)) for rational 1/2 < z < 1, which sympy does not apply."""

    def reflect(z: sp.Expr) -> sp.Expr:
        if z.is_Rational and sp.Rational(1, 2) < z < 1:
            return sp.pi / (sp.sin(sp.pi * z) * sp.gamma(1 - z))
        return sp.gamma(z)

    return expression.replace(sp.gamma, reflect)


def _number(value: object) -> mp.mpf:
    if isinstance(value, sp.Basic):
        return mp.mpf(sp.N(value, WORKING_DIGITS)._to_mpmath(mp.mp.prec))
    return mp.mpf(value)
