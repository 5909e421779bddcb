"""How often intervals cover: those that the tool prints, and Student's of the mean, which it does not.

A pool of layers is drawn from a law, each is quantized in every way, and trials draw 8 or 20 layers from the
pool, one by one. What an interval must hold is the pool's own median (or mean), so the truth has no error of
its own: the pool stands for a law. The samples of the bundled flow model are a pool too, for the intervals
of their scores: over samples, and over seeds of so many samples each.
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import special

from experiments.framework.experiment import Cell, Experiment, rng_of
from experiments.framework.laws import law, law_label
from experiments.framework.table import Row, Table
from fmq_theory.flow.flow_rows import FEWEST_A_SEED, FEWEST_SCORES, SSIM_BITS
from fmq_theory.metrics import distortion, median_intervals
from fmq_theory.quantizers import get_scheme
from fmq_theory.report.base.style import PAGE_WIDTH, heading
from fmq_theory.sources import Empirical

__all__ = ["BAND", "EXPERIMENT", "coverage_rows"]

BAND = (0.93, 0.97)
"""What an interval at nominal 95 % has to cover to be printed."""
_CONFIDENCE = 0.95
_RATIOS = {"rho_em": "equal_mass", "rho_w2": "lloyd_max"}
_FLOW = "digits"
_LARGE = 10_000
_MEANS = 100_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Config:
    """Settings: the seven laws of the register with t(3) and t(5), sizes of layers, layers in a pool."""

    laws: tuple[str, ...] = (
        "uniform", "gaussian", "gg(3/2)", "logistic", "laplace", "gamma(1/2)", "t(5)", "t(4)", "t(3)",
    )  # fmt: skip
    sizes: tuple[int, ...] = (64, 1024, 100_000)
    pools: tuple[int, ...] = (1000, 1000, 300)
    schemes: tuple[str, ...] = ("uniform", "equal_mass", "lloyd_max", "uniform_clipped", "pwl", "log2")
    schemes_of_large: tuple[str, ...] = ("uniform", "equal_mass", "lloyd_max")
    bits: tuple[int, ...] = (2, 4, 8)
    repeats: tuple[int, ...] = (8, 20)
    flow_bits: tuple[int, ...] = (2, 3, 4, 5, 6, 8)
    flow_pool: int = 256
    flow_samples: tuple[int, ...] = (64, FEWEST_SCORES)
    flow_seeds: tuple[tuple[int, int], ...] = ((3, FEWEST_A_SEED), (3, 64))
    trials: int = 20_000
    seed: int = 0

    @classmethod
    def quick(cls) -> "Config":
        """Two laws and one small size."""
        return cls(
            laws=("gaussian", "t(3)"), sizes=(64,), pools=(1000,), bits=(2, 4), flow_bits=(4,), flow_pool=128,
            trials=2000,
        )  # fmt: skip


def cells(config: Config) -> Sequence[Cell]:
    """One a law and size, the largest layers last, and one for the samples of the flow model."""
    pairs = zip(config.sizes, config.pools, strict=True)
    drawn = [{"law": name, "n": n, "pool": pool} for (n, pool), name in itertools.product(pairs, config.laws)]
    return [*drawn, {"law": _FLOW, "n": 0, "pool": config.flow_pool}]


def rows(config: Config, cell: Cell) -> Sequence[Row]:
    """One a quantity, bit-width, number of repeats and kind of interval."""
    rng = rng_of(config, cell)
    made: list[Row] = []
    if cell["law"] == _FLOW:
        for (scheme, name, bits), values in _scores(config).items():
            about = {**cell, "quantity": name, "scheme": scheme, "bits": bits}
            for count in config.flow_samples:
                made += coverage_rows(values, count, config.trials, ("mean",), about, rng)
            for seeds, samples in config.flow_seeds:
                # The mean of a seed is what is drawn: a pool of such means, so large that it is their law.
                means = values[rng.integers(values.size, size=(_MEANS, samples))].mean(axis=1)
                about_seeds = {**about, "samples": samples}
                made += coverage_rows(means, seeds, config.trials, ("seeds",), about_seeds, rng)
        return made
    for (name, bits), values in _errors(config, cell, rng).items():
        about = {**cell, "quantity": name, "bits": bits}
        for count in config.repeats:
            made += coverage_rows(values, count, config.trials, tuple(_KINDS), about, rng)
    return made


def coverage_rows(
    pool: Floats,
    count: int,
    trials: int,
    kinds: Sequence[str],
    about: Mapping[str, object],
    rng: np.random.Generator,
) -> list[Row]:
    """How often each kind of interval holds what it is of.

    Args:
        pool: the values of all layers, or of all samples.
        count: how many of them a trial sees, drawn one by one from the whole pool.
        trials: how many trials.
        kinds: names of intervals: "median", "mean", or "seeds", the mean's over numbers that are means.
        about: columns that every row has.
        rng: of the trials.

    Returns:
        A row a kind, with the shares of trials whose interval covers, lies below and lies above; none for a
        pool of equal values, of which nothing can be missed.
    """
    if pool.min() == pool.max():
        return []
    drawn = pool[rng.integers(pool.size, size=(trials, count))]
    made: list[Row] = []
    for kind in kinds:
        truth, (low, high) = _KINDS[kind](pool, drawn)
        below, above = float(np.mean(high < truth)), float(np.mean(low > truth))
        made.append(
            {
                **about, "repeats": count, "interval": kind, "confidence": _CONFIDENCE, "trials": trials,
                "coverage": 1.0 - below - above, "below": below, "above": above,
                "printed": _is_printed(kind, str(about["quantity"]), int(str(about["bits"])), count),
            }
        )  # fmt: skip
    return made


def _median(pool: Floats, drawn: Floats) -> tuple[float, tuple[Floats, Floats]]:
    """The pool's median, and the interval of each trial's: that of ``median_estimate``."""
    return float(np.median(pool)), median_intervals(drawn, confidence=_CONFIDENCE)


def _mean(pool: Floats, drawn: Floats) -> tuple[float, tuple[Floats, Floats]]:
    """The pool's mean, and Student's interval of each trial's: that of ``mean_estimate``."""
    count = drawn.shape[1]
    middle, spread = drawn.mean(axis=1), drawn.std(axis=1, ddof=1)
    half = float(special.stdtrit(count - 1, 0.5 + 0.5 * _CONFIDENCE)) * spread / math.sqrt(count)
    return float(pool.mean()), (middle - half, middle + half)


