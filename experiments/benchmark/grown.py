"""What grows: the library's operations on a tensor, a pair of samples, or a file, by their public entries."""

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from experiments.benchmark.ours import JOBS, Job
from fmq_theory.checkpoint.audit import audit
from fmq_theory.codebook import Codebook
from fmq_theory.metrics import (
    distortion,
    index_entropy,
    mean_distortion,
    sample_to_codebook_w2_squared,
    w2_squared,
)
from fmq_theory.quantizers import SCHEMES, LloydMax, design_grid, quantize
from fmq_theory.sources import Empirical, Gaussian

__all__ = ["COLUMNS", "GROWN", "MANY_TENSORS", "job_named"]

COLUMNS = 4096
MANY_TENSORS = "audit of tensors of 512 weights"
_SMALL = (8, 64)
_GRID = ("uniform", "equal_mass", "lloyd_max"), (4, 8)


class _File(NamedTuple):
    """A checkpoint that is there as long as this is."""

    path: Path
    folder: "tempfile.TemporaryDirectory[str]"


def job_named(name: str) -> Job:
    """One of these jobs, or of those that are timed beside peers.

    Args:
        name: key of ``GROWN`` or of ``JOBS``.
    """
    return GROWN.get(name) or JOBS[name]


@cache
def _codebook() -> Codebook:
    return LloydMax().design(Gaussian(), 16)


def _quantized(scheme: str, bits: int, granularity: str) -> Job:
    columns = None if granularity == "tensor" else COLUMNS
    group_size = 64 if granularity == "group" else None
    return Job(
        lambda x: quantize(x, scheme, bits, granularity=granularity, group_size=group_size), columns=columns
    )


def _grid(granularity: Literal["tensor", "channel"]) -> Job:
    def run(x: Any) -> list[float]:
        cells = design_grid(x, *_GRID, granularity=granularity)
        return [mean_distortion(cell.levels, cell.ends, cell.rows).mse for cell in cells]

    return Job(run, columns=None if granularity == "tensor" else COLUMNS)


def _judged(x: Any) -> tuple[float, float]:
    data = Empirical(x)
    return distortion(_codebook(), data), index_entropy(_codebook(), data)


def _weighted_optimum(pair: Any) -> Any:
    return LloydMax().design(Empirical(pair[0], np.abs(pair[1])), 16)


def _stored(state: Mapping[str, Any]) -> _File:
    import torch
    from safetensors.torch import save_file

    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "model.safetensors"
    save_file({name: torch.from_numpy(array) for name, array in state.items()}, path)
    return _File(path, folder)


def _one_tensor(x: Any) -> _File:
    return _stored({"weight": x})


def _many_tensors(x: Any) -> _File:
    size = int(np.prod(_SMALL))
    return _stored({f"blocks.{i}.weight": x[i : i + size].reshape(_SMALL) for i in range(0, x.size, size)
                    if i + size <= x.size})  # fmt: skip


def _audited(file: _File) -> Any:
    return audit(file.path, *_GRID)


def _audited_briefly(file: _File) -> Any:
    return audit(file.path, ("uniform",), (4,))


GROWN: dict[str, Job] = {
    **{f"{scheme}, 4 bits": _quantized(scheme, 4, "tensor") for scheme in SCHEMES},
    "equal_mass, 8 bits": _quantized("equal_mass", 8, "tensor"),
    "lloyd_max, 8 bits": _quantized("lloyd_max", 8, "tensor"),
    "dequantize": Job(
        lambda quantized: quantized.dequantize(),
        prepare=lambda x: quantize(x, "uniform", 4, granularity="tensor"),
    ),
    "Empirical, its distortion and entropy": Job(_judged),
    "W2 of a sample to a codebook": Job(lambda x: sample_to_codebook_w2_squared(x, _codebook())),
    "grid of 3 schemes × 2 bit-widths": _grid("tensor"),
    **{f"{scheme} by channel, 4 bits": _quantized(scheme, 4, "channel") for scheme in SCHEMES},
    "lloyd_max by groups of 64, 4 bits": _quantized("lloyd_max", 4, "group"),
    "grid by channel of 3 schemes × 2 bit-widths": _grid("channel"),
    "audit of one tensor by channel": Job(_audited, columns=COLUMNS, prepare=_one_tensor),
    MANY_TENSORS: Job(_audited_briefly, prepare=_many_tensors),
    "lloyd_max of bfloat16, 8 bits": Job(_quantized("lloyd_max", 8, "tensor").run, "bfloat16"),
    "lloyd_max of float16, 8 bits": Job(_quantized("lloyd_max", 8, "tensor").run, "float16"),
    "W2 of two samples": Job(lambda pair: w2_squared(*pair), "pair"),
    "optimum of weighted data, 4 bits": Job(_weighted_optimum, "pair"),
}
