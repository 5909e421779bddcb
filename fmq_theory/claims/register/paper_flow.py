"""P1, P2 and P3 where they can be proven without a trained network.

* P1 on affine fields of the plane, whose flows have a closed form: exact errors against the bound.
* P2 on small point sets with exact coordinates and a feature map with a known Lipschitz constant.
* P3 on the field v_theta(x, t) = theta (see ``paper_order``), where FID = |theta_q - theta|^2, and on layers
  of drawn weights, quantized in exact rational arithmetic.

Draws are seeded and converted to fractions; from there on nothing is random and nothing is rounded.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache

import numpy as np

from fmq_theory.certify import Enclosure
from fmq_theory.certify.affine_flow import (
    AffineField,
    growth_factor,
    parameter_distance,
    path_error,
    theta_lipschitz,
)
from fmq_theory.certify.frechet import Point, frechet_distance, root_mean_square
from fmq_theory.claims.engine.claim import Claim, Inputs, NegativeControl, Origin, Values
from fmq_theory.claims.engine.mutations import steeper
from fmq_theory.claims.engine.relations import AT_MOST
from fmq_theory.claims.evidence.certified_values import BITS
from fmq_theory.claims.words import FID_MEANS
from fmq_theory.sources import make

__all__ = ["CLAIMS"]

_GRID = 4096
"""Drawn numbers are multiples of 1/_GRID."""


def _fractions(rng: np.random.Generator, low: float, high: float, count: int) -> list[Fraction]:
    drawn = rng.integers(round(low * _GRID), round(high * _GRID), size=count, endpoint=True)
    return [Fraction(int(value), _GRID) for value in drawn]


# --- P1 -------------------------------------------------------------------------------------------

_FLOWS = 20
_KINDS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    # (range of the real part, range of the imaginary part) of the rate
    "contracting field": ((-3.0, -0.5), (-0.5, 0.5)),
    "rotating field": ((-0.25, 0.25), (1.0, 6.0)),
    "expanding field": ((1.0, 3.0), (0.0, 0.0)),
}

_Flow = tuple[AffineField, AffineField, tuple[Fraction, Fraction]]


@cache
def _flows() -> dict[str, _Flow]:
    """Fields, quantized fields and starts; the shift and the start are small, so paths stay near 0."""
    found: dict[str, _Flow] = {}
    for seed, (kind, (real, imaginary)) in enumerate(_KINDS.items()):
        rng = np.random.default_rng(seed)
        for index in range(_FLOWS):
            rate = (_fractions(rng, *real, 1)[0], _fractions(rng, *imaginary, 1)[0])
            shift, start = _fractions(rng, -0.02, 0.02, 2), _fractions(rng, -0.02, 0.02, 2)
            change = _fractions(rng, -0.05, 0.05, 4)
            field = AffineField(rate, (shift[0], shift[1]))
            quantized = AffineField(
                (rate[0] + change[0], rate[1] + change[1] * (kind != "expanding field")),
                (shift[0] + change[2], shift[1] + change[3]),
            )
            found[f"{kind} {index + 1}"] = (field, quantized, (start[0], start[1]))
    return found


def _groenwall(_inputs: Inputs) -> Values:
    return {
        case: (_parameter_part(flow) * growth_factor(flow[1])).rounded(40) for case, flow in _flows().items()
    }


def _without_growth(_inputs: Inputs) -> Values:
    return {case: _parameter_part(flow).rounded(40) for case, flow in _flows().items()}


def _parameter_part(flow: _Flow) -> Enclosure:
    field, quantized, start = flow
    return theta_lipschitz(field, start) * parameter_distance(field, quantized)


def _path_errors(_inputs: Inputs) -> Values:
    return {case: path_error(*flow) for case, flow in _flows().items()}


# --- P2 -------------------------------------------------------------------------------------------

_PAIRS = 12
_WEIGHT = Fraction(3, 2)
"""The feature map is (x, y) -> 3/2 (|x|, |y|): Lipschitz with constant 3/2, not linear."""


def _features(points: Sequence[Point]) -> list[Point]:
    return [(_WEIGHT * abs(x), _WEIGHT * abs(y)) for x, y in points]


@cache
def _samples() -> dict[str, tuple[list[Point], list[Point]]]:
    """Paired samples (full precision, quantized): errors at random, and errors along the samples."""
    found: dict[str, tuple[list[Point], list[Point]]] = {}
    rng = np.random.default_rng(17)
    for index in range(10):
        exact = _points(rng, 2.0)
        noise = _points(rng, 0.25)
        found[f"random errors {index + 1}"] = (
            exact,
            [(x + u, y + v) for (x, y), (u, v) in zip(exact, noise, strict=True)],
        )
        # Samples stretched by 5/4, and a little noise: the covariances feel nearly the whole error.
        found[f"errors along the samples {index + 1}"] = (
            exact,
            [
                (x * Fraction(5, 4) + u / 100, y * Fraction(5, 4) + v / 100)
                for (x, y), (u, v) in zip(exact, noise, strict=True)
            ],
        )
    return found


def _points(rng: np.random.Generator, reach: float) -> list[Point]:
    xs, ys = _fractions(rng, -reach, reach, _PAIRS), _fractions(rng, -reach, reach, _PAIRS)
    return list(zip(xs, ys, strict=True))


def _feature_bound(_inputs: Inputs) -> Values:
    return {case: root_mean_square(*pair) * _WEIGHT for case, pair in _samples().items()}


def _unscaled(_inputs: Inputs) -> Values:
    return {case: root_mean_square(*pair) for case, pair in _samples().items()}


def _frechet(_inputs: Inputs) -> Values:
    return {
        case: frechet_distance(_features(left), _features(right))
        for case, (left, right) in _samples().items()
    }


# --- P3 -------------------------------------------------------------------------------------------

_LAYER = 400
_TAILS: dict[str, dict[str, float]] = {"gaussian": {}, "laplace": {}, "student-t": {"df": 3.0}}


@cache
def _layers() -> dict[str, list[Fraction]]:
    layers: dict[str, list[Fraction]] = {}
    for seed, (name, parameters) in enumerate(_TAILS.items()):
        weights = make(name, **parameters).sample(_LAYER, rng=np.random.default_rng(100 + seed))
        layers[name] = [Fraction(round(float(weight) * _GRID), _GRID) for weight in weights]
    return layers


def _half_range(weights: Sequence[Fraction]) -> Fraction:
    return (max(weights) - min(weights)) / 2


def _range_bound(_inputs: Inputs) -> Values:
    return {
        f"{name}, b = {bits}": Enclosure.of((_half_range(weights) / (2**bits - 1)) ** 2)
        for name, weights in _layers().items()
        for bits in BITS
    }


def _uniform_errors(_inputs: Inputs) -> Values:
    return {
        f"{name}, b = {bits}": Enclosure.of(_uniform_error(weights, 2**bits))
        for name, weights in _layers().items()
        for bits in BITS
    }


def _uniform_error(weights: Sequence[Fraction], num_levels: int) -> Fraction:
    """Mean squared error of the published uniform quantizer: levels on both ends, half to even."""
    low, step = min(weights), 2 * _half_range(weights) / (num_levels - 1)
    errors = ((weight - low - step * round((weight - low) / step)) ** 2 for weight in weights)
    return sum(errors, Fraction(0)) / len(weights)


CLAIMS = (
    Claim(
        id="P1",
        origin=Origin.PAPER,
        title="Lemma 1, a Grönwall bound on the error of a sample",
        statement=(
            "as reconstructed: from one noise, |e_1| <= L_theta |theta_q - theta| (e^L - 1)/L, L a Lipschitz "
            "constant of the quantized field, L_theta one in theta along the full-precision path"
        ),
        domain=(
            "affine fields of the plane with drawn parameters: contracting, rotating, expanding; 20 of each"
        ),
        predicted="bound",
        measured="|e_1|",
        predict=_groenwall,
        measure=_path_errors,
        relation=AT_MOST,
        negative_control=NegativeControl(
            "no growth factor (e^L - 1)/L",
            "an expanding field carries an early error away from the path",
            _without_growth,
            "expanding field",
        ),
        remark=(
            "closed-form fields need no estimate of a Lipschitz constant; on a trained network L is an "
            "estimate and the bound is not a certificate"
        ),
    ),
    Claim(
        id="P2",
        origin=Origin.PAPER,
        title="Lemma 2, from that error to FID",
        statement=(
            "as reconstructed: a feature map with Lipschitz constant L_phi gives sqrt(FID) <= L_phi rms|e_1| "
            "for samples paired by their noise, with 1/n covariances"
        ),
        domain="20 sets of 12 pairs in the plane, features 3/2 (|x|, |y|)",
        predicted="bound",
        measured="√FID",
        predict=_feature_bound,
        measure=_frechet,
        relation=AT_MOST,
        negative_control=NegativeControl(
            "no Lipschitz constant",
            "errors along the samples reach the features multiplied by 3/2",
            _unscaled,
            "errors along the samples",
        ),
        remark="FID here is the Frechet distance in those features, not in Inception's",
    ),
    Claim(
        id="P3",
        origin=Origin.PAPER,
        title="Theorem 3, uniform costs O(2^(-2b)) in FID",
        statement=(
            "as reconstructed: uniform quantization on the weights' own range costs O(2^(-2b)) in FID, "
            "constant from the half-range R; tested on the field v = theta, where FID = n D: FID/n <= "
            "(R/(2^b - 1))^2"
        ),
        domain=(
            "layers of 400 drawn weights (gaussian, laplace, student-t(3)), b = 1..8, exact rational "
            "arithmetic"
        ),
        predicted="bound",
        measured="FID/n",
        predict=_range_bound,
        measure=_uniform_errors,
        relation=AT_MOST,
        remark="R is the layer's own: it grows with the number of weights, without bound on unbounded tails. "
        + FID_MEANS,
        mutations=(steeper("1/4"),),
    ),
)
