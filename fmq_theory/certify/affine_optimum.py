"""The best multiple, and the best affine map, of a table of levels on a law, with proof.

``affine_search.py`` brackets all maps that can beat a candidate in one box of (sigma, u), sigma one over the
scale and u the shift in the table's units. **The candidate is the optimum** if it is stationary and F = e -
D* sigma^2 is strictly convex on that box (and on its mirror image, where the table is symmetric): F and its
gradient vanish at a stationary point of error D*, so F > 0 elsewhere in the box, which says that D > D*
there. With t_j = (u + m_j)/sigma,

    e_u/2                  = u + l_1 + sum_j g_j T_0(t_j),
    (sigma e_sigma - 2e)/2 = -(u + l_1)^2 + sum_j g_j (sigma T_1(t_j) - 2 (u + m_j) T_0(t_j))

both vanish at a stationary point (the second one is sigma^3/2 times dD/dsigma), and interval Newton or
Krawczyk's operator gives it all its digits. The Hessian of F is

    F_uu = 2 - 2 S_0,        F_u,sigma = 2 S_1,        F_sigma,sigma = 2 (V - D*) - 2 S_2,
    S_p = sum_j g_j t_j^p f(t_j)/sigma.

A symmetric table on a symmetric law need not be best unshifted, not even for a log-concave law: equally
spaced levels on the Laplace law are better off centre (K = 4, 8, 16, 32, 64 and 128 were searched).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from flint import arb

from fmq_theory.brief import brief_repr
from fmq_theory.certify.affine_search import AffineSearch, Hull
from fmq_theory.certify.codebooks import optimal_codebook
from fmq_theory.certify.enclosure import Enclosure, Exact, ball, exact, precision
from fmq_theory.certify.law import Law
from fmq_theory.certify.roots import Tridiagonal, certified_root, certified_zero
from fmq_theory.errors import CertificationError

__all__ = ["BestMap", "best_affine_map", "best_multiple"]

_PLAIN_BITS = 128
_CENTRED = 1e-3
_FINENESS, _MOST_NODES = (1, 4, 16), 24_000
_SHORTFALLS = tuple(Fraction(1, 10**power) for power in (6, 5, 4, 3, 2, 1))

Verdict = Literal["CERTIFIED", "INCONCLUSIVE"]


@dataclass(frozen=True, slots=True)
class BestMap:
    """Levels ``scale * l_k + shift`` of the least distortion.

    Attributes:
        scale: of the table, positive.
        shift: added to the scaled levels, in the law's unit; 0 where only multiples were asked for.
        distortion: with nearest levels, at this scale and shift.
        optimum: encloses the least distortion of all scales (and shifts).
        verdict: CERTIFIED if no other scale (and shift, its mirror image apart) is as good; else
            INCONCLUSIVE, and the map is the best one found.
        proof: the argument, or what is missing.
    """

    scale: Enclosure
    shift: Enclosure
    distortion: Enclosure
    optimum: Enclosure
    verdict: Verdict
    proof: str

    __repr__ = brief_repr


def best_multiple(law: Law, levels: Sequence[Exact], *, digits: int = 30, effort: int = 2_000_000) -> BestMap:
    """The scale s > 0 that minimizes E min_k (X - s l_k)^2.

    Args:
        law: of X.
        levels: the table, increasing, exact.
        digits: wanted decimal places.
        effort: boxes times levels that the global search may price (some 0.1 microseconds each).

    Raises:
        CertificationError: fewer than two levels, or they do not increase.

    Examples:
        Two levels -1, 1 on N(0, 1): the best scale is sqrt(2 / pi), and leaves 1 - 2 / pi.

        >>> from fmq_theory import certify
        >>> found = certify.best_multiple(certify.law("gaussian"), [-1, 1])
        >>> found.verdict, found.scale.decimal(10), found.distortion.decimal(10)
        ('CERTIFIED', '0.7978845608 +/- 2.9e-12', '0.3633802276 +/- 3.3e-11')
    """
    return _GlobalSearch(law, levels, shifts=False, digits=digits, effort=effort).run()


def best_affine_map(
    law: Law, levels: Sequence[Exact], *, digits: int = 30, effort: int = 2_000_000
) -> BestMap:
    """The scale s > 0 and shift c that minimize E min_k (X - s l_k - c)^2.

    Args:
        law: of X; its symmetry makes the map unique at best up to its mirror image where the table is
            symmetric too.
        levels: the table, increasing, exact.
        digits: wanted decimal places.
        effort: boxes times levels that the global search may price (some 0.1 microseconds each).

    Raises:
        CertificationError: fewer than two levels, or they do not increase.

    Examples:
        Four equally spaced levels on the Laplace law are better off centre:

        >>> from fmq_theory import certify
        >>> grid = ["-3/2", "-1/2", "1/2", "3/2"]
        >>> laplace = certify.law("laplace")
        >>> found = certify.best_affine_map(laplace, grid)
        >>> centred = certify.best_multiple(laplace, grid)
        >>> found.verdict, round(float(found.shift), 4), centred.verdict
        ('CERTIFIED', 0.3693, 'CERTIFIED')
        >>> round(float(found.distortion), 5), round(float(centred.distortion), 5)
        (0.38892, 0.3926)
    """
    search = _GlobalSearch(law, levels, shifts=True, digits=digits, effort=effort)
    return search.run() if len(search.points) > 2 else _of_two_levels(law, search, digits)


def _of_two_levels(law: Law, search: "_GlobalSearch", digits: int) -> BestMap:
    """Any two levels are an affine map of any two others, so the best codebook is the best map."""
    best = optimal_codebook(law, 2, digits=digits)
    low, high = best.codebook.levels
    if law.uniqueness is not None:
        low = -high  # the only stationary codebook is symmetric, since its mirror image is one too
    elif (low + high).upper < 0:
        low, high = -high, -low  # the mirror image
    scale = (high - low) / ((search.points[1] - search.points[0]) * search.unit)
    return BestMap(
        scale,
        (low + high) / 2 - scale * search.middle,
        best.codebook.distortion,
        best.optimum,
        best.verdict,
        f"any two levels are equally spaced, so the best codebook: {best.proof}",
    )


class _GlobalSearch:
    """One search, with the candidate that it refines and then proves."""

    def __init__(self, law: Law, levels: Sequence[Exact], *, shifts: bool, digits: int, effort: int) -> None:
        points = [exact(level) for level in levels]
        if len(points) < 2 or not all(a < b for a, b in pairwise(points)):
            raise CertificationError(
                f"table of {len(points)} levels",
                "its levels do not increase, or are fewer than two",
                "sort them",
            )
        # In units of about one gap no float overflows; a power of two keeps the levels' digits.
        self.unit = _power_of_two((points[-1] - points[0]) / (len(points) - 1))
        # With a free shift only the table's shape counts; in the middle its symmetry shows.
        self.middle = (points[0] + points[-1]) / 2 if shifts else Fraction(0)
        self.points = [(point - self.middle) / self.unit for point in points]
        self.law, self.shifts, self.effort = law, shifts, effort
        self.bits = int(3.33 * digits) + 64 + 4 * len(points).bit_length()

    def _searcher(self, fineness: int) -> AffineSearch:
        nodes = min(_MOST_NODES, fineness * max(1000, 48 * len(self.points)))
        return AffineSearch(self.law, self.points, shifts=self.shifts, nodes=nodes)

    def run(self) -> BestMap:
        """Search; where the grid of H is too coarse to leave one box, search again on a finer one."""
        self.search = self._searcher(1)
        sigma, shift = self._polished(*self.search.guess())
        for fineness in _FINENESS:
            if fineness > 1:
                if self.effort == 0 or not self.search.is_bounded(
                    _float_up(self._error(sigma, shift)), float(sigma)
                ):
                    break
                self.search = self._searcher(fineness)
            sigma, shift, hull = self._searched(sigma, shift)
            if hull is not None:
                try:
                    return self._certified(hull, sigma, shift)
                except CertificationError:
                    break  # no contraction: what was found still has its enclosure
        return self._enclosed(sigma, shift)

    def _searched(self, sigma: arb, shift: arb) -> tuple[arb, arb, Hull | None]:
        """The best candidate met, and a hull of all better ones on which F is strictly convex."""
        for _ in range(12):
            error = self._error(sigma, shift)
            mirrored = self.search.symmetric and self.shifts
            accept = _Convex(self.law, self.points, error.upper(), mirrored=mirrored)
            outcome = self.search.run(_float_up(error), float(sigma), effort=self.effort, until=accept)
            if accept.hull is not None or outcome.better is None:
                return sigma, shift, accept.hull
            better = self._polished(*outcome.better)
            if not self._error(*better) < error * (1 - arb(2) ** -40):
                break
            sigma, shift = better
        return sigma, shift, None

    def _error(self, sigma: arb, shift: arb) -> arb:
        with precision(_PLAIN_BITS):
            return _Equations(self.law, self.points).distortion(sigma, shift)

    def _polished(self, sigma: float, shift: float) -> tuple[arb, arb]:
        """A stationary point near by if Newton finds one that is no worse, else the point itself."""
        start = arb(sigma), arb(shift)
        centred = self.search.symmetric and abs(shift) < _CENTRED
        with precision(_PLAIN_BITS):
            equations = _Equations(self.law, self.points)
            found = (start[0], arb(0)) if centred or not self.shifts else start
            before = equations.distortion(*found)
            moved = equations.newton(*found, free=self.shifts and not centred)
            if moved is not None and not equations.distortion(*moved) > before:
                found = moved
            if self.search.symmetric and found[1] < 0:
                return found[0], -found[1]  # its mirror image
            return found

    def _certified(self, hull: Hull, sigma: arb, shift: arb) -> BestMap:
        centred = not self.shifts or (self.search.symmetric and hull.shift_low <= 0)
        with precision(self.bits):
            equations = _Equations(self.law, self.points)
            if centred:
                sigma = certified_root(
                    lambda s: equations.residual(arb(0), s)[1],
                    lambda s: equations.jacobian(arb(0), s).diagonal[1],
                    sigma,
                )
                shift = arb(0)
            else:
                near = equations.newton(sigma, shift, free=True) or (sigma, shift)
                shift, sigma = certified_zero(
                    lambda x: list(equations.residual(*x)),
                    lambda x: equations.jacobian(*x),
                    [near[1], near[0]],
                )
            inside = sigma > hull.sigma_low and sigma < hull.sigma_high
            if not centred:
                inside = inside and shift > hull.shift_low and shift < hull.shift_high
            if not inside:
                raise CertificationError("best map", "the root left its box", "raise the effort")
            value = Enclosure.of(equations.distortion(sigma, shift))
            return BestMap(
                *self._in_units(sigma, shift),
                value,
                value,
                "CERTIFIED",
                f"the global minimizer over all {self._space()}: branch and bound leaves one box, on which "
                "it is the only one",
            )

    def _enclosed(self, sigma: arb, shift: arb) -> BestMap:
        error = self._error(sigma, shift)
        with precision(self.bits):
            value = Enclosure.of(_Equations(self.law, self.points).distortion(sigma, shift))
        lower = Fraction(0)
        for shortfall in _SHORTFALLS:
            floor = Fraction(_float_down(error)) * (1 - shortfall)
            outcome = self.search.run(float(floor), float(sigma), effort=self.effort // 4)
            if outcome.hull is None:
                lower = Fraction(float(floor))
                break
        with precision(self.bits):
            return BestMap(
                *self._in_units(sigma, shift),
                value,
                Enclosure(min(lower, value.lower), value.upper),
                "INCONCLUSIVE",
                f"best found, not certified: the least error over all {self._space()} is enclosed",
            )

    def _in_units(self, sigma: arb, shift: arb) -> tuple[Enclosure, Enclosure]:
        scale = 1 / (sigma * ball(self.unit))
        return Enclosure.of(scale), Enclosure.of(shift / sigma - scale * ball(self.middle))

    def _space(self) -> str:
        return "scales and shifts" if self.shifts else "scales"


class _Equations:
    """e, the two stationary equations and their Jacobian, at the precision in force; unknowns (u, sigma)."""

    def __init__(self, law: Law, levels: Sequence[Fraction]) -> None:
        self.law, self.first = law, ball(levels[0])
        self.terms = [(ball(b - a), ball((a + b) / 2)) for a, b in pairwise(levels)]

    def distortion(self, sigma: arb, shift: arb) -> arb:
        total = arb(0)
        for gap, middle in self.terms:
            edge = shift + middle
            tail = self.law.upper_moments(edge / sigma)
            total += gap * (sigma * tail.first - edge * tail.mass)
        first = shift + self.first
        return self.law.variance() + (first * first - 2 * total) / (sigma * sigma)

    def residual(self, shift: arb, sigma: arb) -> tuple[arb, arb]:
        mean, slope = shift + self.first, -((shift + self.first) ** 2)
        for gap, middle in self.terms:
            edge = shift + middle
            tail = self.law.upper_moments(edge / sigma)
            mean += gap * tail.mass
            slope += gap * (sigma * tail.first - 2 * edge * tail.mass)
        return mean, slope

    def jacobian(self, shift: arb, sigma: arb) -> Tridiagonal:
        mean_u, mean_s, slope_u, slope_s = arb(1), arb(0), -2 * (shift + self.first), arb(0)
        for gap, middle in self.terms:
            t = (shift + middle) / sigma
            tail, density = self.law.upper_moments(t), self.law.density(t)
            moment = arb(0) if t.is_zero() else t * density  # 0 at t = 0, also where f has a pole there
            mean_u -= gap * density / sigma
            mean_s += gap * moment / sigma
            slope_u += gap * (moment - 2 * tail.mass)
            slope_s += gap * (tail.first - t * moment)
        return Tridiagonal([slope_u], [mean_u, slope_s], [mean_s])

    def newton(self, sigma: arb, shift: arb, *, free: bool) -> tuple[arb, arb] | None:
        """(sigma, u) after Newton's method; None if it leaves sigma > 0 or does not settle."""
        for _ in range(40):
            mean, slope = self.residual(shift, sigma)
            matrix = self.jacobian(shift, sigma).midpoint()
            if free:
                move_u, move_s = matrix.solve([mean.mid(), slope.mid()])
            else:
                move_u, move_s = arb(0), slope / matrix.diagonal[1]
            if not (move_u.is_finite() and move_s.is_finite()):
                return None
            shift, sigma = (shift - move_u).mid(), (sigma - move_s).mid()
            if not sigma > 0:
                return None
            if abs(move_s.mid()) <= sigma * arb(2) ** -90 and abs(move_u.mid()) <= arb(2) ** -90:
                return sigma, shift
        return None


