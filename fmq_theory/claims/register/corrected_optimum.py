"""C16 to C18: optimal codebooks, and codebooks that only look optimal."""

from functools import cache

import numpy as np

from fmq_theory.certify import (
    Enclosure,
    law,
    optimal_codebook,
    optimal_symmetric_codebook,
    stationary_codebook,
)
from fmq_theory.claims.engine.claim import Claim, Inputs, Kind, Origin, Values
from fmq_theory.claims.engine.mutations import times
from fmq_theory.claims.engine.relations import BELOW, INSIDE
from fmq_theory.metrics import Estimate, distortion, exact_estimate, w2_squared
from fmq_theory.quantizers import get_scheme
from fmq_theory.sources import Empirical, make

__all__ = ["CLAIMS"]

_DIGITS = 20
_KABAL = (2, 4)


@cache
def _symmetric(num_levels: int) -> Enclosure:
    return optimal_symmetric_codebook(law("gamma", {"shape": "1/2"}), num_levels, digits=_DIGITS).optimum


@cache
def _free(num_levels: int) -> Enclosure:
    return optimal_codebook(law("gamma", {"shape": "1/2"}), num_levels, digits=_DIGITS).optimum


_SADDLE = "generalized-gaussian(1/2), K = 2"


@cache
def _stationary() -> Enclosure:
    return stationary_codebook(law("generalized-gaussian", {"beta": "1/2"}), 2, digits=_DIGITS).distortion


@cache
def _better() -> Enclosure:
    return optimal_codebook(law("generalized-gaussian", {"beta": "1/2"}), 2, digits=_DIGITS).optimum


_SCHEMES = ("uniform", "equal_mass", "pwl", "log2", "lloyd_max")
_TAILS: dict[str, dict[str, float]] = {"gaussian": {}, "student-t": {"df": 3.0}}


@cache
def _transport() -> dict[str, tuple[float, float]]:
    """For each law and scheme: W2^2 of weights and quantized weights, and their mean squared difference."""
    found: dict[str, tuple[float, float]] = {}
    for seed, (name, parameters) in enumerate(_TAILS.items()):
        weights = make(name, **parameters).sample(5000, rng=np.random.default_rng(seed))
        source = Empirical(weights)
        for scheme in _SCHEMES:
            codebook = get_scheme(scheme).design(source, 16)
            quantized = codebook.decode(codebook.encode(weights))
            found[f"{name}, {scheme}"] = (w2_squared(weights, quantized), distortion(codebook, source))
    return found


def _distances(_inputs: Inputs) -> Values:
    return {
        case: Estimate(error, error * (1 - 1e-10), error * (1 + 1e-10), 1, 1.0)
        for case, (_, error) in _transport().items()
    }


def _measured_distances(_inputs: Inputs) -> Values:
    return {case: exact_estimate(found) for case, (found, _) in _transport().items()}


CLAIMS = (
    Claim(
        id="C16",
        origin=Origin.OURS,
        title="a symmetric law whose optimum is not symmetric",
        statement=(
            "a symmetric law need not have a symmetric optimal codebook (Kabal 1984): on the two-sided Gamma "
            "law of shape 1/2 the optimum of 2 and of 4 levels is below the best symmetric codebook of as "
            "many"
        ),
        domain="certified global search",
        predicted="best symmetric D =",
        measured="optimal D =",
        predict=lambda _inputs: {f"K = {k}": _symmetric(k) for k in _KABAL},
        measure=lambda _inputs: {f"K = {k}": _free(k) for k in _KABAL},
        relation=BELOW,
    ),
    Claim(
        id="C17",
        origin=Origin.OURS,
        title="a stationary codebook that is a saddle",
        statement=(
            "a codebook can satisfy both Lloyd-Max conditions and not be optimal: -E|X|, +E|X| on "
            "exp(-|x|^(1/2)) is stationary and a saddle"
        ),
        domain="generalized Gaussian with beta = 1/2, K = 2",
        predicted="D of the stationary codebook =",
        measured="optimal D =",
        predict=lambda _inputs: {_SADDLE: _stationary()},
        measure=lambda _inputs: {_SADDLE: _better()},
        relation=BELOW,
    ),
    Claim(
        id="C18",
        origin=Origin.OURS,
        title="a quantizer is its own optimal coupling",
        statement=(
            "a non-decreasing quantizer is its own optimal coupling (T1): W2² between weights and quantized "
            "weights is the mean squared error"
        ),
        domain="5000 drawn weights (gaussian, student-t(3)), 4 bits, to 10 digits",
        predicted="mean squared error",
        measured="W2²",
        predict=_distances,
        measure=_measured_distances,
        relation=INSIDE,
        remark="T1 proves it; what is compared here are two programs, in floats",
        near=times("1.000001"),
        kind=Kind.THEOREM,
    ),
)
