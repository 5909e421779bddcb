"""Our jobs, by the entry points that a user calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from experiments.benchmark.contender import Contender
from experiments.benchmark.datasets import Dataset, Law
from fmq_theory.metrics import mean_distortion, w2_squared
from fmq_theory.quantizers import SCHEMES, GridCell, design_grid, quantize

__all__ = ["GRID_BITS", "GRID_SCHEMES", "JOBS", "Job", "ours"]

GRID_SCHEMES = tuple(name for name in SCHEMES if name not in ("nf4", "fp4"))  # those with any number of bits
GRID_BITS = (2, 3, 4, 5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class Job:
    """One job of ours on one tensor.

    Attributes:
        run: from data to a result.
        kind: of the data; see ``Dataset``.
        columns: of a matrix; None for a flat tensor.
        prepare: from data to what ``run`` takes, outside the clock.
    """

    run: Callable[[Any], Any]
    kind: Literal["float32", "bfloat16", "float16", "pair"] = "float32"
    columns: int | None = None
    prepare: Callable[[Any], Any] = lambda data: data

    def dataset(self, law: Law, size: int) -> Dataset:
        """Data of about ``size`` numbers for this job."""
        shape = (size,) if self.columns is None else (max(1, size // self.columns), self.columns)
        return Dataset(law, shape, self.kind)


def _whole(scheme: str, bits: int) -> Callable[[Any], Any]:
    return lambda x: quantize(x, scheme, bits, granularity="tensor")


def _by_channel(scheme: str, bits: int) -> Callable[[Any], Any]:
    return lambda x: quantize(x, scheme, bits, granularity="channel")


def _grid(x: Any) -> Mapping[tuple[str, int], float]:
    """The distortion of every scheme at every number of bits, from one sort."""
    cells = design_grid(x, GRID_SCHEMES, GRID_BITS, granularity="tensor")
    # In order; a cell knows its scheme by its class's name, which two schemes may share.
    return {(name, bits): _mse(next(cells)) for name in GRID_SCHEMES for bits in GRID_BITS}


def _mse(cell: GridCell) -> float:
    return mean_distortion(cell.levels, cell.ends, cell.rows).mse


JOBS: dict[str, Job] = {
    "equal mass, 2 bits": Job(_whole("equal_mass", 2)),
    "equal mass, 4 bits": Job(_whole("equal_mass", 4)),
    "equal mass, 8 bits": Job(_whole("equal_mass", 8)),
    "optimum, 4 bits": Job(_whole("lloyd_max", 4)),
    "optimum, 8 bits": Job(_whole("lloyd_max", 8)),
    "optimum of bfloat16, 4 bits": Job(_whole("lloyd_max", 4), "bfloat16"),
    "optimum of bfloat16, 8 bits": Job(_whole("lloyd_max", 8), "bfloat16"),
    "optimum of float16, 4 bits": Job(_whole("lloyd_max", 4), "float16"),
    "optimum of float16, 8 bits": Job(_whole("lloyd_max", 8), "float16"),
    "equal mass by channel, 4 bits": Job(_by_channel("equal_mass", 4), columns=4096),
    "optimum by channel, 4 bits": Job(_by_channel("lloyd_max", 4), columns=4096),
    "optimum by channel, 8 bits": Job(_by_channel("lloyd_max", 8), columns=4096),
    "W2 of two samples": Job(lambda pair: w2_squared(*pair), "pair"),
    "8 schemes × 7 bit-widths": Job(_grid),
}


def ours(job: str, threads: int = 1, name: str = "ours") -> Contender:
    """Our contender for a job."""
    return Contender(name, JOBS[job].run, threads=threads, only_once=False)
