"""The pools from which the experiment ``coverage`` draws: numbers of many layers, or of many samples."""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.figures.equal_mass_rates import fitted_order
from fmq_theory.claims.comparison.rows import crossing_of_layer
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import get_scheme
from fmq_theory.sources import Empirical, Source

__all__ = ["layer_errors", "layer_rates", "sample_leads", "sample_scores"]

Floats = NDArray[np.float64]

_RATIOS = {"rho_em": "equal_mass", "rho_w2": "lloyd_max"}


def layer_errors(
    source: Source, n: int, size: int, schemes: Sequence[str], bits: Sequence[int], rng: np.random.Generator
) -> Mapping[tuple[str, int], Floats]:
    """Squared error of each layer by scheme and bits, and both ratios to min–max uniform's.

    Args:
        source: law of the weights.
        n: weights a layer.
        size: layers in the pool.
        schemes: their names; with "uniform", "equal_mass" and "lloyd_max".
        bits: bit-widths.
        rng: of the weights.

    Returns:
        numbers a layer, ``[size]``, by (scheme or ratio, bits).
    """
    designs = {name: get_scheme(name) for name in schemes}
    found = {(name, b): np.empty(size) for name in schemes for b in bits}
    for layer in range(size):
        sample = Empirical(source.sample(n, rng=rng))
        for (name, b), values in found.items():
            values[layer] = distortion(designs[name].design(sample, 2**b), sample)
    ratios = {
        (ratio, b): found[scheme, b] / found["uniform", b] for ratio, scheme in _RATIOS.items() for b in bits
    }
    return found | ratios


def layer_rates(
    source: Source,
    n: int,
    size: int,
    star_bits: Sequence[int],
    order_bits: Sequence[int],
    fresh_bits: Sequence[int],
    rng: np.random.Generator,
) -> Mapping[tuple[str, int], Floats]:
    """What else is printed of a drawn layer: b*, the order of equal mass, errors on fresh weights.

    Args:
        source: law of the weights.
        n: weights a layer.
        size: layers in the pool.
        star_bits: at which equal mass and uniform are compared for b*.
        order_bits: over which -log2 D is fitted; empty for no order.
        fresh_bits: at which the layer's codebooks are judged on the law.
        rng: of the weights.

    Returns:
        ``[size]`` each, by quantity and bits, 0 bits for what is read off several bit-widths; b* is infinite
        where a layer does not cross within the bits.
    """
    designs = {name: get_scheme(name) for name in ("uniform", "equal_mass")}
    found: dict[tuple[str, int], list[float]] = {}
    for _ in range(size):
        sample = Empirical(source.sample(n, rng=rng))
        books = {
            (name, b): designs[name].design(sample, 2**b)
            for name in designs
            for b in sorted({*star_bits, *order_bits, *fresh_bits})
        }
        own = {key: distortion(book, sample) for key, book in books.items()}
        ratios = [
            own["equal_mass", b] / own["uniform", b] if own["uniform", b] > 0.0 else math.nan
            for b in star_bits
        ]
        star = crossing_of_layer(star_bits, ratios)
        if star is not None:
            found.setdefault(("crossover", 0), []).append(star)
        if order_bits:
            order = fitted_order(order_bits, [own["equal_mass", b] for b in order_bits])
            found.setdefault(("order", 0), []).append(order)
        for name in designs:
            for b in fresh_bits:
                fresh = distortion(books[name, b], source)
                found.setdefault((f"{name} on fresh weights", b), []).append(fresh)
    return {key: np.array(values) for key, values in found.items()}


def sample_scores(
    schemes: Sequence[str], bits: Sequence[int], size: int, seed: int
) -> Mapping[tuple[str, str, int], Floats]:
    """PSNR, SSIM and squared error of each sample of the bundled model.

    Args:
        schemes: their names.
        bits: bit-widths.
        size: samples in the pool.
        seed: of the noise.

    Returns:
        ``[size]`` by (scheme, "psnr", "ssim" or "squared error", bits).
    """
    from fmq_theory.checkpoint import load_flow
    from fmq_theory.flow.digits import DIGITS_FILE
    from fmq_theory.flow.experiment import run_experiment
    from fmq_theory.flow.settings import FlowSettings

    model = load_flow(Path(str(DIGITS_FILE)), "fmq_theory.flow.digits:build")
    settings = FlowSettings(samples=size, seeds=1, ladder_samples=0, seed=seed)
    report = run_experiment(model, "digits", schemes, bits, settings)
    found: dict[tuple[str, str, int], Floats] = {}
    for cell in report.cells:
        found[cell.scheme, "psnr", cell.bits] = np.array(cell.psnr[0])
        found[cell.scheme, "ssim", cell.bits] = np.array(cell.ssim[0])
        found[cell.scheme, "squared error", cell.bits] = np.square(cell.error[0])
    return found


def sample_leads(
    scores: Mapping[tuple[str, str, int], Floats],
) -> Mapping[tuple[str, str, int], Floats]:
    """Differences, sample by sample, of two schemes whose means are neighbours: the leads of a verdict.

    Args:
        scores: of ``sample_scores``.

    Returns:
        ``[size]`` by (the two schemes, "lead in psnr" or "lead in ssim", bits).
    """
    found: dict[tuple[str, str, int], Floats] = {}
    for measure in ("psnr", "ssim"):
        for bits in sorted({b for _, name, b in scores if name == measure}):
            at_bits = {
                scheme: values for (scheme, name, b), values in scores.items() if (name, b) == (measure, bits)
            }
            ordered = sorted(at_bits, key=lambda scheme: -at_bits[scheme].mean())
            for first, second in itertools.pairwise(ordered):
                found[f"{first} - {second}", f"lead in {measure}", bits] = at_bits[first] - at_bits[second]
    return found
