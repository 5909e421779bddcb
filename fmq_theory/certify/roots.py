"""Roots whose existence and uniqueness are proven: interval Newton and Krawczyk operators.

One dimension: N(X) = m - f(m)/f'(X). If N(X) lies inside X, f has exactly one zero in X and it lies
in N(X). If N(X) and X are disjoint, f has no zero in X.

Many dimensions: with any non-singular matrix A and an interior point m of the box X,

    K(X) = m - A^{-1} F(m) + A^{-1} (A - J(X)) (X - m).

If K(X) lies in the interior of X, then F has exactly one zero in X and it lies in K(X): the map
x -> x - A^{-1}F(x) sends X into K(X) by the mean value theorem, so Brouwer gives a zero, and
|I - A^{-1}J| < 1 in a weighted maximum norm makes it the only one. Here A is the exact midpoint of
J(X), and A^{-1} is applied by tridiagonal elimination in ball arithmetic, which proves A
non-singular as it goes.

Reference: Neumaier, Interval Methods for Systems of Equations, 1990, theorem 5.1.8;
Rump, Verification methods, Acta Numerica 2010, section 13.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flint import arb, ctx

from fmq_theory.brief import brief_repr
from fmq_theory.errors import CertificationError

__all__ = ["Tridiagonal", "certified_root", "certified_zero", "interval_newton", "krawczyk"]

Vector = list[arb]
Function = Callable[[arb], arb]
System = Callable[[Sequence[arb]], Vector]


@dataclass(frozen=True, slots=True)
class Tridiagonal:
    """A tridiagonal matrix: row i holds (lower[i-1], diagonal[i], upper[i]).

    Attributes:
        lower: entries below the diagonal, n - 1 balls.
        diagonal: the diagonal, n balls.
        upper: entries above the diagonal, n - 1 balls.
    """

    lower: Sequence[arb]
    diagonal: Sequence[arb]
    upper: Sequence[arb]

    __repr__ = brief_repr

    def midpoint(self) -> "Tridiagonal":
        """The exact matrix at the centres of the entries' balls."""
        return Tridiagonal(
            *([entry.mid() for entry in band] for band in (self.lower, self.diagonal, self.upper))
        )

    def times(self, vector: Sequence[arb]) -> Vector:
        """The product A v.

        Args:
            vector: v, n balls.

        Returns:
            n balls that hold the product of every matrix and vector inside.
        """
        size = len(self.diagonal)
        result = [self.diagonal[i] * vector[i] for i in range(size)]
        for i in range(size - 1):
            result[i] += self.upper[i] * vector[i + 1]
            result[i + 1] += self.lower[i] * vector[i]
        return result

    def minus(self, other: "Tridiagonal") -> "Tridiagonal":
        """The difference A - B, entry by entry.

        Args:
            other: B, of the same size.

        Returns:
            Balls that hold the difference of every pair of matrices inside.
        """
        return Tridiagonal(
            [a - b for a, b in zip(self.lower, other.lower, strict=True)],
            [a - b for a, b in zip(self.diagonal, other.diagonal, strict=True)],
            [a - b for a, b in zip(self.upper, other.upper, strict=True)],
        )

    def pivots(self) -> Vector:
        """Pivots of elimination without exchanges; not finite from the first one that may be zero."""
        found = list(self.diagonal[:1])
        for i in range(1, len(self.diagonal)):
            found.append(self.diagonal[i] - self.lower[i - 1] * self.upper[i - 1] / found[-1])
        return found

    def positive_definite(self) -> bool:
        """Whether every symmetric matrix inside is proven positive definite (all pivots positive)."""
        return all(pivot.is_finite() and pivot > 0 for pivot in self.pivots())

    def solve(self, right: Sequence[arb]) -> Vector:
        """Enclosure of A^{-1} b by elimination; not finite where A may be singular.

        Args:
            right: b, n balls.

        Returns:
            n balls that hold the solution for every matrix and right side inside.
        """
        size, pivots, forward = len(self.diagonal), self.pivots(), list(right)
        for i in range(1, size):
            forward[i] = forward[i] - self.lower[i - 1] / pivots[i - 1] * forward[i - 1]
        solution = forward
        solution[-1] = forward[-1] / pivots[-1]
        for i in range(size - 2, -1, -1):
            solution[i] = (forward[i] - self.upper[i] * solution[i + 1]) / pivots[i]
        return solution


