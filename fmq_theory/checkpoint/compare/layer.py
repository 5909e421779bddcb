"""The score of one layer: its error, the optimum of its own format, the best of its size."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.checkpoint.compare.result import BestAtSize, LayerScore, sqnr_of
from fmq_theory.checkpoint.foreign.stored import Decoded, ScaledTable, StoredWeight
from fmq_theory.checkpoint.io.tensors import as_numpy
from fmq_theory.checkpoint.plan.options import BLOCK_SCHEMES, SCHEMES, Option, Search, tensor_options
from fmq_theory.errors import FmqError
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.kernels.table_scales import least_table_errors
from fmq_theory.metrics import mean_distortion
from fmq_theory.quantizers.grid import design_grid

__all__ = ["Settings", "score_layer"]

Numbers = NDArray[np.floating]

_BLOCK = 2**20  # numbers that are in float64 at a time
_WIDE = 16.0  # bits of a weight that is no matter of choosing among codebooks any more
_FEWER = 2  # bits below the size of the layer at which its best may lie, where tables weigh much
_GROUPS = (32, 64, 128, 256)
_SCALE_BITS = 8  # of a group, at least
_NUMBER_BITS = 32
_WIDEST = 2**21  # weights of a row times levels, up to which its best scale is computed
_ROWS = 4096  # that are in float64 at a time


@dataclass(frozen=True, slots=True)
class Settings:
    """What is computed beside the error.

    Attributes:
        best: look for the best at the size of each layer.
        own: compute the optimum of each layer's own format.
        threads: at most so many at once.
    """

    best: bool
    own: bool
    threads: int


def score_layer(
    name: str, weights: Numbers, stored: StoredWeight, decoded: Decoded, settings: Settings
) -> LayerScore:
    """The score, without its shares of all layers.

    Args:
        name: of the layer in the original.
        weights: of the original, finite.
        stored: what the file has of it.
        decoded: the same, in memory; finite.
        settings: what else is computed.
    """
    numbers = as_numpy(decoded.weights)
    sums, exponent = squared_sums(weights, numbers)
    energy, sse = (_times_power(value, exponent) for value in sums)
    own_sse, own = _own_optimum(weights, decoded, settings)
    return LayerScore(
        name=name,
        stored_name=stored.name,
        shape=tuple(weights.shape),
        weights=weights.size,
        format=stored.format,
        quantized=not stored.plain,
        num_bytes=stored.num_bytes,
        effective_bits=stored.effective_bits,
        energy=energy,
        sse=sse,
        relative_error=math.sqrt(sums[1] / sums[0]) if sums[0] > 0.0 else None,
        sqnr_db=sqnr_of(*sums),
        share_of_error=None,
        share_of_weights=1.0,
        own_sse=own_sse,
        own=own,
        best=_best(weights, stored, settings) if settings.best else None,
    )


def squared_sums(weights: Numbers, numbers: Numbers) -> tuple[tuple[float, float], int]:
    """sum w**2 and sum (w - q)**2, both over 4**exponent, and that exponent: no square leaves float64.

    Args:
        weights: w, finite.
        numbers: q, of the same shape, finite.
    """
    flat, others = weights.reshape(-1), numbers.reshape(-1)
    largest = max(float(np.abs(flat).max(initial=0.0)), float(np.abs(others).max(initial=0.0)))
    exponent = math.frexp(largest)[1] if largest > 0.0 else 0
    energy: list[float] = []
    errors: list[float] = []
    for first in range(0, flat.size, _BLOCK):
        w = np.ldexp(flat[first : first + _BLOCK].astype(np.float64), -exponent)
        d = w - np.ldexp(others[first : first + _BLOCK].astype(np.float64), -exponent)
        energy.append(float(w @ w))
        errors.append(float(d @ d))
    return (math.fsum(energy), math.fsum(errors)), exponent


def _times_power(value: float, exponent: int) -> float:
    """value * 4**exponent; inf where that is beyond float64."""
    try:
        return math.ldexp(value, 2 * exponent)
    except OverflowError:
        return math.inf


def _own_optimum(weights: Numbers, decoded: Decoded, settings: Settings) -> tuple[float | None, str]:
    """The least sum of squared errors of the format, and in words how it was found or why it was not."""
    if not settings.own:
        return None, "not asked for"
    if decoded.nearest is not None:
        rounded = as_numpy(_nearest(weights, decoded.nearest))
        (_, sse), exponent = squared_sums(weights, rounded)
        return _times_power(sse, exponent), "each weight to its nearest number"
    if decoded.scaled is not None:
        return _best_scales(weights, decoded.scaled, settings)
    if decoded.tables is None:
        return None, "the best scales of this format are not computed"
    tables = decoded.tables
    bits = (tables.num_levels - 1).bit_length()
    if 2**bits != tables.num_levels or not 1 <= bits <= 8:
        return None, f"tables of {tables.num_levels} levels are not designed"
    scheme = "uniform_clipped" if tables.equal_steps else "lloyd_max"
    rows = np.ascontiguousarray(tables.rows(weights))
    found = next(iter(design_grid(rows, (scheme,), (bits,), "channel", threads=settings.threads)))
    sse = mean_distortion(found.levels, found.ends, found.rows).mse * rows.size
    if tables.equal_steps:
        return sse, f"the best range found for {2**bits} equal steps in the same rows"
    return sse, f"exact tables of {2**bits} levels for the same rows"


def _best_scales(weights: Numbers, scaled: ScaledTable, settings: Settings) -> tuple[float | None, str]:
    """The least error of a fixed table with a scale a row, where scales have all digits."""
    rows, table = scaled.rows(weights), np.array(scaled.levels)
    if rows.shape[1] * table.size > _WIDEST:
        return None, f"the best scales of rows of {rows.shape[1]} weights are not computed"
    exponent = math.frexp(float(np.abs(rows).max(initial=0.0)))[1]
    errors = np.empty(len(rows))

    def least(begin: int, end: int) -> None:
        for first in range(begin, end, _ROWS):
            part = np.ldexp(rows[first : min(end, first + _ROWS)].astype(np.float64), -exponent)
            least_table_errors(part, table, errors[first : first + len(part)])

    run_blocks(least, len(rows), settings.threads)
    sse = _times_power(math.fsum(errors), exponent)
    return sse, f"the same table with the best scale for each {rows.shape[1]} weights, of all digits"


def _nearest(weights: Numbers, dtype: torch.dtype) -> torch.Tensor:
    """Each weight as the nearest number of the type; beyond its range the largest one."""
    exact = torch.from_numpy(np.ascontiguousarray(weights))  # pyright: ignore[reportUnknownMemberType]
    if exact.dtype == dtype:
        return exact
    largest = torch.finfo(dtype).max
    return exact.clamp(-largest, largest).to(dtype)


def _best(weights: Numbers, stored: StoredWeight, settings: Settings) -> BestAtSize | None:
    """The best of what a plan chooses from that takes at most the bits of the layer."""
    room = 8 * stored.num_bytes
    if not 1.0 <= stored.effective_bits < _WIDE:
        return None
    most = min(8, int(stored.effective_bits))
    options = [
        option
        for bits in range(max(1, most - _FEWER), most + 1)
        for option in _options(weights, bits, room, settings.threads)
        if option.cost <= room
    ]
    if not options:
        return None
    best = min(options, key=lambda option: option.sse)
    return BestAtSize(str(best.choice), best.cost / weights.size, best.sse)


def _options(weights: Numbers, bits: int, room: int, threads: int) -> list[Option]:
    """Options of so many bits, but for those of which the sizes alone say that they do not fit."""
    channel = weights.size // weights.shape[0] if weights.ndim >= 2 else weights.size
    spare = room / weights.size - bits
    granularities = [
        g for g, size in (("channel", channel), ("tensor", weights.size)) if spare * size >= _NUMBER_BITS
    ]
    groups = [size for size in _GROUPS if channel % size == 0 and spare * size >= _SCALE_BITS]
    if not granularities and not groups:
        return []
    search = Search(
        schemes=SCHEMES if granularities else (),
        bits=(bits,),
        granularities=granularities or ("channel",),
        group_sizes=groups or (1,),
        block_schemes=BLOCK_SCHEMES if groups else (),
    )
    try:
        return list(tensor_options(weights, search, threads))
    except FmqError:  # the weights rule out all of them, as zeros rule out scales
        return []