_KINDS: Mapping[str, Callable[[Floats, Floats], tuple[float, tuple[Floats, Floats]]]] = {
    "median": _median,
    "mean": _mean,
    "seeds": _mean,
}


def _is_printed(kind: str, quantity: str, bits: int, count: int) -> bool:
    """Whether the tool prints this interval of this quantity, of so many numbers."""
    if quantity in ("psnr", "ssim", "squared error"):
        enough = kind == "seeds" or count >= FEWEST_SCORES
        return enough and (quantity == "psnr" or (quantity == "ssim" and bits <= SSIM_BITS))
    return kind == "median"


def _errors(config: Config, cell: Cell, rng: np.random.Generator) -> Mapping[tuple[str, int], Floats]:
    """Squared error and both ratios of each layer of the pool."""
    source, n, size = law(cell["law"]), int(cell["n"]), int(cell["pool"])
    schemes = config.schemes if n <= _LARGE else config.schemes_of_large
    designs = {name: get_scheme(name) for name in schemes}
    found = {(name, b): np.empty(size) for name in schemes for b in config.bits}
    for layer in range(size):
        sample = Empirical(source.sample(n, rng=rng))
        for (name, b), values in found.items():
            values[layer] = distortion(designs[name].design(sample, 2**b), sample)
    ratios = {
        (ratio, b): found[scheme, b] / found["uniform", b]
        for ratio, scheme in _RATIOS.items()
        for b in config.bits
    }
    return found | ratios


def _scores(config: Config) -> Mapping[tuple[str, str, int], Floats]:
    """PSNR, SSIM and squared error of each sample of the bundled model, by scheme and bits."""
    from fmq_theory.checkpoint import load_flow
    from fmq_theory.flow.digits import DIGITS_FILE
    from fmq_theory.flow.experiment import run_experiment
    from fmq_theory.flow.settings import FlowSettings

    model = load_flow(Path(str(DIGITS_FILE)), "fmq_theory.flow.digits:build")
    settings = FlowSettings(samples=config.flow_pool, seeds=1, ladder_samples=0, seed=config.seed)
    report = run_experiment(model, _FLOW, config.schemes, config.flow_bits, settings)
    found: dict[tuple[str, str, int], Floats] = {}
    for cell in report.cells:
        found[cell.scheme, "psnr", cell.bits] = np.array(cell.psnr[0])
        found[cell.scheme, "ssim", cell.bits] = np.array(cell.ssim[0])
        found[cell.scheme, "squared error", cell.bits] = np.square(cell.error[0])
    return found


def plot(table: Table) -> Mapping[str, Figure]:
    """Coverage by law and size; filled: printed, of the median; open: Student's interval of the mean."""
    drawn = table.that(lambda row: row["law"] != _FLOW)
    laws, sizes, repeats = drawn.values("law"), drawn.values("n"), drawn.values("repeats")
    height = 1.1 + 0.22 * len(laws) * len(sizes)
    figure = Figure(figsize=(PAGE_WIDTH, height), layout="constrained")
    panels = figure.subplots(len(sizes), len(repeats), squeeze=False, sharex=True, sharey=True)
    for (n, count), axes in zip(itertools.product(sizes, repeats), panels.flat, strict=True):
        _panel(axes, drawn.where(n=n, repeats=count), laws)
        axes.set_title(f"n = {n:,}, {count} layers", loc="left", fontsize=9)
    for axes in panels[-1]:
        axes.set_xlabel("covers, % of trials")
    heading(
        figure,
        "How often nominal 95 % intervals cover, one mark a quantity and bit-width. Filled: of the median by "
        "order statistics, printed. Open: of the mean by Student's, not printed. Grey: 93 to 97 %.",
    )
    return {"": figure}


def _panel(axes: Axes, table: Table, laws: Sequence[str]) -> None:
    axes.axvspan(100 * BAND[0], 100 * BAND[1], color="0.82", linewidth=0)
    for kind, offset, marker, face, colour in (
        ("median", -0.18, "o", "#0072B2", "#0072B2"),
        ("mean", 0.18, "d", "none", "#B03A00"),
    ):
        part = table.where(interval=kind)
        places = [laws.index(row["law"]) + offset for row in part]
        axes.plot(
            [100 * value for value in part.numbers("coverage")], places, linestyle="", marker=marker,
            markersize=3.5, markerfacecolor=face, markeredgecolor=colour, markeredgewidth=0.8,
        )  # fmt: skip
    axes.set_yticks(range(len(laws)), [law_label(name) for name in laws])
    axes.set_ylim(len(laws) - 0.5, -0.5)
    axes.set_xlim(right=101.0)


EXPERIMENT = Experiment(
    "coverage",
    "How often 95 % intervals cover, by law, size and repeats: those printed, and those that are not.",
    Config,
    cells,
    rows,
    plot,
)
