"""P6: OT / uniform between 0.25 and 0.40, for either reading of OT."""

from fmq_theory.bounds import BAND
from fmq_theory.claims.claim import Claim, Inputs, NegativeControl, Values
from fmq_theory.claims.measured_ratios import ratios
from fmq_theory.claims.relations import INSIDE, band

__all__ = ["CLAIMS"]

# The same layers and bit-widths for both readings: neither may look better by a kinder choice of cases.
_DOMAIN = "drawn layers: gaussian n = 5·10^5, laplace and student-t(5) n = 10^5, b = 2..8"
_REMARK = "intervals: 95 % over 8 samples; a checkpoint given with --checkpoint adds its own cases"


def _w2(inputs: Inputs) -> Values:
    return ratios("rho_w2", inputs)


def _em(inputs: Inputs) -> Values:
    return ratios("rho_em", inputs)


CLAIMS = (
    Claim(
        "P6-W2",
        "as reconstructed, with OT read as the W2 optimum (Lloyd-Max): its squared error is 0.25 to 0.40 "
        "of uniform's, at every bit-width",
        _DOMAIN,
        "band",
        "ρ_W2",
        lambda inputs: {case: band(str(BAND[0]), str(BAND[1])) for case in _w2(inputs)},
        _w2,
        INSIDE,
        NegativeControl(
            "the band 0.50 to 0.80",
            "3 C_PD/R^2 is near 0.35 for the half-range of 5·10^5 Gaussian weights",
            lambda inputs: {case: band("0.50", "0.80") for case in _w2(inputs)},
            "gaussian n = 5·10^5, b = 6",
        ),
        "the ratio tends to 3 C_PD/R^2, so the band is a range of half-ranges, not a property of every "
        "layer: C12 says which, C13 and C15 for which sizes. " + _REMARK,
    ),
    Claim(
        "P6-EM",
        "as reconstructed, with OT read as the paper's algorithm (equal masses): its squared error is "
        "0.25 to 0.40 of uniform's, at every bit-width",
        _DOMAIN,
        "band",
        "ρ_EM",
        lambda inputs: {case: band(str(BAND[0]), str(BAND[1])) for case in _em(inputs)},
        _em,
        INSIDE,
        None,
        "the ratio grows with every bit, so it crosses the band within about one bit (C14). " + _REMARK,
    ),
)
