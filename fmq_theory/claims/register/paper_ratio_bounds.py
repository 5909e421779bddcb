"""P6 as a ratio of two bounds, and as a ratio of the constants of FID.

* Bounds: P4's C_PD 2^(-2b) over P3's (R 2^(-b))^2 is C_PD/R^2 at every bit-width, R the layer's half-range.
  Equal mass is not bounded by P4's (P4-EM); its least bound is its own error: it is judged by D_EM over P3's.
* FID: on the field v = theta, where FID = n D, the constant lim 4^b FID/n is C_PD for the W2 optimum, R^2/3
  for min-max uniform, and infinite for equal mass on unbounded support.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np

from fmq_theory.bounds import equal_mass_distortion, panter_dite_constant
from fmq_theory.bounds.equal_mass import equal_mass_lower_bound
from fmq_theory.claims.engine.claim import Claim, Inputs, Origin, Values
from fmq_theory.claims.engine.relations import INSIDE
from fmq_theory.claims.evidence.measured_ratios import LAYERS, bits_of, unit_source
from fmq_theory.claims.register.paper_ratio import DRAWN, READ_AS, in_the_band
from fmq_theory.metrics import Estimate, median_estimate

__all__ = ["CLAIMS", "drawn_half_ranges"]

_DRAWS = 40
_MANY_BITS = 16


@cache
def drawn_half_ranges(layer: str) -> tuple[float, ...]:
    """Half-ranges, in standard deviations, of layers drawn from one of ``LAYERS``."""
    source, n = unit_source(layer), LAYERS[layer][2]
    rng = np.random.default_rng(list(layer.encode()))
    return tuple(float(np.ptp(source.sample(n, rng=rng))) / 2 for _ in range(_DRAWS))


def _over_squares(layer: str, numerator: float) -> Estimate:
    """The median of numerator/R^2."""
    return median_estimate(numerator / reach**2 for reach in drawn_half_ranges(layer))


def _by_layer(constants: Mapping[str, float]) -> Values:
    return {layer: _over_squares(layer, constant) for layer, constant in constants.items()}


def _bounds_of_optimum(_inputs: Inputs) -> Values:
    return _by_layer({layer: panter_dite_constant(unit_source(layer)) for layer in LAYERS})


def _bounds_of_equal_mass(_inputs: Inputs) -> Values:
    return {
        f"{layer}, b = {bits}": _over_squares(
            layer, 4**bits * equal_mass_distortion(unit_source(layer), 2**bits)
        )
        for layer in LAYERS
        for bits in bits_of(layer)
    }


def _fid_of_optimum(_inputs: Inputs) -> Values:
    return _by_layer({layer: 3 * panter_dite_constant(unit_source(layer)) for layer in LAYERS})


def _fid_of_equal_mass(_inputs: Inputs) -> Values:
    """The least constant that 16 bits leave possible: 4^16 times the lower bound T5f."""
    return _by_layer(
        {
            layer: 3 * 4**_MANY_BITS * equal_mass_lower_bound(unit_source(layer), 2**_MANY_BITS).value
            for layer in LAYERS
        }
    )


CLAIMS = (
    Claim(
        id="P6-W2-BOUNDS",
        origin=Origin.PAPER,
        title="the ratio of the two bounds, W2 optimum",
        statement=(
            f"as reconstructed, {READ_AS['W2']} and the ratio as one of bounds: P4's bound C_PD 2^(-2b) is "
            "0.25 to 0.40 of P3's, (R 2^(-b))^2, whatever the bit-width"
        ),
        domain=DRAWN,
        predicted="band",
        measured="C_PD/R²",
        predict=in_the_band(_bounds_of_optimum),
        measure=_bounds_of_optimum,
        relation=INSIDE,
        remark=(
            "in the band for channels of some hundred weights, how many depends on the law (C27, C28): 256 "
            "are enough on the Gaussian and the Laplace law and too few on Student-t(5); with P3's bound as "
            "(R/(2^b - 1))^2 the ratio is (1 - 2^(-b))^2 times this, 0.56 of it at 2 bits and 0.88 at 4"
        ),
    ),
    Claim(
        id="P6-EM-BOUNDS",
        origin=Origin.PAPER,
        title="the ratio of the two bounds, equal mass",
        statement=(
            f"as reconstructed, {READ_AS['EM']} and the ratio as one of bounds: the least bound of equal "
            "mass, its own error, is 0.25 to 0.40 of P3's bound (R 2^(-b))^2 at every bit-width from 2 to 8"
        ),
        domain=DRAWN,
        predicted="band",
        measured="4^b D_EM/R²",
        predict=in_the_band(_bounds_of_equal_mass),
        measure=_bounds_of_equal_mass,
        relation=INSIDE,
        remark=(
            "P4's C_PD 2^(-2b) is no bound of equal mass on unbounded support (P4-EM). D_EM is the law's; of "
            "the sample's own codebook it is larger by about 2 K/n of itself where weights are flat"
        ),
    ),
    Claim(
        id="P6-W2-FID",
        origin=Origin.PAPER,
        title="the ratio of the constants of FID, W2 optimum",
        statement=(
            f"as reconstructed, {READ_AS['W2']} and the ratio as one of the constants of FID: lim 4^b FID is "
            "0.25 to 0.40 of min-max uniform's; on the field v = theta, where FID is n D, that is 3 C_PD/R²"
        ),
        domain=DRAWN,
        predicted="band",
        measured="3 C_PD/R²",
        predict=in_the_band(_fid_of_optimum),
        measure=_fid_of_optimum,
        relation=INSIDE,
        remark=(
            "limits in b for a law and a range that stay; on given weights both errors are 0 once 2^b "
            "reaches n"
        ),
    ),
    Claim(
        id="P6-EM-FID",
        origin=Origin.PAPER,
        title="the ratio of the constants of FID, equal mass",
        statement=(
            f"as reconstructed, {READ_AS['EM']} and the ratio as one of the constants of FID: a constant c "
            "with FID/n <= c 2^(-2b) at 16 bits can be 0.25 to 0.40 of min-max uniform's, R²/3"
        ),
        domain=DRAWN,
        predicted="band",
        measured="3 · 4^16 T5f/R²",
        predict=in_the_band(_fid_of_equal_mass),
        measure=_fid_of_equal_mass,
        relation=INSIDE,
        remark=(
            "shown is the ratio for the lower bound T5f of D_EM at 16 bits, so any constant is larger still; "
            "there is none for all bit-widths (T4, v)"
        ),
    ),
)
