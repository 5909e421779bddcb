"""Certified optimal codebooks.

**Log-concave densities: stationary means optimal.** Let log f be concave on the interior of the support
and c, c' two stationary codebooks with thresholds t, t'. Suppose h = max_k (t'_k - t_k) > 0, attained at
k. Given X in a cell, compare X with X' - h, X' given the cell of c': the density ratio f(x + h)/f(x)
does not increase in x (log-concavity), and the ends of the second cell, moved back by h, do not lie
right of those of the first; so X' - h is not larger than X in the likelihood-ratio order, and
c'_j <= c_j + h for both cells j that meet at t_k. As t'_k - t_k = h is the mean of the two differences,
both are equalities. Then in both cells the ends differ by exactly h too (an end that is infinite or
0 of the support cannot move: with a finite end of the support equality is impossible), and f(x + h)/f(x) is
constant on each. Hence t'_{k-1} - t_{k-1} = t'_{k+1} - t_{k+1} = h, and the argument runs through all
cells: f(x + h)/f(x) is constant on every cell, by continuity the same constant r on the line, and
integration gives r = 1: f is periodic, which no density is. By symmetry t = t', so c = c'. A minimum
exists and is stationary, so the one stationary codebook is optimal, and it is symmetric if f is.
(Fleischer 1964 for (log f)'' < 0; Trushkin 1982 and Kieffer 1983 for log-concave f.)

**Otherwise** the optimum is enclosed by the global search of ``search.py``. Once its regions are so small
that Krawczyk's operator contracts on them, they hold one stationary codebook; every optimal
codebook (or its mirror image) lies in them and is stationary; so that codebook is the optimum, with all
the digits of the stationary equations. If the effort runs out first the verdict is INCONCLUSIVE
and the enclosure [lower bound, best codebook found] is returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from flint import arb

from fmq_theory.brief import brief_repr
from fmq_theory.certify.enclosure import Enclosure, Exact, ball, exact, precision
from fmq_theory.certify.law import Law
from fmq_theory.certify.roots import krawczyk
from fmq_theory.certify.search import Region, ThresholdSearch
from fmq_theory.certify.stationary import (
    LloydMaxSystem,
    StationaryCodebook,
    distortion_ball,
    stationary_codebook,
)
from fmq_theory.errors import CertificationError

__all__ = [
    "CodebookCheck",
    "OptimalCodebook",
    "check_codebook",
    "codebook_distortion",
    "optimal_codebook",
    "optimal_symmetric_codebook",
]

_MOST_CELLS = 16
"""Beyond this the search would run for minutes."""

Verdict = Literal["CERTIFIED", "INCONCLUSIVE"]


@dataclass(frozen=True, slots=True)
class OptimalCodebook:
    """The best codebook found and an enclosure of the least distortion that any codebook has.

    Attributes:
        codebook: a proven stationary codebook.
        optimum: encloses min D over all codebooks of K levels (symmetric ones, where that was asked).
        verdict: CERTIFIED if ``codebook`` is proven optimal; else INCONCLUSIVE.
        proof: which argument gives optimality, or what is missing.
        among: the codebooks that ``optimum`` and ``verdict`` speak of: all, or the symmetric ones alone.
    """

    codebook: StationaryCodebook
    optimum: Enclosure
    verdict: Verdict
    proof: str
    among: Literal["all", "symmetric"] = "all"

    __repr__ = brief_repr


def optimal_codebook(
    law: Law, num_levels: int, *, digits: int = 30, effort: int = 500_000, force_search: bool = False
) -> OptimalCodebook:
    """The optimal codebook of K levels, with proof, or the enclosure that the effort reached.

    Args:
        law: the source.
        num_levels: K >= 1.
        digits: wanted decimal places.
        effort: cells that the global search may price in one step (about 10 microseconds each).
        force_search: search globally even where log-concavity would do: an independent check.

    Raises:
        CertificationError: not even a stationary codebook could be proven, or the law has lengths that no
            float64 holds.

    Examples:
        >>> from fmq_theory import certify
        >>> found = certify.optimal_codebook(certify.law("gaussian"), 2)
        >>> found.verdict
        'CERTIFIED'
        >>> print(found.codebook.levels[1])  # sqrt(2 / pi)
        0.7978845608028653558798921198687637369517 +/- 1.8e-41
    """
    try:
        return _optimal_codebook(law, num_levels, digits, effort, force_search)
    except (ZeroDivisionError, OverflowError) as error:
        raise CertificationError(
            f"optimal codebook of {law}",
            "the search begins in float64, which does not hold the law's lengths",
            "choose a shape parameter nearer to 1",
        ) from error


def _optimal_codebook(
    law: Law, num_levels: int, digits: int, effort: int, force_search: bool
) -> OptimalCodebook:
    symmetric = stationary_codebook(law, num_levels, digits=digits)
    reason = law.uniqueness
    if reason is not None and not force_search:
        return OptimalCodebook(
            symmetric, symmetric.distortion, "CERTIFIED", f"the only stationary one: {reason}"
        )
    if num_levels == 1:
        return OptimalCodebook(symmetric, symmetric.distortion, "CERTIFIED", "K = 1: the mean is optimal")
    return _GlobalSearch(law, num_levels, "full", digits, symmetric).run(effort)


def optimal_symmetric_codebook(
    law: Law, num_levels: int, *, digits: int = 30, effort: int = 500_000
) -> OptimalCodebook:
    """The best codebook among the symmetric ones with an even number of levels.

    Distinct symmetric levels, even in number, have a threshold at 0; so the problem is that of K/2
    levels on the half-line.

    Args:
        law: the source, on its natural scale.
        num_levels: K, even and positive.
        digits: wanted decimal places.
        effort: cells that the global search may price in one step (about 10 microseconds each).

    Returns:
        A codebook that is best among the symmetric ones where ``verdict`` says CERTIFIED.

    Raises:
        CertificationError: odd K, or not even a stationary codebook could be proven.
    """
    if num_levels < 2 or num_levels % 2:
        raise CertificationError(
            f"symmetric codebook of {num_levels} levels",
            "only an even number is supported: its middle threshold is 0",
            "choose an even K, or ask for the optimal codebook",
        )
    symmetric = stationary_codebook(law, num_levels, digits=digits)
    if law.uniqueness is not None:
        # The only stationary codebook of all is symmetric, so it is the best one of all.
        reason = f"the only stationary one: {law.uniqueness}"
        return OptimalCodebook(symmetric, symmetric.distortion, "CERTIFIED", reason)
    if num_levels == 2:
        reason = "its one free level is E|X|"
        return OptimalCodebook(symmetric, symmetric.distortion, "CERTIFIED", reason, "symmetric")
    return replace(_GlobalSearch(law, num_levels, "even", digits, symmetric).run(effort), among="symmetric")


class _GlobalSearch:
    """One global search, with codebooks that lower the upper bound as it goes."""

    def __init__(
        self,
        law: Law,
        num_levels: int,
        shape: Literal["full", "even"],
        digits: int,
        first: StationaryCodebook,
    ) -> None:
        self.law, self.num_levels, self.digits, self.best = law, num_levels, digits, first
        self.system = LloydMaxSystem(law, shape)
        self.half = shape == "even"
        cells = num_levels // 2 if self.half else num_levels
        self.search = ThresholdSearch(law, cells, self._upper(), half=self.half)

    def run(self, effort: int, *, max_steps: int = 30) -> OptimalCodebook:
        cells = self.search.num_cells
        if cells > _MOST_CELLS:
            return OptimalCodebook(
                self.best,
                Enclosure(Fraction(0), self.best.distortion.upper),
                "INCONCLUSIVE",
                f"the global search is limited to {_MOST_CELLS} cells; no lower bound was computed",
            )
        reach = lower = 0.0
        for far in (True, False):
            self._begin(cells, far=far)
            if self.search.reach == reach:
                break
            if self._refine_until_isolated(cells, effort, max_steps, far=far):
                return OptimalCodebook(
                    self.best,
                    self.best.distortion,
                    "CERTIFIED",
                    "global search, then Krawczyk on what it left",
                )
            # A grid that reaches less far is finer: what it proves may be more, though it excludes less.
            reach, lower = self.search.reach, max(lower, self.search.lower)
        return OptimalCodebook(
            self.best,
            Enclosure(Fraction(lower) * (2 if self.half else 1), self.best.distortion.upper),
            "INCONCLUSIVE",
            "the search ran out of effort before it isolated one codebook; the optimum is enclosed",
        )

    def _refine_until_isolated(self, cells: int, effort: int, max_steps: int, *, far: bool) -> bool:
        for _ in range(max_steps):
            if self._try_guess() and not self.search.excludes_outside():
                self._begin(cells, far=far)  # less error and farther levels: now more may be excluded
            if self._isolated():
                return True
            if self.search.effort() > effort or self.search.lower >= self.search.upper * (1 - 1e-14):
                break
            if not self.search.excludes_outside() and self.search.lower >= self.search.outside:
                break  # what lies outside bounds the optimum already: inside there is nothing to gain
            self.search.refine()
        return False

    def _begin(self, cells: int, *, far: bool) -> None:
        self.search.begin(2 * float(self.best.levels[-1]), max(48, 4 * cells), far=far)

    def _upper(self) -> float:
        upper = self.best.distortion.upper
        return Enclosure.of(upper / 2 if self.half else upper).upper_float

    def _try_guess(self) -> bool:
        """Polish the codebook that the cheapest path suggests; keep it if it is better. Whether it was."""
        guess = self.search.guess
        try:
            if self.half:
                start = [float(c) for c in self._centroids([0.0, *guess])]
                start = [-c for c in reversed(start)] + start
            else:
                start = [float(c) for c in self._centroids([None, *guess])]
            found = stationary_codebook(
                self.law, self.num_levels, digits=self.digits, start=start, symmetric=self.half
            )
        except CertificationError:
            return False  # a guess that leads nowhere proves nothing, and costs nothing
        if found.distortion.upper >= self.best.distortion.lower:
            return False
        self.best = found
        self.search.upper = self._upper()
        return True

    def _centroids(self, edges: Sequence[float | None]) -> list[arb]:
        """Balls around E[X | cell] for the cells between ``edges`` (None: -infinity) and beyond the last."""
        with precision(128):
            tails = [
                self.law.everything() if edge is None else self.law.upper_moments(arb(edge)) for edge in edges
            ]
            cells = [*(a - b for a, b in pairwise(tails)), tails[-1]]
            return [cell.first / cell.mass for cell in cells]

    def _isolated(self) -> bool:
        """Whether the surviving regions are proven to hold ``best`` and no other stationary codebook."""
        if not self.search.excludes_outside():
            return False
        hulls = self.search.hulls()
        middle = self.num_levels // 2 - 1
        if not self.half and self.num_levels % 2 == 0 and hulls[middle].low <= 0:
            hulls[middle] = Region(-hulls[middle].high, hulls[middle].high)
        lows: list[float | None] = [0.0 if self.half else None, *(hull.low for hull in hulls)]
        highs: list[float | None] = [0.0 if self.half else None, *(hull.high for hull in hulls)]
        if any(a >= b for a, b in zip([h.high for h in hulls], [h.low for h in hulls[1:]], strict=False)):
            return False
        # The centroid of a cell increases in both of its ends.
        low, high = self._centroids(lows), self._centroids(highs)
        with precision(128):
            hull = [a.union(b) for a, b in zip(low, high, strict=True)]
            box = [
                arb(side.mid(), (side.rad() * 1.000001 + abs(side).upper() * 2.0**-60).mid()) for side in hull
            ]
            if krawczyk(self.system.residual, self.system.jacobian, box) is None:
                return False
            levels = self.best.levels[len(self.best.levels) - len(box) :]
            return all(Enclosure.of(side).contains(level) for side, level in zip(box, levels, strict=True))


@dataclass(frozen=True, slots=True)
class CodebookCheck:
    """How far a given codebook is from the optimum, and which Lloyd-Max condition it breaks where.

    Attributes:
        distortion: D with the thresholds given.
        nearest_distortion: D with thresholds half-way between the levels.
        centroid_defects: c_k - E[X | cell k], all zero for a stationary codebook.
        threshold_defects: t_k - (c_k + c_{k+1})/2.
        best: the optimum it is compared with.
        excess: D/D_opt - 1.
    """

    distortion: Enclosure
    nearest_distortion: Enclosure
    centroid_defects: tuple[Enclosure, ...]
    threshold_defects: tuple[Enclosure, ...]
    best: OptimalCodebook
    excess: Enclosure

    __repr__ = brief_repr


def codebook_distortion(
    law: Law, levels: Sequence[Exact], thresholds: Sequence[Exact] | None = None, *, digits: int = 30
) -> Enclosure:
    """D = E (X - Q(X))^2 of any codebook that is given exactly.

    Args:
        law: the source, on its natural scale.
        levels: increasing: whole numbers, fractions, or strings as "0.1" and "1/3"; floats are refused.
        thresholds: K - 1 exact numbers, each between two levels; half-way between them unless given.
        digits: wanted decimal places.

    Returns:
        In squared units of the law.

    Raises:
        CertificationError: levels not increasing, thresholds not interlaced, or floats.
    """
    points, cuts = _exact_table(levels, thresholds)
    with precision(int(3.33 * digits) + 64):
        return Enclosure.of(distortion_ball(law, [ball(c) for c in points], [ball(t) for t in cuts]))


def check_codebook(
    law: Law,
    levels: Sequence[Exact],
    thresholds: Sequence[Exact] | None = None,
    *,
    digits: int = 30,
    effort: int = 500_000,
) -> CodebookCheck:
    """Certify by how much a codebook misses the optimum of its size.

    Args:
        law: with exact parameters, on its natural scale: see ``law``.
        levels: increasing: whole numbers, fractions, or strings as "0.1" and "1/3"; floats are refused.
        thresholds: between them; half-way, if none are given.
        digits: decimal places that the enclosures are asked to have.
        effort: cells that the search for the optimum may price; beyond it nothing is proven of it.

    Raises:
        CertificationError: as ``codebook_distortion`` and ``optimal_codebook``; a cell of mass zero.

    Examples:
        >>> from fmq_theory import certify
        >>> rounded = certify.check_codebook(certify.law("gaussian"), ["-0.8", "0.8"], ["0"])
        >>> float(rounded.distortion.upper) > 1 - 2 / 3.141592653589793  # the optimum has levels near 0.7979
        True
    """
    points, cuts = _exact_table(levels, thresholds)
    middles = [(a + b) / 2 for a, b in pairwise(points)]
    distortion = codebook_distortion(law, points, cuts, digits=digits)
    best = optimal_codebook(law, len(points), digits=digits, effort=effort)
    with precision(int(3.33 * digits) + 64):
        tails = [law.everything(), *(law.upper_moments(ball(t)) for t in cuts)]
        cells = [*(a - b for a, b in pairwise(tails)), tails[-1]]
        defects = [
            Enclosure.of(ball(c) - cell.first / cell.mass) for c, cell in zip(points, cells, strict=True)
        ]
    return CodebookCheck(
        distortion,
        codebook_distortion(law, points, middles, digits=digits),
        tuple(defects),
        tuple(Enclosure.of(t - m) for t, m in zip(cuts, middles, strict=True)),
        best,
        (distortion / best.optimum - 1).rounded(digits),
    )


def _exact_table(
    levels: Sequence[Exact], thresholds: Sequence[Exact] | None
) -> tuple[list[Fraction], list[Fraction]]:
    points = [exact(c) for c in levels]
    if not points or not all(a < b for a, b in pairwise(points)):
        raise CertificationError(
            f"codebook of {len(points)} levels",
            "its levels are not increasing",
            "sort them and drop duplicates",
        )
    if thresholds is None:
        return points, [(a + b) / 2 for a, b in pairwise(points)]
    cuts = [exact(t) for t in thresholds]
    if len(cuts) != len(points) - 1 or not all(
        a <= t <= b for t, (a, b) in zip(cuts, pairwise(points), strict=False)
    ):
        raise CertificationError(
            f"codebook of {len(points)} levels and {len(cuts)} thresholds",
            "levels and thresholds are not interlaced",
            "give one threshold between each two neighbouring levels",
        )
    return points, cuts
