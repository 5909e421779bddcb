"""Both ratios on drawn layers, and on a checkpoint if one is given; measured once a process.

What is estimated is the median layer's ratio, and its b*: ``metrics.intervals`` says why no mean.
"""

import math
from functools import cache
from pathlib import Path

from fmq_theory.bounds import BAND
from fmq_theory.claims.comparison.on_law import compare_law
from fmq_theory.claims.comparison.rows import RATIO_KINDS, Comparison
from fmq_theory.claims.engine.claim import Inputs, Values
from fmq_theory.metrics import Estimate, exact_estimate, median_estimate
from fmq_theory.sources import Source, make

__all__ = [
    "BITS",
    "LAYERS",
    "bits_of",
    "comparison",
    "crossovers",
    "nearest_to_band",
    "ratios",
    "unit_source",
]

BITS = (2, 3, 4, 5, 6, 7, 8)
_REPEATS = 24
"""Some 60 cases need intervals of 99.92 % (``policy``); of 24 draws those leave out two at either end."""

LAYERS: dict[str, tuple[str, dict[str, float], int]] = {
    "gaussian n = 256": ("gaussian", {}, 256),
    "gaussian n = 1024": ("gaussian", {}, 1024),
    "gaussian n = 500000": ("gaussian", {}, 5 * 10**5),
    "laplace n = 256": ("laplace", {}, 256),
    "laplace n = 1024": ("laplace", {}, 1024),
    "laplace n = 100000": ("laplace", {}, 10**5),
    "student-t(5) n = 256": ("student-t", {"df": 5.0}, 256),
    "student-t(5) n = 1024": ("student-t", {"df": 5.0}, 1024),
    "student-t(5) n = 100000": ("student-t", {"df": 5.0}, 10**5),
}
"""Two sizes of a channel, which the published scripts quantize one by one, and one of a large layer."""

_FEWEST = 4
"""Weights a level: with fewer the codebook is nearly as large as the channel, and each error nearly 0."""


def bits_of(layer: str) -> tuple[int, ...]:
    """The bit-widths at which a layer has four weights a level or more."""
    return tuple(bits for bits in BITS if _FEWEST * 2**bits <= LAYERS[layer][2])


def unit_source(layer: str) -> Source:
    """The layer's law with standard deviation 1."""
    name, parameters, _ = LAYERS[layer]
    return make(name, **parameters).standard_deviation_one()


@cache
def comparison(layer: str) -> Comparison:
    """Samples of one layer, quantized in every way that a ratio needs."""
    return compare_law(
        unit_source(layer), layer, bits=BITS, schemes=(), n=LAYERS[layer][2], repeats=_REPEATS, seed=2511
    )


@cache
def _on_checkpoint(path: Path, include: tuple[str, ...]) -> Comparison:
    from fmq_theory.claims.comparison.on_checkpoint import compare_checkpoint  # loads torch

    return compare_checkpoint(path, tensors=include, bits=BITS, schemes=())


def ratios(which: str, inputs: Inputs) -> Values:
    """The median layer's ratio at each bit-width, and the checkpoint's if there is one.

    Args:
        which: rho_w2 or rho_em.
        inputs: may name a checkpoint, whose ratios are exact.
    """
    values: dict[str, Estimate] = {}
    if inputs.checkpoint is not None:  # first, so that a file that cannot be read is refused at once
        for row in _on_checkpoint(inputs.checkpoint, inputs.include).ratios:
            value: float | None = getattr(row, which)
            if value is not None:
                values[f"{inputs.checkpoint.name}, b = {row.bits}"] = exact_estimate(value)
    for layer in LAYERS:
        measured = comparison(layer)
        for row, both in zip(measured.ratios, measured.layer_ratios, strict=True):
            if row.bits not in bits_of(layer):
                continue
            values[f"{layer}, b = {row.bits}"] = median_estimate(both[RATIO_KINDS.index(which)])
    return values


def nearest_to_band(which: str, inputs: Inputs) -> Values:
    """The median layer's ratio at the bit-width at which that layer's ratio is nearest to the band.

    The bit-width is chosen for each drawn layer by itself, so "some bit-width" is inside of what is sampled
    and costs one interval a layer. A ratio in the band is nearer than any outside; else nearness is
    |ln(ratio/edge)|.

    Args:
        which: rho_w2 or rho_em.
        inputs: may name a checkpoint, whose ratios are exact.
    """
    values: dict[str, Estimate] = {}
    if inputs.checkpoint is not None:
        known = [getattr(row, which) for row in _on_checkpoint(inputs.checkpoint, inputs.include).ratios]
        if found := [ratio for ratio in known if ratio]:
            values[f"{inputs.checkpoint.name}"] = exact_estimate(min(found, key=_outside))
    for layer in LAYERS:
        widths = len(bits_of(layer))
        by_bits = [both[RATIO_KINDS.index(which)] for both in comparison(layer).layer_ratios[:widths]]
        drawn = zip(*by_bits, strict=True)
        values[layer] = median_estimate(min(ratios, key=_outside) for ratios in drawn)
    return values


def _outside(ratio: float) -> float:
    """How far a ratio lies outside the band, on a logarithmic scale; 0 inside."""
    if not ratio > 0:
        return math.inf
    return max(0.0, math.log(BAND[0] / ratio), math.log(ratio / BAND[1]))


def crossovers() -> dict[str, Estimate]:
    """The median b* of each layer's draws; a layer without one within the bits is left out."""
    stars = {layer: comparison(layer).crossover for layer in LAYERS}
    return {layer: star for layer, star in stars.items() if star is not None}
