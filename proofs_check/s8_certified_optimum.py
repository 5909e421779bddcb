"""Section 8: the K-means optimum on buckets encloses the optimum on all data."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, pairwise

import sympy as sp

from fmq_theory.certify.enclosure import Enclosure
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import get_scheme
from fmq_theory.sources.empirical import Empirical
from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import Certificate
from proofs_check.derivation import Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

X, Y, TAU, LOW = sp.symbols("x y tau c_k", real=True)
GAP = sp.Symbol("gap", positive=True)  # c_{k+1} - c_k
PLUS = sp.Symbol("plus", nonnegative=True)
SHARE, MAD = sp.symbols("p_B MAD_B", nonnegative=True)

# Sorted, exact; buckets of three; K = 3 levels.
DATA = (-9, -7, -6, -3, -1, 0, 0, 2, 5, 6, 8, 13)
BUCKET, LEVELS = 3, 3


def _derive(d: Derivation, claim: Claim) -> None:
    _whole_bucket(d)
    _split_bucket(d, claim)
    _size_of_a_term(d, claim)
    _enclosure(d)
    _example(d, claim)


def _whole_bucket(d: Derivation) -> None:
    """All of the bucket goes to the level c of its mean."""
    c, second = sp.symbols("c s_2", real=True)  # mean square of the bucket; its mean is y
    whole = second - 2 * c * Y + c**2
    variance = second - Y**2
    d.identity("bucket with one level", whole, variance + (Y - c) ** 2)


def _split_bucket(d: Derivation, claim: Claim) -> None:
    """x moves to the next level: the pointwise identity, and its telescoping over several thresholds."""
    upper = LOW + GAP
    saved = (X - LOW) ** 2 - (X - upper) ** 2
    threshold = claim["threshold"]
    d.identity("one threshold: what x saves", saved, 2 * GAP * (X - threshold), uses=("midway",))
    beyond = sp.expand(saved.subs(X, threshold + PLUS))
    d.decided(
        "it is not negative beyond the threshold",
        beyond.is_nonnegative,
        f"{beyond} >= 0",
        uses=("one threshold: what x saves",),
    )
    levels = sp.symbols("c_1:5", real=True)
    middles = [(a + b) / 2 for a, b in pairwise(levels)]
    jump = (X - levels[0]) ** 2 - (X - levels[3]) ** 2
    total = sum(2 * (b - a) * (X - t) for (a, b), t in zip(pairwise(levels), middles, strict=True))
    d.identity("several thresholds in one bucket: they add up", jump, total)
    d.argue(
        "the identity",
        "On the buckets' means y a bucket pays the level of y. On the data the points of the bucket on the "
        "other side of a threshold tau_k pay less, by 2 (c_{k+1} - c_k)(x - tau_k)_+ if y < tau_k, else by 2 "
        "(c_{k+1} - c_k)(tau_k - x)_+. So D_X(c) = w + D_Y(c) - sum of the means of these, over the pairs of "
        "a bucket and a threshold strictly inside it.",
        uses=("bucket with one level", "one threshold: what x saves", "several thresholds*", "intervals"),
    )
    d.conclude(
        "D_X(c) = w + D_Y(c) - terms, one term for each threshold strictly inside a bucket",
        uses=("the identity",),
    )


def _size_of_a_term(d: Derivation, claim: Claim) -> None:
    """y <= tau: (x - tau)_+ <= (x - y)_+, and E(x - y)_+ = MAD/2."""
    above = sp.Symbol("above", nonnegative=True)  # tau = y + above
    # x beyond tau: x = tau + plus. Short of tau the left side is 0.
    surplus = sp.expand((X - Y).subs(X, TAU + PLUS).subs(TAU, Y + above) - PLUS)
    d.decided("(x - tau)_+ <= (x - y)_+ for y <= tau", surplus.is_nonnegative, f"{surplus} >= 0")
    # E(x - y) = 0: the parts above and below the mean are equal.
    up, down = sp.symbols("up down", real=True)
    parts = sp.solve([sp.Eq(up - down, 0), sp.Eq(up + down, MAD)], [up, down])
    d.identity("mean of (x - y)_+", parts[up], MAD / 2)
    d.identity(
        "a term is at most",
        2 * GAP * SHARE * parts[up],
        claim["term"],
        uses=("(x - tau)_+ <= (x - y)_+ for y <= tau", "mean of (x - y)_+", "one threshold: what x saves"),
    )
    d.conclude(
        "0 <= term <= (c_{k+1} - c_k) p_B MAD_B",
        uses=("a term is at most", "it is not negative beyond the threshold"),
    )
    # Reached: half of the bucket at y - m, half at y + m, tau = y.
    m = sp.Symbol("m", positive=True)
    points = (-m, m)
    two_points = sum(((p + GAP / 2) ** 2 - (p - GAP / 2) ** 2) / 2 for p in points if p == m) * SHARE
    deviation = sum(abs(p) for p in points) / 2
    d.identity("reached by two equal points", sp.expand(two_points), claim["term"].subs(MAD, deviation))
    d.conclude("the bound is reached", uses=("reached by two equal points",))


def _enclosure(d: Derivation) -> None:
    gaps = sp.symbols("gap_1:5", nonnegative=True)
    largest, slack = sp.Symbol("max_B", nonnegative=True), sp.symbols("slack_1:5", nonnegative=True)
    terms = sum(g * (largest - s) for g, s in zip(gaps, slack, strict=True))
    surplus = sp.expand(sum(gaps) * largest - terms)
    d.decided("all terms together <= (c_K - c_1) max p_B MAD_B", surplus.is_nonnegative, f"{surplus} >= 0")
    d.argue(
        "enclosure of the optimum",
        "A threshold lies strictly inside at most one bucket. With an optimal codebook on the buckets: min "
        "D_X <= w + min D_Y. With an optimal codebook c on the data: min D_X = w + D_Y(c) - terms >= w + "
        "min D_Y - (c_K - c_1) max p_B MAD_B, and c_K - c_1 is at most the range of the data.",
        uses=("the identity", "a term is at most", "all terms together*"),
    )
    d.conclude(
        "w + min D_Y - (c_K - c_1) max p_B MAD_B <= min D_X <= w + min D_Y",
        uses=("enclosure of the optimum", "it is not negative beyond the threshold"),
    )


def _example(d: Derivation, claim: Claim) -> None:
    """Twelve integers: identity and bounds for many codebooks, and the enclosure, in exact arithmetic."""
    data = [sp.Integer(x) for x in DATA]
    buckets = [data[i : i + BUCKET] for i in range(0, len(data), BUCKET)]
    means = [sum(b) / sp.Integer(BUCKET) for b in buckets]
    share = sp.Rational(BUCKET, len(data))
    within = share * sum(sum((x - y) ** 2 for x in b) for b, y in zip(buckets, means, strict=True)) / BUCKET
    mads = [sum(abs(x - y) for x in b) / BUCKET for b, y in zip(buckets, means, strict=True)]
    position = claim["threshold"].subs({LOW: 0, GAP: 1})
    for levels in ((-8, -1, 7), (-7, 1, 9), (-4, 0, 4), (-3, 4, 5)):
        steps = [(sp.Integer(a), sp.Integer(b - a)) for a, b in pairwise(levels)]
        cuts = [a + position * gap for a, gap in steps]
        error, split = _errors(data, levels, cuts), sp.Integer(0)
        for bucket, y, mad in zip(buckets, means, mads, strict=True):
            for (_, gap), tau in zip(steps, cuts, strict=True):
                part = sum(max(x - tau, 0) if y < tau else max(tau - x, 0) for x in bucket) / sp.Integer(
                    BUCKET
                )
                term = 2 * gap * share * part
                limit = claim["term"].subs({GAP: gap, SHARE: share, MAD: mad})
                d.holds(
                    "twelve points: each term in its bounds", bool(0 <= term <= limit), f"{term} <= {limit}"
                )
                split += term
        d.example("twelve points: the identity", error, within + _errors(means, levels, cuts) - split)
    best, on_buckets = _optimum(data), within + _optimum(means)
    gap = (max(data) - min(data)) * share * max(mads)
    d.holds(
        "twelve points: the enclosure",
        bool(on_buckets - gap <= best <= on_buckets),
        f"{on_buckets - gap} <= {best} <= {on_buckets}",
    )
    d.deliver("optimum of twelve points, K = 3", best)
    d.deliver("w + min D_Y of twelve points, K = 3", on_buckets)


def _enclosed(order: Sequence[int]) -> bool:
    """Buckets of two in this order, levels 0 and 9: is D_X = w + D_Y, as no interval holds 9/2 inside?"""
    data = [sp.Integer(x) for x in order]
    buckets = [data[i : i + 2] for i in range(0, len(data), 2)]
    means = [sum(b) / sp.Integer(2) for b in buckets for _ in b]
    within = sum((x - y) ** 2 for x, y in zip(data, means, strict=True)) / sp.Integer(len(data))
    cuts, levels = [sp.Rational(9, 2)], (0, 9)
    return within + _errors(means, levels, cuts) == _errors(data, levels, cuts)


def _errors(points: list[sp.Expr], levels: tuple[int, ...], cuts: list[sp.Expr]) -> sp.Expr:
    """Mean squared error with cells [tau_k, tau_{k+1})."""
    return sum((x - levels[sum(bool(t <= x) for t in cuts)]) ** 2 for x in points) / sp.Integer(len(points))


def _optimum(points: list[sp.Expr]) -> sp.Expr:
    """Least mean squared error with three levels: all partitions into intervals."""

    def cost(part: list[sp.Expr]) -> sp.Expr:
        return sum(x**2 for x in part) - sum(part) ** 2 / sp.Integer(len(part))

    n = len(points)
    splits = combinations(range(1, n), LEVELS - 1)
    return min(cost(points[:i]) + cost(points[i:j]) + cost(points[j:]) for i, j in splits) / sp.Integer(n)


def _buckets() -> tuple[list[Fraction], Fraction]:
    """The buckets' means, and w."""
    data = [Fraction(x) for x in DATA]
    parts = [data[i : i + BUCKET] for i in range(0, len(data), BUCKET)]
    means = [sum(part) / len(part) for part in parts]
    within = sum((x - y) ** 2 for part, y in zip(parts, means, strict=True) for x in part) / len(data)
    return means, within


