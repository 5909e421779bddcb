"""P6: OT / uniform between 0.25 and 0.40, as a statement on squared errors, for either reading of OT.

Two of its readings are here: at every bit-width, and at some. The others, a ratio of bounds or of constants,
are in ``paper_ratio_bounds``. All are judged on the same drawn layers, so that none looks better by a kinder
choice.
"""

from collections.abc import Callable

from fmq_theory.bounds import BAND
from fmq_theory.claims.engine.claim import Claim, Inputs, Origin, Values
from fmq_theory.claims.engine.relations import INSIDE, band
from fmq_theory.claims.evidence.measured_ratios import nearest_to_band, ratios

__all__ = ["CLAIMS", "DRAWN", "READ_AS", "in_the_band"]

READ_AS = {
    "W2": "with OT read as the W2 optimum (Lloyd-Max)",
    "EM": "with OT read as the paper's algorithm (equal masses)",
}
DRAWN = (
    "layers drawn of three laws: two sizes of a channel, one of a large layer; the median layer; "
    "bit-widths with four weights a level or more"
)
_KEYS = {"W2": "rho_w2", "EM": "rho_em"}
_CHECKPOINT = "a checkpoint given with --checkpoint adds its own cases"


def in_the_band(measure: Callable[[Inputs], Values]) -> Callable[[Inputs], Values]:
    """The paper's band for each case that ``measure`` has."""
    return lambda inputs: {case: band(str(BAND[0]), str(BAND[1])) for case in measure(inputs)}


def _claim(
    *,
    key: str,
    which: str,
    title: str,
    words: str,
    domain: str,
    measure: Callable[[Inputs], Values],
    remark: str,
) -> Claim:
    return Claim(
        id=key,
        origin=Origin.PAPER,
        title=title,
        statement=f"as reconstructed, {READ_AS[which]}: {words}",
        domain=domain,
        predicted="band",
        measured=f"ρ_{which}",
        predict=in_the_band(measure),
        measure=measure,
        relation=INSIDE,
        remark=f"{remark}. {_CHECKPOINT}",
    )


def _every(which: str) -> Callable[[Inputs], Values]:
    return lambda inputs: ratios(_KEYS[which], inputs)


def _some(which: str) -> Callable[[Inputs], Values]:
    return lambda inputs: nearest_to_band(_KEYS[which], inputs)


_EVERY = "its squared error is 0.25 to 0.40 of min-max uniform's at every bit-width from 2 to 8"
_SOME = "its squared error is 0.25 to 0.40 of min-max uniform's at some bit-width from 2 to 8"
_AT_SOME_BITS = f"{DRAWN}, each at the bit-width at which its ratio is nearest to the band"

CLAIMS = (
    _claim(
        key="P6-W2",
        which="W2",
        title="the ratio of errors at every bit-width, W2 optimum",
        words=_EVERY,
        domain=DRAWN,
        measure=_every("W2"),
        remark=(
            "the ratio tends to 3 C_PD/R^2, so the band is a range of half-ranges, not a property of every "
            "layer: C12 says which, C13 and C15 for which sizes"
        ),
    ),
    _claim(
        key="P6-EM",
        which="EM",
        title="the ratio of errors at every bit-width, equal mass",
        words=_EVERY,
        domain=DRAWN,
        measure=_every("EM"),
        remark="the ratio grows with every bit, so it crosses the band within about one bit (C14)",
    ),
    _claim(
        key="P6-W2-SOME",
        which="W2",
        title="the ratio of errors at some bit-width, W2 optimum",
        words=_SOME,
        domain=_AT_SOME_BITS,
        measure=_some("W2"),
        remark=(
            "from some bit-width on the ratio is nearly constant, so a layer has it at many bit-widths or at "
            "none"
        ),
    ),
    _claim(
        key="P6-EM-SOME",
        which="EM",
        title="the ratio of errors at some bit-width, equal mass",
        words=_SOME,
        domain=_AT_SOME_BITS,
        measure=_some("EM"),
        remark=(
            "one bit more multiplies the ratio by about 2, the band's ends differ by 1.6: it can be stepped "
            "over"
        ),
    ),
)
