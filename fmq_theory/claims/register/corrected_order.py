"""C1 to C11: at what order the errors really fall."""

from collections.abc import Callable, Iterable
from fractions import Fraction

from fmq_theory.bounds import bennett_constant
from fmq_theory.certify import Enclosure, exponential_partial_sum, exponential_sum
from fmq_theory.certify.elementary import logarithm, power
from fmq_theory.claims.engine.claim import Claim, Inputs, NegativeControl, Origin, Quantity, Values
from fmq_theory.claims.engine.relations import AT_LEAST, AT_MOST, EQUAL, INSIDE
from fmq_theory.claims.evidence.certified_values import (
    DIGITS,
    LAWS,
    LOG_CONCAVE,
    UNBOUNDED,
    best_uniform,
    constant,
    equal_mass,
    optimum,
    per_square,
    tail_cells,
)
from fmq_theory.metrics import exact_estimate
from fmq_theory.sources import make

__all__ = ["CLAIMS"]


def _table(
    names: Iterable[str], bits: Iterable[int], value: Callable[[str, int], Quantity]
) -> Callable[[Inputs], Values]:
    """One value for each law and bit-width, computed when the claim is run."""
    keys = [(name, b) for name in names for b in bits]
    return lambda _inputs: {f"{name}, b = {b}": value(name, b) for name, b in keys}


def _around(centre: Enclosure, low: Fraction, high: Fraction) -> Enclosure:
    """[centre low, centre high]."""
    return Enclosure(centre.lower * low, centre.upper * high)


_FROM_TWO = range(2, 9)
_EVEN = (4, 6, 8)
_HAIR = Fraction(1, 10**20)


def _near_constant(name: str, bits: int) -> Enclosure:
    return per_square(_around(constant(name), 1 - Fraction(227, 100 * 2**bits), 1 + _HAIR), bits)


def _too_near(name: str, bits: int) -> Enclosure:
    return per_square(_around(constant(name), 1 - Fraction(22, 10 * 2**bits), 1 + _HAIR), bits)


def _previous(name: str, bits: int, growth: Fraction) -> Enclosure:
    """What ``growth`` of K^2 D_EM in two bits predicts from D_EM two bits earlier."""
    return equal_mass(name, bits - 2) * growth * Fraction(1, 16)


def _laplace_sum(bits: int) -> Enclosure:
    return exponential_partial_sum(2 ** (bits - 1), digits=DIGITS) * 2 * Fraction(1, 2**bits)


def _gaussian_rate(bits: int) -> Enclosure:
    limit = exponential_sum(digits=DIGITS) / (logarithm(2) * bits * 2**bits)
    return _around(limit.rounded(40), 1 - Fraction(2, bits**2), Fraction(1))


_INDICES = ("3", "4", "5")
_HEAVY = tuple(f"student-t({index})" for index in _INDICES)


def _index(name: str) -> Fraction:
    return Fraction(name.removeprefix("student-t(").removesuffix(")"))


def _halving(name: str) -> Enclosure:
    """2^(1 - 2/nu), give or take 5 %."""
    return _around(power(2, 1 - 2 / _index(name)), Fraction(95, 100), Fraction(105, 100))


def _bennett_at_one(name: str, bits: int) -> Quantity:
    family, parameters = LAWS[name]
    given = {key: float(Fraction(value)) for key, value in parameters.items()}
    value = bennett_constant(make(family, **given), 1.0) / 4.0**bits
    return value if value == float("inf") else exact_estimate(value)


def _best_uniform_before(name: str, bits: int, growth: Fraction) -> Enclosure:
    return best_uniform(name, bits - 2) * growth * Fraction(1, 16)


_SPREAD = ("gaussian", "laplace", "student-t(4)")

