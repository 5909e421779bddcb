"""C29 and C30: what equal mass does *not* do on every unbounded support.

T4(v) proves that no constant bounds 4^b D_EM on any unbounded support. Neither that it tends to infinity
there (C29) nor that some bit-width shows it (C30) is true of all such laws.
"""

from fractions import Fraction

from fmq_theory.certify import Enclosure, equal_mass_distortion
from fmq_theory.certify.unbounded import NearlyUniform, thin_tail_distortion
from fmq_theory.claims.engine.claim import Claim, Inputs, Origin, Values
from fmq_theory.claims.engine.mutations import times
from fmq_theory.claims.engine.relations import INSIDE, band
from fmq_theory.claims.evidence.certified_values import BITS, DIGITS

__all__ = ["CLAIMS"]

_POWERS = (9, 27, 81)
_HIGH = {f"b = 3^j - 1, b = {power - 1}": power - 1 for power in _POWERS}
_LOW = {f"b = 3^j, b = {power}": power for power in _POWERS}


def _up_and_down(_inputs: Inputs) -> Values:
    rising = {case: Fraction(2) ** (bits - 2) for case, bits in _HIGH.items()}
    falling = {case: Fraction(1, 2**bits) for case, bits in _LOW.items()}
    return {
        case: band(value * (1 - _HAIR), value * (1 + _HAIR)) for case, value in (rising | falling).items()
    }


_HAIR = Fraction(1, 10**4)


def _thin(_inputs: Inputs) -> Values:
    return {case: thin_tail_distortion(bits) * 4**bits for case, bits in (_HIGH | _LOW).items()}


_LAW = NearlyUniform(Fraction(1, 10**6))


def _nearly_constant(_inputs: Inputs) -> Values:
    return {f"b = {bits}": band(Fraction(1, 3), Fraction(344, 1000)) for bits in BITS}


def _contaminated(_inputs: Inputs) -> Values:
    return {f"b = {bits}": _times_square(bits) for bits in BITS}


def _times_square(bits: int) -> Enclosure:
    return equal_mass_distortion(_LAW, 2**bits, digits=DIGITS) * 4**bits


CLAIMS = (
    Claim(
        id="C29",
        origin=Origin.OURS,
        title="an unbounded law on which equal mass keeps 2^(-2b) at some bits",
        statement=(
            "an unbounded support alone does not make 4^b D_EM tend to infinity: on P(X >= i) = 2^(-3^i), i "
            "= 1, 2, ..., it is 2^(b-2) at b = 3^j - 1 and 2^(-b) at b = 3^j, here to 1 in 10^4 for j = 2, "
            "3, 4"
        ),
        domain="one law on the whole numbers, enclosed with the mass that is cut off",
        predicted="range",
        measured="4^b D_EM =",
        predict=_up_and_down,
        measure=_thin,
        relation=INSIDE,
        remark=(
            "so T4(v), sup over b of 4^b D_EM = infinity, is all that holds for every unbounded support; "
            "where f > 0 almost everywhere on the line 4^b D_EM does tend to infinity (T4, iv)"
        ),
        near=times("1.001"),
    ),
    Claim(
        id="C30",
        origin=Origin.OURS,
        title="an unbounded law on which 8 bits show nothing",
        statement=(
            "up to 8 bits a law of unbounded support can look as if equal mass had order 2^(-2b) on it: on "
            "0.999999 U(-1, 1) + 0.000001 N(0, 1) 4^b D_EM stays between 1/3, the uniform law's, and 0.344, "
            "though it tends to infinity (T4, iv)"
        ),
        domain="one mixture, whose support is the line",
        predicted="range",
        measured="4^b D_EM =",
        predict=_nearly_constant,
        measure=_contaminated,
        relation=INSIDE,
        remark="with a smaller share of the Gaussian the same is so for as many bits as one likes",
        near=times("1.1"),
    ),
)
