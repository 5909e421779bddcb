"""Both ratios on drawn layers, and on a checkpoint if one is given; measured once a process."""

from functools import cache
from pathlib import Path

from fmq_theory.claims.claim import Inputs, Values
from fmq_theory.claims.comparison import Comparison, crossing_of
from fmq_theory.claims.on_law import compare_law
from fmq_theory.metrics import Estimate
from fmq_theory.sources import Source, make

__all__ = ["LAYERS", "comparison", "crossovers", "ratios", "unit_source"]

BITS = (2, 3, 4, 5, 6, 7, 8)
_REPEATS = 8

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
    """``which`` = rho_w2 or rho_em for each layer and bit-width, and for the checkpoint if there is one."""
    found: dict[str, tuple[Comparison, int, float]] = {}
    if inputs.checkpoint is not None:  # first, so that a file that cannot be read is refused at once
        found[inputs.checkpoint.name] = (_on_checkpoint(inputs.checkpoint), 1, 1.0)
    found |= {layer: (comparison(layer), _REPEATS, 0.95) for layer in LAYERS}
    values: dict[str, Estimate] = {}
    for subject, (measured, count, confidence) in found.items():
        for row in measured.ratios:
            value, low, high = (getattr(row, which + end) for end in ("", "_lo", "_hi"))
            if value is not None:
                values[f"{subject}, b = {row.bits}"] = Estimate(value, low, high, count, confidence)
    return values


def crossovers() -> dict[str, Estimate]:
    """B* of each layer: where rho_em passes 1, and where the ends of its interval do."""
    found: dict[str, Estimate] = {}
    for layer in LAYERS:
        star = crossing_of(comparison(layer).ratios)
        if star is not None:
            found[layer] = Estimate(*star, _REPEATS, 0.95)
    return found
