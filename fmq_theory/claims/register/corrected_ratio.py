"""C12 to C15: where the paper's band is right, and the bit-width at which uniform overtakes equal mass."""

import math
from fractions import Fraction
from functools import cache

from fmq_theory.bounds import (
    BAND,
    band_sample_sizes,
    crossover_bits,
    expected_half_range_squared,
    median_half_range,
    rho_em,
    rho_w2_high_rate,
)
from fmq_theory.certify import Enclosure
from fmq_theory.certify.elementary import square_root
from fmq_theory.claims.engine.claim import Claim, Inputs, Origin, Values
from fmq_theory.claims.engine.mutations import plus, times
from fmq_theory.claims.engine.relations import INSIDE, band
from fmq_theory.claims.evidence.certified_values import constant
from fmq_theory.claims.evidence.measured_ratios import LAYERS, crossovers, unit_source
from fmq_theory.metrics import Estimate, distortion, exact_estimate, expected_distortion
from fmq_theory.quantizers import MinMaxUniform, get_scheme
from fmq_theory.sources import make

__all__ = ["CLAIMS"]

_EDGES = {"ρ_W2 = 0.40": Fraction(40, 100), "ρ_W2 = 0.25": Fraction(25, 100)}
_HIGH = (6, 7, 8)
_LAYER = 10**5
_LAWS: dict[str, dict[str, float]] = {
    "gaussian": {},
    "laplace": {},
    "logistic": {},
    "generalized-gaussian": {"beta": 1.5},
}


def _half_ranges(_inputs: Inputs) -> Values:
    """R/sigma at which 3 C_PD/R^2 has the band's two values, for the Gaussian law."""
    return {edge: square_root(constant("gaussian") * 3 / rho) for edge, rho in _EDGES.items()}


def _printed(first: str, second: str) -> Values:
    """The two half-ranges as printed with two decimals."""
    half = Fraction(5, 1000)
    ends = (Fraction(first), Fraction(second))
    return {edge: Enclosure(end - half, end + half) for edge, end in zip(_EDGES, ends, strict=True)}


def _within(value: float, tolerance: float) -> Estimate:
    return Estimate(value, value * (1 - tolerance), value * (1 + tolerance), 1, 1.0)


def _limits(_inputs: Inputs) -> Values:
    """3 C_PD/E R^2 (1 - 4/K): K^2 D_LM lags its limit by about 2/K, and (K - 1)^2 lags K^2 by 2/K."""
    return {
        f"{name} n = {_LAYER:,}, b = {bits}": _within(
            rho_w2_high_rate(make(name, **parameters), _LAYER) * (1 - 4 / 2**bits), 0.005
        )
        for name, parameters in _LAWS.items()
        for bits in _HIGH
    }


def _exact_ratios() -> Values:
    return {
        f"{name} n = {_LAYER:,}, b = {bits}": exact_estimate(
            _exact_ratio(name, tuple(parameters.items()), _LAYER, bits)
        )
        for name, parameters in _LAWS.items()
        for bits in _HIGH
    }


@cache
def _exact_ratio(name: str, parameters: tuple[tuple[str, float], ...], n: int, bits: int) -> float:
    """D_LM of the law over the mean, over the law of the range of n weights, of uniform's error."""
    source, num_levels = make(name, **dict(parameters)), 2**bits
    optimum = distortion(get_scheme("lloyd_max").design(source, num_levels), source)
    return optimum / expected_distortion(MinMaxUniform().design_on_range, source, num_levels, n)


def _regions() -> dict[str, tuple[str, dict[str, float], int]]:
    """For each law a layer in the middle of its region, whose high-rate rho_W2 is near 0.31."""
    found: dict[str, tuple[str, dict[str, float], int]] = {}
    for name, parameters in _LAWS.items():
        low, high = band_sample_sizes(make(name, **parameters).standard_deviation_one())
        n = round(math.sqrt(low * high), -2)
        found[f"{name} (n from {low:.1e} to {high:.1e}, drawn {n:,.0f}), b = 6"] = (name, parameters, int(n))
    return found


