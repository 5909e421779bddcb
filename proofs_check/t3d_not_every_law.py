"""T3d: two laws whose optimum exceeds C_PD/K^2, and by how much."""

import sympy as sp

from proofs_check.derivation import Derivation
from proofs_check.lemma import Claim, Lemma, Mutant

__all__ = ["LEMMA"]

X = sp.Symbol("x", real=True)
C = sp.Symbol("c", real=True)
M, J, N, H, P = sp.symbols("m j n h p", positive=True)


def _derive(d: Derivation, claim: Claim) -> None:
    _three_blocks(d, claim)
    _spike(d, claim)


def _three_blocks(d: Derivation, claim: Claim) -> None:
    """Width 1/10, mass 1/3 each, at -1, 0, 1; two levels."""
    half = sp.Rational(1, 20)
    constant = (6 * half) ** 3 * (sp.Rational(1, 3) / (2 * half)) / 12
    left, middle, right = ((place - half, place + half) for place in (-1, 0, 1))
    q = sp.Symbol("q", positive=True)
    d.argue(
        "one threshold",
        "The cells of two levels are parted by one threshold, and a cell's best level is its mean. Up to "
        "reflection the threshold leaves a share q in [0, 1] of the middle block on its left, or a share q "
        "of the left block; q = 0 and q = 1 stand for the thresholds between blocks.",
    )
    end = middle[0] + 2 * half * q
    in_middle = _cell(left, (middle[0], end)) + _cell((end, middle[1]), right)
    end = left[0] + 2 * half * q
    in_outer = _cell((left[0], end)) + _cell((end, left[1]), middle, right)
    d.identity("two blocks in one cell", sp.simplify(in_middle.subs(q, 0)), claim["merged"])
    d.identity(
        "a threshold in the middle block costs more",
        in_middle - claim["merged"],
        q * (1 - q) * (q**2 - q + 160) / (400 * (2 - q) * (1 + q)),
    )
    d.identity(
        "a threshold in an outer block costs more",
        in_outer - claim["merged"],
        (1 - q) * (q**2 - 41 * q + 600) / (400 * (3 - q)),
    )
    unit = sp.Interval(0, 1)
    d.decided(
        "neither is negative",
        bool(sp.minimum(q**2 - q + 160, q, unit) > 0 and sp.minimum(q**2 - 41 * q + 600, q, unit) > 0),
        "q^2 - q + 160 > 0 and q^2 - 41 q + 600 > 0 on [0, 1]",
        uses=(
            "one threshold",
            "a threshold in the middle block costs more",
            "a threshold in an outer block costs more",
        ),
    )
    d.decided(
        "C_PD/4 is 89 times less",
        bool(claim["merged"] > claim["times"] * constant / 4),
        f"{claim['merged']} against {constant / 4}",
        uses=("two blocks in one cell", "neither is negative"),
    )


def _cell(*parts: tuple[sp.Expr, sp.Expr]) -> sp.Expr:
    """Mass times variance of parts of the blocks, where f = 10/3."""
    mass, first, second = (sum(sp.integrate(X**power, (X, *part)) for part in parts) for power in range(3))
    return sp.Rational(10, 3) * (second - first**2 / mass)