def interval_newton(func: Function, derivative: Function, box: arb) -> arb | None:
    """N(X) = m - f(m) / f'(X) if it lies inside X, which proves one and only one zero in X.

    Args:
        func: f, from a ball to a ball that holds its values.
        derivative: f', from a ball to a ball that holds its values.
        box: X, a ball of positive radius with midpoint m.

    Returns:
        N(X), which holds the zero; None without a proof.

    Reference:
        Neumaier 1990, theorem 5.1.8.
    """
    middle = box.mid()
    image = middle - func(middle) / derivative(box)
    return image if image.is_finite() and box.contains_interior(image) else None


def certified_root(func: Function, derivative: Function, guess: arb, *, steps: int = 60) -> arb:
    """Ball around the one zero of ``func`` near ``guess``; existence and local uniqueness proven.

    Newton steps at midpoints, then an interval Newton step on a box inflated until it contracts.

    Args:
        func: f, from a ball to a ball that holds its values.
        derivative: f', from a ball to a ball that holds its values.
        guess: where Newton's iteration begins; only its midpoint counts.
        steps: of Newton's iteration at the most.

    Returns:
        A ball with exactly one zero of f.

    Raises:
        CertificationError: no box contracts.

    Reference:
        Neumaier 1990, theorem 5.1.8.
    """
    point = guess.mid()
    step = arb(0)
    for _ in range(steps):
        step = (func(point) / derivative(point)).mid()
        if not step.is_finite():
            break
        point = (point - step).mid()
        if abs(step) <= abs(point) * arb(2) ** (16 - ctx.prec) or step.is_zero():
            break
    for slack in (6, 12, 24, 48):
        radius = (abs(step) + abs(point) * arb(2) ** (-ctx.prec)) * 2**slack
        proven = interval_newton(func, derivative, arb(point, radius.mid()))
        if proven is not None:
            return proven
    raise CertificationError(
        f"root near {guess.str(6)}",
        "the interval Newton operator does not contract",
        "start closer, or raise the precision",
    )


def krawczyk(
    func: System, jacobian: Callable[[Sequence[arb]], Tridiagonal], box: Sequence[arb]
) -> Vector | None:
    """K(X) if it lies inside the box X, which proves one and only one zero in X; None without a proof.

    Args:
        func: F on balls.
        jacobian: enclosure of F' on a box.
        box: X, one ball an unknown, with positive radii.
    """
    middle = [side.mid() for side in box]
    slopes = jacobian(box)
    centre = slopes.midpoint()
    offset = [side - point for side, point in zip(box, middle, strict=True)]
    spread = centre.minus(slopes).times(offset)
    moved = centre.solve([s - value for s, value in zip(spread, func(middle), strict=True)])
    image = [point + shift for point, shift in zip(middle, moved, strict=True)]
    inside = all(
        new.is_finite() and side.contains_interior(new) for new, side in zip(image, box, strict=True)
    )
    return image if inside else None


def certified_zero(
    func: System, jacobian: Callable[[Sequence[arb]], Tridiagonal], guess: Sequence[arb]
) -> Vector:
    """Box around the one zero of ``func`` near ``guess``, an approximate root at full precision.

    Args:
        func: F, from n balls to n balls that hold its values.
        jacobian: enclosure of F' on a box of n balls.
        guess: n approximate coordinates; only the midpoints count.

    Returns:
        n balls with exactly one zero of F.

    Raises:
        CertificationError: the Krawczyk operator contracts on no box around the guess.

    Reference:
        Neumaier 1990, theorem 5.1.8; Rump 2010, section 13.
    """
    point = [value.mid() for value in guess]
    shift = jacobian(point).midpoint().solve(func(point))
    for slack in (2, 8, 20, 40):
        box = [
            arb(value, ((abs(move).upper() + abs(value) * arb(2) ** (-ctx.prec)) * 2**slack).mid().upper())
            for value, move in zip(point, shift, strict=True)
        ]
        proven = krawczyk(func, jacobian, box)
        if proven is not None:
            return proven
    raise CertificationError(
        f"system of {len(point)} equations",
        "the Krawczyk operator does not contract near the approximate root",
        "start closer, or raise the precision",
    )