@cache
def _in_the_middle() -> dict[str, Estimate]:
    return {
        case: exact_estimate(_exact_ratio(name, tuple(parameters.items()), n, 6))
        for case, (name, parameters, n) in _regions().items()
    }


_ALL_BITS = tuple(range(1, 17))
_TOLERANCE = 0.5


def _stars(_inputs: Inputs) -> Values:
    """Where D_EM passes R^2/(3 (K - 1)^2), R the median half-range: what is measured is the median layer."""
    values: dict[str, Estimate] = {}
    for layer in crossovers():
        source, n = unit_source(layer), LAYERS[layer][2]
        typical = expected_half_range_squared(source, n) / median_half_range(source, n) ** 2
        star = crossover_bits(
            _ALL_BITS, lambda b, source=source, n=n, typical=typical: rho_em(source, 2 ** int(b), n) * typical
        )
        if star is not None:
            values[layer] = Estimate(star, star - _TOLERANCE, star + _TOLERANCE, 1, 1.0)
    return values


CLAIMS = (
    Claim(
        id="C12",
        origin=Origin.OURS,
        title="the half-ranges of the paper's band, constants of FID",
        statement=(
            "for the W2 optimum the paper's band is a range of half-ranges: on a Gaussian layer 3 C_PD/R² "
            "lies in [0.25, 0.40] iff 4.52 σ <= R <= 5.71 σ, ends rounded"
        ),
        domain="the Gaussian law, high rate",
        predicted="two decimals",
        measured="R/σ =",
        predict=lambda _inputs: _printed("4.52", "5.71"),
        measure=_half_ranges,
        relation=INSIDE,
        remark="by the mean of R² over the law of the range these are layers of about 1.8e5 to 1.0e8 weights",
        near=times("1.01"),
    ),
    Claim(
        id="C13",
        origin=Origin.OURS,
        title="the ratio of the W2 optimum from 6 bits on",
        statement=(
            "on four light-tailed laws, from 6 bits to 8, the error of the law's own W2 optimum is 3 C_PD/E "
            "R² (1 - 4/K) times the mean error of min-max uniform on 10^5 weights, to half a per cent: it "
            "hardly depends on the bits"
        ),
        domain=(
            "numerator: the law's codebook on the law; denominator: the mean over the law of the range of n "
            "weights; quadrature in floats"
        ),
        predicted="range",
        measured="ρ_W2",
        predict=_limits,
        measure=lambda _inputs: _exact_ratios(),
        relation=INSIDE,
        remark="a sample's own optimum lies below the law's, the more so the fewer weights a level has",
        near=times("1.1"),
    ),
    Claim(
        id="C14",
        origin=Origin.OURS,
        title="the bit-width where equal mass becomes worse",
        statement=(
            "on nine drawn layers equal mass becomes worse than min-max uniform at the bit-width b* that the "
            "law, the number of weights and their median half-range predict, to half a bit"
        ),
        domain="the drawn layers of P6, the median layer's b*",
        predicted="predicted b*",
        measured="measured b*",
        predict=_stars,
        measure=lambda _inputs: dict(crossovers()),
        relation=INSIDE,
        near=plus("1/2", "bits"),
    ),
    Claim(
        id="C15",
        origin=Origin.OURS,
        title="the layer sizes of the paper's band",
        statement=(
            "the layer sizes whose ρ_W2 lies in the paper's band differ from law to law, as 3 C_PD/E R² "
            "predicts: in the middle of the range of sizes predicted for each of four laws ρ_W2 lies in the "
            "band at 6 bits"
        ),
        domain="the four laws of C13, exact means over the law of the range",
        predicted="band",
        measured="ρ_W2",
        predict=lambda _inputs: {case: band(str(BAND[0]), str(BAND[1])) for case in _regions()},
        measure=lambda _inputs: dict(_in_the_middle()),
        relation=INSIDE,
        remark=(
            "quadrature in floats: supported, not certified; a sample's own optimum is lower than its law's, "
            "by 20 % for 64 levels on 10^4 Laplace weights"
        ),
    ),
)
