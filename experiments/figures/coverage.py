"""How often intervals cover: those that the tool prints, and Student's of the mean, which it does not.

A pool of layers is drawn from a law, each is quantized in every way, and trials draw 8 or 20 layers from the
pool, one by one. What an interval must hold is the pool's own median (or mean), so the truth has no error of
its own: the pool stands for a law. The samples of the bundled flow model are a pool too, for the intervals
of their scores: over samples, over seeds of so many samples each, and of one scheme's lead over another.

Every kind of ``INTERVAL_KINDS`` is counted here; what no such kind names is not printed.
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import special

from experiments.figures.coverage_pools import layer_errors, layer_rates, sample_leads, sample_scores
from experiments.framework.experiment import Cell, Experiment, rng_of
from experiments.framework.laws import law, law_label
from experiments.framework.table import Row, Table
from fmq_theory.metrics import INTERVAL_KINDS, median_intervals
from fmq_theory.report.base.style import PAGE_WIDTH, heading

__all__ = ["BAND", "EXPERIMENT", "coverage_rows", "is_printed"]

BAND = (0.93, 0.97)
"""What an interval at nominal 95 % has to cover to be printed."""
_CONFIDENCE = 0.95
_FLOW = "digits"
_FEWEST_A_CELL = 4
"""Weights for each level of a fitted order."""
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
    flow_samples: tuple[int, ...] = (64, 192)
    flow_seeds: tuple[tuple[int, int], ...] = ((3, 16), (3, 64))
    lead_schemes: tuple[str, ...] = ("uniform", "equal_mass")
    lead_bits: tuple[int, ...] = (2, 4)
    lead_pool: int = 128
    lead_pairs: tuple[int, ...] = (64, 192)
    lead_seeds: tuple[tuple[int, int], ...] = ((2, 16), (8, 16), (16, 64))
    rate_pool: int = 300
    star_bits: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)
    order_bits: tuple[int, ...] = (4, 5, 6, 7, 8, 9, 10)
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
    """Two a law and size, and two for the samples of the flow model."""
    pairs = zip(config.sizes, config.pools, strict=True)
    drawn = [{"law": name, "n": n, "pool": pool} for (n, pool), name in itertools.product(pairs, config.laws)]
    rates = [
        {"law": name, "n": n, "pool": config.rate_pool, "of": "rates"}
        for n, name in itertools.product(config.sizes, config.laws)
    ]
    samples = [
        {"law": _FLOW, "n": 0, "pool": config.flow_pool},
        {"law": _FLOW, "n": 0, "pool": config.lead_pool, "of": "leads"},
    ]
    return [*drawn, *rates, *samples]


def rows(config: Config, cell: Cell) -> Sequence[Row]:
    """One a quantity, bit-width, number of repeats and kind of interval."""
    rng = rng_of(config, cell)
    if cell["law"] == _FLOW:
        return (_of_leads if cell.get("of") == "leads" else _of_samples)(config, rng)
    source, n, size = law(cell["law"]), int(cell["n"]), int(cell["pool"])
    kinds: tuple[str, ...] = ("median", "mean")
    if cell.get("of") == "rates":
        order_bits = config.order_bits if n >= _FEWEST_A_CELL * 2 ** max(config.order_bits) else ()
        pools = layer_rates(source, n, size, config.star_bits, order_bits, config.bits, rng)
        kinds = ("median",)
    else:
        schemes = config.schemes if n <= _LARGE else config.schemes_of_large
        pools = layer_errors(source, n, size, schemes, config.bits, rng)
    made: list[Row] = []
    for (name, bits), values in pools.items():
        about = {"law": cell["law"], "n": n, "pool": size, "quantity": name, "bits": bits or None}
        for count in config.repeats:
            made += coverage_rows(values, count, config.trials, kinds, about, rng)
    return made


def _of_samples(config: Config, rng: np.random.Generator) -> list[Row]:
    """Scores over samples and over seeds."""
    made: list[Row] = []
    scores = sample_scores(config.schemes, config.flow_bits, config.flow_pool, config.seed)
    for (scheme, name, bits), values in scores.items():
        about = _about_flow(config.flow_pool, name, scheme, bits)
        for count in config.flow_samples:
            made += coverage_rows(values, count, config.trials, ("mean",), about, rng)
        made += _over_seeds(values, config.flow_seeds, config.trials, about, rng)
    return made


def _of_leads(config: Config, rng: np.random.Generator) -> list[Row]:
    """Leads over pairs of samples, and scores over other numbers of seeds."""
    made: list[Row] = []
    scores = sample_scores(config.lead_schemes, config.lead_bits, config.lead_pool, config.seed)
    for (schemes, name, bits), values in sample_leads(scores).items():
        about = _about_flow(config.lead_pool, name, schemes, bits)
        for count in config.lead_pairs:
            made += coverage_rows(values, count, config.trials, ("lead",), about, rng)
    for (scheme, name, bits), values in scores.items():
        about = _about_flow(config.lead_pool, name, scheme, bits)
        made += _over_seeds(values, config.lead_seeds, config.trials, about, rng)
    return made


def _about_flow(pool: int, quantity: str, scheme: str, bits: int) -> Row:
    return {"law": _FLOW, "n": 0, "pool": pool, "quantity": quantity, "scheme": scheme, "bits": bits}


def _over_seeds(
    values: Floats, seeds: Sequence[tuple[int, int]], trials: int, about: Row, rng: np.random.Generator
) -> list[Row]:
    """What is drawn is the mean of a seed: of a pool of such means, so large that it is their law."""
    made: list[Row] = []
    for count, samples in seeds:
        means = values[rng.integers(values.size, size=(_MEANS, samples))].mean(axis=1)
        made += coverage_rows(means, count, trials, ("seeds",), {**about, "samples": samples}, rng)
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
        truth, (low, high) = _METHODS[kind](pool, drawn)
        below, above = float(np.mean(high < truth)), float(np.mean(low > truth))
        made.append(
            {
                **about, "repeats": count, "interval": kind, "confidence": _CONFIDENCE, "trials": trials,
                "coverage": 1.0 - below - above, "below": below, "above": above,
                "printed": is_printed(kind, str(about["quantity"]), about.get("bits"), count),
            }
        )  # fmt: skip
    return made


def _median(pool: Floats, drawn: Floats) -> tuple[float, tuple[Floats, Floats]]:
    """The pool's median, and the interval of each trial's: that of ``median_estimate``."""
    return float(np.median(pool)), median_intervals(drawn, confidence=_CONFIDENCE)


def _lead(pool: Floats, drawn: Floats) -> tuple[float, tuple[Floats, Floats]]:
    """The same, from one order statistic to another: that of a verdict."""
    return float(np.median(pool)), median_intervals(drawn, confidence=_CONFIDENCE, interpolated=False)


def _mean(pool: Floats, drawn: Floats) -> tuple[float, tuple[Floats, Floats]]:
    """The pool's mean, and Student's interval of each trial's: that of ``mean_estimate``."""
    count = drawn.shape[1]
    middle, spread = drawn.mean(axis=1), drawn.std(axis=1, ddof=1)
    half = float(special.stdtrit(count - 1, 0.5 + 0.5 * _CONFIDENCE)) * spread / math.sqrt(count)
    return float(pool.mean()), (middle - half, middle + half)


