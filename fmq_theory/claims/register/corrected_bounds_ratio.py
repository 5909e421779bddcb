"""C27 and C28: where the ratio of the two bounds, C_PD/R^2, lies in the paper's band.

The kindest reading of P6 (``paper_ratio_bounds``): it does not depend on the bit-width, and the layers for
which it is in the band are channels of some hundred weights, how many depends on the law.
"""

from fractions import Fraction

import numpy as np

from fmq_theory.bounds import BAND, panter_dite_constant, sample_size_of_median
from fmq_theory.certify import Enclosure
from fmq_theory.certify.elementary import square_root
from fmq_theory.claims.engine.claim import Claim, Inputs, Origin, Values
from fmq_theory.claims.engine.mutations import times
from fmq_theory.claims.engine.relations import INSIDE
from fmq_theory.claims.evidence.certified_values import LAWS, UNBOUNDED, constant, variance
from fmq_theory.metrics import Estimate, median_estimate
from fmq_theory.sources import Source, make

__all__ = ["CLAIMS"]

_PRINTED = {
    "gaussian": ("2.61", "3.30"),
    "laplace": ("3.35", "4.24"),
    "logistic": ("3.07", "3.88"),
    "student-t(4)": ("4.82", "6.10"),
    "generalized-gaussian(3/2)": ("2.88", "3.64"),
    "gamma(1/2)": ("3.75", "4.74"),
    "uniform": ("1.58", "2.00"),
}
_EDGES = (Fraction(str(BAND[1])), Fraction(str(BAND[0])))
_HALF_DIGIT = Fraction(5, 1000)
_DRAWS = 2000
_MARGIN = 0.08


def _half_ranges(_inputs: Inputs) -> Values:
    return {
        f"{name}, C_PD/R² = {float(edge):.2f}": square_root(constant(name) / variance(name) / edge)
        for name in LAWS
        for edge in _EDGES
    }


def _as_printed(_inputs: Inputs) -> Values:
    return {
        f"{name}, C_PD/R² = {float(edge):.2f}": Enclosure(
            Fraction(shown) - _HALF_DIGIT, Fraction(shown) + _HALF_DIGIT
        )
        for name in LAWS
        for edge, shown in zip(_EDGES, _PRINTED[name], strict=True)
    }


def _source(name: str) -> Source:
    family, parameters = LAWS[name]
    return make(family, **{key: float(Fraction(value)) for key, value in parameters.items()})


def _sizes() -> dict[str, tuple[str, int, float]]:
    """By case: law, the whole number of weights nearest to an edge of the band, and that edge."""
    found: dict[str, tuple[str, int, float]] = {}
    for name in UNBOUNDED:
        for edge in (BAND[1], BAND[0]):
            n = round(sample_size_of_median(_source(name), edge))
            found[f"{name} n = {n}"] = (name, n, edge)
    return found


def _edges(_inputs: Inputs) -> Values:
    return {
        case: Estimate(edge, edge * (1 - _MARGIN), edge * (1 + _MARGIN), 1, 1.0)
        for case, (_, _, edge) in _sizes().items()
    }


def _drawn(_inputs: Inputs) -> Values:
    return {case: _of_draws(name, n) for case, (name, n, _) in _sizes().items()}


def _of_draws(name: str, n: int) -> Estimate:
    source, rng = _source(name), np.random.default_rng([n, *name.encode()])
    drawn = source.sample(_DRAWS * n, rng=rng).reshape(_DRAWS, n)
    return median_estimate(4 * panter_dite_constant(source) / np.ptp(drawn, axis=1) ** 2)


CLAIMS = (
    Claim(
        id="C27",
        origin=Origin.OURS,
        title="the half-ranges of the paper's band, bounds",
        statement="the ratio of the bounds, C_PD 2^(-2b) over (R 2^(-b))^2, lies in [0.25, 0.40] at every "
        "bit-width iff the half-range R lies, ends rounded, on a Gaussian layer in 2.61 σ to 3.30 σ; "
        + "; ".join(f"{name} {low} to {high}" for name, (low, high) in list(_PRINTED.items())[1:]),
        predicted="two decimals",
        measured="R/σ =",
        predict=_as_printed,
        measure=_half_ranges,
        relation=INSIDE,
        remark="the uniform law's own half-range is 1.73 σ: its layers of any size have the ratio 1/3",
        near=times("1.01"),
    ),
    Claim(
        id="C28",
        origin=Origin.OURS,
        title="the channel sizes of the paper's band, bounds",
        statement=(
            "so the band belongs to channels: for the median half-range of n drawn weights C_PD/R² is 0.40 "
            "at the smaller and 0.25 at the larger n of each law here, to 8 %"
        ),
        domain=f"six unbounded laws, {_DRAWS} drawn channels of each size; n by quadrature over the range",
        predicted="range",
        measured="C_PD/R²",
        predict=_edges,
        measure=_drawn,
        relation=INSIDE,
        remark=(
            "for the mean of R² in place of the median the sizes are 127 to 1,184 (Gaussian), 118 to 422 "
            "(Laplace), 138 to 607 (logistic), 312 to 755 (Student-t(4)), 124 to 708 (generalized Gaussian "
            "3/2), 91 to 242 (gamma 1/2)"
        ),
        near=times("1.25"),
    ),
)