class _Convex:
    """Whether F is strictly convex on a hull; remembers the first one where it is."""

    def __init__(self, law: Law, levels: Sequence[Fraction], error: arb, *, mirrored: bool) -> None:
        self.law, self.levels, self.error, self.mirrored = law, levels, error, mirrored
        self.hull: Hull | None = None

    def __call__(self, hull: Hull) -> bool:
        if hull.sigma_high > 1.3 * hull.sigma_low:
            return False
        with precision(64):
            sigma = arb(hull.sigma_low).union(arb(hull.sigma_high))
            low = -hull.shift_high if self.mirrored and hull.shift_low <= 0 else hull.shift_low
            if self._positive_definite(
                sigma, arb(low).union(arb(hull.shift_high)), fixed=low == hull.shift_high
            ):
                self.hull = hull
        return self.hull is not None

    def _positive_definite(self, sigma: arb, shift: arb, *, fixed: bool) -> bool:
        sums = [arb(0), arb(0), arb(0)]
        for left, right in pairwise(self.levels):
            t = (shift + ball((left + right) / 2)) / sigma
            weight = ball(right - left) * self.law.density(t) / sigma
            sums[0] += weight
            if not t.is_zero():  # at a pole of f, t^p f is 0
                sums[1], sums[2] = sums[1] + weight * t, sums[2] + weight * t * t
        across, along = 1 - sums[0], self.law.variance() - self.error - sums[2]
        if fixed:
            return bool(along > 0)
        return bool(across > 0 and along > 0 and across * along - sums[1] * sums[1] > 0)


def _power_of_two(value: Fraction) -> Fraction:
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    return Fraction(2) ** exponent


def _float_up(value: arb) -> float:
    return Enclosure.of(value).upper_float


def _float_down(value: arb) -> float:
    return Enclosure.of(value).lower_float