def _dynamic(points: list[Fraction]) -> Fraction:
    """The optimum by dynamic programming over the last interval, exactly."""

    def cost(part: list[Fraction]) -> Fraction:
        mean = sum(part) / len(part)
        return sum((x - mean) ** 2 for x in part)

    n = len(points)
    best: list[Fraction | None] = [None, *(cost(points[:j]) for j in range(1, n + 1))]
    for _ in range(LEVELS - 1):
        best = [
            min((b + cost(points[i:j]) for i, b in enumerate(best[:j]) if b is not None), default=None)
            for j in range(n + 1)
        ]
    optimum = best[n]
    assert optimum is not None, "more points than levels"
    return optimum / n


def _float(points: Sequence[int | Fraction]) -> float:
    source = Empirical([float(x) for x in points])
    return distortion(get_scheme("lloyd_max").design(source, LEVELS), source)


LEMMA = Lemma(
    id="S8",
    title="certified optimum on compressed data: the bucket identity and the enclosure",
    statement=(
        "The sorted data are cut into buckets; Y is the bucket's mean, w the mean variance within buckets, "
        "p_B a bucket's share and MAD_B its mean absolute deviation from its mean. For levels c_1 < ... < "
        "c_K with nearest-level thresholds tau_k = (c_k + c_{k+1})/2: D_X(c) = w + D_Y(c) - terms, one term "
        "for each threshold strictly inside a bucket, 0 <= term <= (c_{k+1} - c_k) p_B MAD_B; the bound is "
        "reached. So w + min D_Y - (c_K - c_1) max p_B MAD_B <= min D_X <= w + min D_Y for the optima with K "
        "levels."
    ),
    assumptions=(
        Assumption(
            "midway",
            "thresholds are midway between levels (for others a term can be negative)",
            Mutant(
                "a threshold at a third of the gap",
                {"threshold": LOW + GAP / 3},
                "one threshold: what x saves",
            ),
        ),
        Assumption(
            "intervals",
            "buckets are intervals of the sorted data",
            Counterexample(
                "two points of neighbouring buckets change places: both are split",
                _enclosed,
                holds=(0, 1, 8, 9),
                broken=(0, 8, 1, 9),
            ),
        ),
    ),
    claim={"threshold": LOW + GAP / 2, "term": GAP * SHARE * MAD},
    derive=_derive,
    mutants=(
        Mutant("half the bound", {"term": GAP * SHARE * MAD / 2}, "a term is at most"),
        Mutant("the share of the bucket is lost", {"term": GAP * MAD}, "a term is at most"),
    ),
    reference="theory of the toolkit, section 8",
    constants={
        "optimum of twelve points, K = 3": Certificate(
            lambda: Enclosure.of(_dynamic([Fraction(x) for x in DATA])), lambda: _float(DATA)
        ),
        "w + min D_Y of twelve points, K = 3": Certificate(
            lambda: Enclosure.of(_dynamic(_buckets()[0]) + _buckets()[1]),
            lambda: _float(_buckets()[0]) + float(_buckets()[1]),
        ),
    },
    document="theory/s8-compressed-data.md",
)