def _spike(d: Derivation, claim: Claim) -> None:
    """p U[-s, s] + (1 - p) U[-1, 1]: with a level at c and j more on its right."""
    side = 2 * N * sp.integrate(X**2, (X, 0, H)) + sp.integrate(
        X**2, (X, 0, H)
    )  # n whole cells 2 h wide and a half one
    share = sp.solve(sp.Eq(2 * N * H + H, 1 - C), H)[0]
    d.identity(
        "one side of a level at c, with j more levels",
        side.subs(H, share),
        (1 - C) ** 3 / (12 * (N + sp.Rational(1, 2)) ** 2),
    )
    d.argue(
        "that is the least",
        "Reflected at c, the interval and its j levels have 2 j + 1 levels on a length of 2 (1 - c), of "
        "which equal cells are best (T3b, the uniform law).",
        uses=("one side of a level at c, with j more levels",),
    )
    d.argue(
        "a bound at every s",
        "Let c be the level nearest to 0. The peak costs at least p (|c| - s)^2 where |c| > s, and the "
        "rest at least (1 - p)/24 ((1 - c)^3/(j + 1/2)^2 + (1 + c)^3/(K - j - 1/2)^2), j levels lying "
        "above c. The sum is convex in c.",
        uses=("that is the least",),
    )
    limit = (
        (1 - P) / 24 * (1 / (M - sp.Rational(1, 2)) ** 2 + 1 / (M + sp.Rational(1, 2)) ** 2)
    )  # c = 0, K = 2 m, j = m - 1
    constant = (2 * ((1 - P) / 2) ** sp.Rational(1, 3)) ** 3 / 12
    ratio = sp.simplify((2 * M) ** 2 * limit / constant)
    claimed = claim["square"] * M**2 * (1 / (2 * M + 1) ** 2 + 1 / (2 * M - 1) ** 2)
    d.identity("K^2 D/C_PD with a level at 0, s -> 0, K = 2 m", ratio, claimed)
    numerator = sp.factor(sp.together(ratio - 1))
    excess = (12 * M**2 - 1) / ((2 * M - 1) ** 2 * (2 * M + 1) ** 2)
    d.identity("it exceeds 1 at every m", numerator, excess)
    d.argue(
        "every even K, for s small enough",
        "At s = 0 the peak is an atom and costs p c^2. If c is not 0, the rest is at least C_PD/K^2 = (1 "
        "- p)/(3 K^2) (T3b, the uniform law), so the sum is more. If c = 0, j + 1/2 and K - j - 1/2 "
        "differ for even K, so the rest is more. The least over c and j is attained and so exceeds "
        "C_PD/K^2; both sides are continuous in s.",
        uses=("a bound at every s",),
    )
    d.conclude("D_LM(2) = 201/1200", uses=("two blocks in one cell", "neither is negative"))
    d.conclude("at least 89 times C_PD/4 = 3/1600", uses=("C_PD/4 is 89 times less",))
    d.conclude(
        "D_LM(K) exceeds C_PD/K^2 at every even K for s small enough",
        uses=("every even K, for s small enough",),
    )
    d.conclude(
        "K^2 D/C_PD tends to 2 m^2 ((2m + 1)^-2 + (2m - 1)^-2) > 1 at K = 2 m",
        uses=(
            "K^2 D/C_PD with a level at 0, s -> 0, K = 2 m",
            "it exceeds 1 at every m",
            "a bound at every s",
        ),
    )


LEMMA = Lemma(
    id="T3d",
    title="three blocks, or a narrow peak, exceed C_PD/K^2",
    statement=(
        "Three blocks of width 1/10 at -1, 0, 1 have D_LM(2) = 201/1200, at least 89 times C_PD/4 = "
        "3/1600. For the symmetric unimodal p U[-s, s] + (1 - p) U[-1, 1] D_LM(K) exceeds C_PD/K^2 at "
        "every even K for s small enough; with a level at 0, which is the optimum as p -> 1, K^2 D/C_PD "
        "tends to 2 m^2 ((2m + 1)^-2 + (2m - 1)^-2) > 1 at K = 2 m."
    ),
    assumptions=(),
    claim={"merged": sp.Rational(201, 1200), "times": sp.Integer(89), "square": sp.Integer(2)},
    derive=_derive,
    mutants=(
        Mutant("two blocks in one cell cost 1/6", {"merged": sp.Rational(1, 6)}, "two blocks in one cell"),
        Mutant("ninety times less", {"times": sp.Integer(90)}, "C_PD/4 is 89 times less"),
        Mutant(
            "m^2 in place of 2 m^2",
            {"square": sp.Integer(1)},
            "K^2 D/C_PD with a level at 0, s -> 0, K = 2 m",
        ),
    ),
    reference="this toolkit",
    document="theory/t3b-when-the-constant-is-a-bound.md",
)
