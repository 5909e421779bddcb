"""Both ratios on drawn layers, and on a checkpoint if one is given; measured once a process.

What is estimated is the median layer's ratio, and its b*: ``metrics.intervals`` says why no mean.
"""

from functools import cache
from pathlib import Path

from fmq_theory.claims.claim import Inputs, Values
from fmq_theory.claims.comparison import RATIO_KINDS, Comparison
from fmq_theory.claims.on_law import compare_law
from fmq_theory.metrics import Estimate, exact_estimate, median_estimate
from fmq_theory.sources import Source, make

__all__ = ["LAYERS", "comparison", "crossovers", "ratios", "unit_source"]

BITS = (2, 3, 4, 5, 6, 7, 8)
_REPEATS = 12
"""Enough for an interval of 99.8 %, which a claim of 21 cases needs (``policy``): 2^(1 - 12) is 0.05 %."""

LAYERS: dict[str, tuple[str, dict[str, float], int]] = {
    "gaussian n = 5·10^5": ("gaussian", {}, 5 * 10**5),
    "laplace n = 10^5": ("laplace", {}, 10**5),
    "student-t(5) n = 10^5": ("student-t", {"df": 5.0}, 10**5),
}


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
def _on_checkpoint(path: Path) -> Comparison:
    from fmq_theory.claims.on_checkpoint import compare_checkpoint  # loads torch

    return compare_checkpoint(path, bits=BITS, schemes=())


def ratios(which: str, inputs: Inputs) -> Values:
    """The median layer's ratio at each bit-width, and the checkpoint's if there is one.

    Args:
        which: rho_w2 or rho_em.
        inputs: may name a checkpoint, whose ratios are exact.
    """
    values: dict[str, Estimate] = {}
    if inputs.checkpoint is not None:  # first, so that a file that cannot be read is refused at once
        for row in _on_checkpoint(inputs.checkpoint).ratios:
            value: float | None = getattr(row, which)
            if value is not None:
                values[f"{inputs.checkpoint.name}, b = {row.bits}"] = exact_estimate(value)
    for layer in LAYERS:
        measured = comparison(layer)
        for row, both in zip(measured.ratios, measured.layer_ratios, strict=True):
            values[f"{layer}, b = {row.bits}"] = median_estimate(both[RATIO_KINDS.index(which)])
    return values


def crossovers() -> dict[str, Estimate]:
    """The median b* of each layer's draws; a layer without one within the bits is left out."""
    stars = {layer: comparison(layer).crossover for layer in LAYERS}
    return {layer: star for layer, star in stars.items() if star is not None}
