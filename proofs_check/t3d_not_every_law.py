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
    width, third = sp.Rational(1, 10), sp.Rational(1, 3)
    constant = (3 * width) ** 3 * (third / width) / 12
    inside = sp.integrate(X**2, (X, -width / 2, width / 2)) / width
    merged = third * third / (2 * third) + inside
    d.argue(
        "two levels for three blocks",
        "A threshold in no block leaves two whole blocks in one cell. A threshold that cuts the middle "
        "block leaves the share q of it on the left: blocks of masses 1/3 and q/3 whose means are at "
        "least 19/20 apart, and likewise on the right with 1 - q. One that cuts an outer block leaves the "
        "two others together.",
    )
    q = sp.Symbol("q", positive=True)
    near = (1 - width / 2) ** 2
    cut = near / 3 * (q / (1 + q) + (1 - q) / (2 - q))
    at_ends = near / 6
    gap = sp.simplify(cut - at_ends)
    d.identity(
        "a cut middle block costs at least 361/2400", gap, near * q * (1 - q) / (2 * (1 + q) * (2 - q))
    )
    d.identity("two blocks in one cell", merged, claim["merged"])
    least = sp.Min(merged, at_ends)
    d.decided(
        "the least of the two",
        bool(least == at_ends),
        f"D_LM(2) >= {at_ends}, and {merged} is reached",
        uses=(
            "two levels for three blocks",
            "a cut middle block costs at least 361/2400",
            "two blocks in one cell",
        ),
    )
    d.decided(
        "C_PD/4 is eighty times less",
        bool(at_ends > claim["times"] * constant / 4),
        f"{at_ends} against {constant / 4}",
        uses=("the least of the two",),
    )


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
    d.conclude("at least 80 times C_PD/4 = 3/1600", uses=("C_PD/4 is eighty times less",))
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
        "Three blocks of width 1/10 at -1, 0, 1 have D_LM(2) = 201/1200, at least 80 times C_PD/4 = "
        "3/1600. For the symmetric unimodal p U[-s, s] + (1 - p) U[-1, 1] D_LM(K) exceeds C_PD/K^2 at "
        "every even K for s small enough; with a level at 0, which is the optimum as p -> 1, K^2 D/C_PD "
        "tends to 2 m^2 ((2m + 1)^-2 + (2m - 1)^-2) > 1 at K = 2 m."
    ),
    assumptions=(),
    claim={"merged": sp.Rational(201, 1200), "times": sp.Integer(80), "square": sp.Integer(2)},
    derive=_derive,
    mutants=(
        Mutant("two blocks in one cell cost 1/6", {"merged": sp.Rational(1, 6)}, "two blocks in one cell"),
        Mutant("ninety times less", {"times": sp.Integer(90)}, "C_PD/4 is eighty times less"),
        Mutant(
            "m^2 in place of 2 m^2",
            {"square": sp.Integer(1)},
            "K^2 D/C_PD with a level at 0, s -> 0, K = 2 m",
        ),
    ),
    reference="this toolkit",
    document="theory/t3b-when-the-constant-is-a-bound.md",
)