_METHODS: Mapping[str, Callable[[Floats, Floats], tuple[float, tuple[Floats, Floats]]]] = {
    "median": _median,
    "mean": _mean,
    "seeds": _mean,
    "lead": _lead,
}


def is_printed(kind: str, quantity: str, bits: object, count: int) -> bool:
    """Whether the tool prints this interval of this quantity, of so many numbers: ``INTERVAL_KINDS``."""
    known = INTERVAL_KINDS.get(kind)
    scores = {"psnr": "psnr_db", "ssim": "ssim", "squared error": "sample_error_rms"}
    if kind == "mean" and quantity not in scores:
        return False
    return known is not None and known.has(scores.get(quantity, quantity), bits, count)


def plot(table: Table) -> Mapping[str, Figure]:
    """Coverage by law and size; filled: of the median, printed; open: what is not printed, by kind."""
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
        "order statistics, printed. Open: not printed; circles b*, diamonds the mean by Student's. Grey: 93 "
        "to 97 %.",
    )
    return {"": figure}


def _panel(axes: Axes, table: Table, laws: Sequence[str]) -> None:
    axes.axvspan(100 * BAND[0], 100 * BAND[1], color="0.82", linewidth=0)
    for kind, printed, offset, marker, colour in (
        ("median", True, -0.18, "o", "#0072B2"),
        ("median", False, -0.18, "o", "#0072B2"),
        ("mean", False, 0.18, "d", "#B03A00"),
    ):
        part = table.where(interval=kind, printed=printed)
        face = colour if printed else "none"
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