CLAIMS = (
    Claim(
        id="C1",
        origin=Origin.OURS,
        title="the W2 optimum is near its constant",
        statement=(
            "on five log-concave laws at 1 to 8 bits (1 - 2.27/K) C_PD <= K^2 D_LM <= C_PD: the W2 optimum "
            "is within 2.27/K of the constant, and below it"
        ),
        predicted="range",
        measured="D_LM",
        predict=_table(LOG_CONCAVE, range(1, 9), _near_constant),
        measure=_table(LOG_CONCAVE, range(1, 9), optimum),
        relation=INSIDE,
        negative_control=NegativeControl(
            "1 - 2.2/K in place of 1 - 2.27/K",
            "1 - c/K with c = 2.265 is the law of exponential tails",
            _table(LOG_CONCAVE, range(1, 9), _too_near),
            "laplace, b = 8",
        ),
        remark=(
            "the upper end holds at every K (C21). That K^2 D_LM tends to C_PD is Bucklew and Wise's "
            "theorem, for every law with E|X|^(2+d) finite for some d > 0; 2.27/K is what these cases show, "
            "and no more"
        ),
    ),
    Claim(
        id="C2",
        origin=Origin.OURS,
        title="the W2 optimum is no worse than equal mass",
        statement=(
            "the W2 optimum is no worse than equal mass, D_LM <= D_EM: equal masses are among the free ones "
            "(T2), so this is so for every law; here on seven"
        ),
        predicted="D_EM =",
        measured="D_LM =",
        predict=_table(LAWS, _FROM_TWO, equal_mass),
        measure=_table(LAWS, _FROM_TWO, optimum),
        relation=AT_MOST,
        remark=(
            "on the uniform law the two are one quantizer, as they are at 1 bit on most symmetric laws, "
            "which is why 1 bit is left out"
        ),
    ),
    Claim(
        id="C3",
        origin=Origin.OURS,
        title="equal mass is far above the constant at 16 bits",
        statement=(
            "on the six unbounded laws named here equal mass is more than 2000 times above C_PD 2^(-2b) at "
            "16 bits: already the lower bound T5f, (Var(X | top cell) + Var(X | bottom cell))/K <= D_EM, is"
        ),
        predicted="2000 C_PD 2^(-2b) =",
        measured="T5f =",
        predict=_table(UNBOUNDED, (16,), lambda name, b: per_square(constant(name) * 2000, b)),
        measure=_table(UNBOUNDED, (16,), tail_cells),
        relation=AT_LEAST,
        remark=(
            "that no constant at all will do, on any unbounded support, is T4(v): a proof, which no "
            "bit-width can stand for. Nor is there a bit-width at which it shows on all laws (C30)"
        ),
    ),
    Claim(
        id="C4",
        origin=Origin.OURS,
        title="a lower bound of equal mass by its outer cells",
        statement=(
            "D_EM >= (Var(X | top cell) + Var(X | bottom cell))/K, which T5f proves for every law and every "
            "K; here on seven laws"
        ),
        predicted="T5f =",
        measured="D_EM =",
        predict=_table(LAWS, _FROM_TWO, tail_cells),
        measure=_table(LAWS, _FROM_TWO, equal_mass),
        relation=AT_LEAST,
        remark="at 1 bit there are no other cells, and both sides are one number",
    ),
    Claim(
        id="C5",
        origin=Origin.OURS,
        title="equal mass leaves 2^(-2b) bit by bit",
        statement=(
            "on the six unbounded laws named here two more bits multiply 4^b D_EM by 2.5 or more, from 2 "
            "bits to 8 (a 2^(-2b) law would keep it constant)"
        ),
        domain="from b - 2 bits to b",
        predicted="2.5/16 of D_EM two bits before =",
        measured="D_EM =",
        predict=_table(UNBOUNDED, _EVEN, lambda name, b: _previous(name, b, Fraction(5, 2))),
        measure=_table(UNBOUNDED, _EVEN, equal_mass),
        relation=AT_LEAST,
        remark="a statement about these laws and bits: on other unbounded laws it is false (C29, C30)",
    ),
    Claim(
        id="C6",
        origin=Origin.OURS,
        title="equal mass on the Laplace law as a finite sum",
        statement=(
            "equal mass on the Laplace law costs the finite sum D_EM = (σ²/K) S_{K/2} (T5a, for every even K)"
        ),
        domain="to 20 digits",
        predicted="(σ²/K) S_{K/2} =",
        measured="D_EM =",
        predict=_table(("laplace",), range(1, 9), lambda _name, b: _laplace_sum(b)),
        measure=_table(("laplace",), range(1, 9), equal_mass),
        relation=EQUAL,
        negative_control=NegativeControl(
            "S_inf in place of S_{K/2}",
            "the terms beyond K/2 do not belong to any cell",
            _table(
                ("laplace",),
                range(1, 9),
                lambda _name, b: exponential_sum(digits=DIGITS) * 2 * Fraction(1, 2**b),
            ),
            "b = 2",
        ),
    ),
    Claim(
        id="C7",
        origin=Origin.OURS,
        title="the rate of equal mass on the Gaussian law",
        statement=(
            "on the Gaussian law, from 4 bits to 8, D_EM lies between (1 - 2/b²) and 1 times σ² S_inf/(K ln "
            "K), its limit form (T5b)"
        ),
        predicted="range",
        measured="D_EM",
        predict=_table(("gaussian",), range(4, 9), lambda _name, b: _gaussian_rate(b)),
        measure=_table(("gaussian",), range(4, 9), equal_mass),
        relation=INSIDE,
    ),
    Claim(
        id="C8",
        origin=Origin.OURS,
        title="the rate of equal mass on Student-t tails",
        statement=(
            "on Student-t tails of index ν = 3, 4, 5 the 7th and the 8th bit divide the equal-mass error by "
            "2^(1-2/ν), the limit form (T5d), to within 5 %: for ν = 3 eight times the levels halve it"
        ),
        domain="from b bits to b + 1",
        predicted="range",
        measured="D_EM(b)/D_EM(b + 1)",
        predict=_table(_HEAVY, (6, 7), lambda name, _b: _halving(name)),
        measure=_table(
            _HEAVY, (6, 7), lambda name, b: (equal_mass(name, b) / equal_mass(name, b + 1)).rounded(30)
        ),
        relation=INSIDE,
    ),
    Claim(
        id="C9",
        origin=Origin.OURS,
        title="equal mass has order 2^(-2b) on the uniform law",
        statement=(
            "on the uniform law equal mass does have order 2^(-2b): D_EM = (1/12) int 1/f / K², which T5e "
            "proves of the limit on every interval with f >= m > 0"
        ),
        domain="uniform on [-1, 1], to 20 digits",
        predicted="1/(3 K²) =",
        measured="D_EM =",
        predict=_table(("uniform",), range(1, 9), lambda _name, b: Enclosure.of(Fraction(1, 3 * 4**b))),
        measure=_table(("uniform",), range(1, 9), equal_mass),
        relation=EQUAL,
    ),
    Claim(
        id="C10",
        origin=Origin.OURS,
        title="Bennett's formula says nothing of equal mass",
        statement=(
            "Bennett's formula with the equal-mass density, B(1)/K² with B(1) = (1/12) int 1/f, says nothing "
            "where f > 0 on an infinite length (T4, i): it is infinite"
        ),
        predicted="B(1)/K²",
        measured="D_EM",
        predict=_table(UNBOUNDED, (8,), _bennett_at_one),
        measure=_table(UNBOUNDED, (8,), equal_mass),
        relation=AT_MOST,
        remark="VACUOUS is the point: an order claimed through this formula claims nothing",
    ),
    Claim(
        id="C11",
        origin=Origin.OURS,
        title="uniform with its best step leaves 2^(-2b) too",
        statement=(
            "on the Gaussian, Laplace and Student-t(4) laws the uniform quantizer centred on 0 with its best "
            "step does not reach order 2^(-2b) either (Hui and Neuhoff 2001): two more bits multiply 4^b D "
            "by 1.3 or more, from 2 bits to 8"
        ),
        domain="from b - 2 bits to b",
        predicted="1.3/16 of D two bits before =",
        measured="D =",
        predict=_table(_SPREAD, _EVEN, lambda name, b: _best_uniform_before(name, b, Fraction(13, 10))),
        measure=_table(_SPREAD, _EVEN, best_uniform),
        relation=AT_LEAST,
    ),
)
