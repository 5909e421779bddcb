"""The audit of one tensor: every scheme at every bit-width, from one sort of its rows."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fmq_theory.bounds.high_rate_rows import HighRateRows
from fmq_theory.checkpoint.audit.result import AuditCell, TensorAudit, ratios_of
from fmq_theory.checkpoint.audit.tails import spread_of
from fmq_theory.checkpoint.audit.theory import TheorySums
from fmq_theory.checkpoint.io.naming import Entry
from fmq_theory.checkpoint.io.tensors import SkippedTensor, as_numpy, nonfinite, weights_digest
from fmq_theory.errors import FmqError, WeightsError, argument
from fmq_theory.metrics import mean_distortion
from fmq_theory.quantizers.grid import grid_of_rows
from fmq_theory.quantizers.layout import Layout
from fmq_theory.sources.sorted_rows import SortedRows

__all__ = ["AuditSettings", "OnNonfinite", "Outcome", "audit_entry", "entry_digest"]

OnNonfinite = Literal["stop", "skip"]

# Bytes that a part of a tensor may take: its weights twice, their sums, and codebooks of 256 levels.
_PART_BYTES = 96 * 2**20


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """What is measured.

    Attributes:
        schemes: names that ``get_scheme`` knows.
        bits: rising.
        granularity: see ``quantize``.
        group_size: see ``quantize``.
        on_nonfinite: whether a tensor with nan or inf ends the audit or is left out.
        threads: of one tensor.
        theory: whether the optional columns of ``AuditCell`` are wanted.
        digests: whether the weights' digests are wanted, to keep what is finished.
    """

    schemes: tuple[str, ...]
    bits: tuple[int, ...]
    granularity: str
    group_size: int | None
    on_nonfinite: OnNonfinite
    threads: int
    theory: bool = False
    digests: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one tensor.

    Attributes:
        found: its audit, or why there is none.
        weights: digest of the numbers that were measured; empty where it was not wanted.
    """

    found: TensorAudit | SkippedTensor
    weights: str = ""


@dataclass(slots=True)
class _Sums:
    """One scheme at one bit-width over the parts of a tensor."""

    sse: list[float] = field(default_factory=list[float])
    entropy: list[float] = field(default_factory=list[float])
    bits: list[float] = field(default_factory=list[float])
    high_rate: list[float] | None = field(default_factory=list[float])
    theory: TheorySums = field(default_factory=TheorySums)


def audit_entry(
    entry: Entry, settings: AuditSettings, progress: Callable[[int], None] = lambda _done: None
) -> Outcome:
    """Everything about one tensor of a file that is open.

    Args:
        entry: the tensor.
        settings: what is measured.
        progress: called with the weights done so far.

    Raises:
        WeightsError: it holds nan or inf, and these are not to be skipped.
        FmqError: it cannot be measured; the message names it.
    """
    start = time.perf_counter()
    shape = entry.stored.shape
    array = as_numpy(entry.stored.load())
    if reason := nonfinite(array):
        if settings.on_nonfinite == "skip":
            return Outcome(SkippedTensor(entry.name, shape, reason))
        raise WeightsError(
            f"tensor {entry.name!r}",
            reason,
            ("pass ", argument("on_nonfinite", "skip"), " to leave such tensors out"),
        )
    weights = weights_digest(array, str(entry.stored.dtype)) if settings.digests else ""
    try:
        return Outcome(_measured(entry, array, settings, progress, start), weights)
    except FmqError as error:
        raise error.renamed(f"tensor {entry.name!r}: {error.thing}") from error


def entry_digest(entry: Entry) -> str:
    """``Outcome.weights`` of a tensor that is not measured."""
    return weights_digest(as_numpy(entry.stored.load()), str(entry.stored.dtype))


def _measured(
    entry: Entry,
    array: NDArray[np.floating],
    settings: AuditSettings,
    progress: Callable[[int], None],
    start: float,
) -> TensorAudit:
    layout = Layout.of(array.shape, settings.granularity, 0, settings.group_size)
    rows = layout.rows(array)
    num_rows, size = int(rows.shape[0]), int(rows.shape[1])
    energy: list[float] = []
    sums: dict[tuple[str, int], _Sums] = {}
    refused: dict[tuple[str, int], str] = {}
    for first, part in _parts(rows, settings):
        ordered = SortedRows.of(part, settings.threads)
        energy += ordered.blocks[:, -1, 3].tolist()
        laws = HighRateRows(ordered)
        for cell in grid_of_rows(ordered, settings.schemes, settings.bits, array, refused):
            total = sums.setdefault((cell.scheme, cell.bits), _Sums())
            found = mean_distortion(cell.levels, cell.ends, cell.rows)
            total.sse.append(found.mse * part.size)
            total.entropy.append(found.entropy_bits * part.size)
            total.bits.append(cell.effective_bits * part.size)
            if settings.theory:
                total.theory.add(cell, part)
            law = laws.distortion(cell.scheme, 2**cell.bits)
            if law is None:
                total.high_rate = None
            elif total.high_rate is not None:
                total.high_rate += (law * size).tolist()
        progress((first + part.shape[0]) * size)
    squares = math.fsum(energy)
    cells = tuple(
        _cell(scheme, b, total, array.size, size, squares, theory=settings.theory)
        for (scheme, b), total in sums.items()
        if (scheme, b) not in refused  # by none of the parts
    )
    ratios, crossover = ratios_of(cells, settings.bits)
    return TensorAudit(
        name=entry.name,
        shape=entry.stored.shape,
        dtype=str(entry.stored.dtype).removeprefix("torch."),
        weights=array.size,
        granularity=layout.granularity,
        codebooks=num_rows,
        weights_per_codebook=size,
        energy=squares,
        spread=spread_of(array),
        cells=cells,
        ratios=ratios,
        crossover_bits=crossover,
        lossless_bits=next((b for b in settings.bits if size <= 2**b), None),
        seconds=time.perf_counter() - start,
        refused=tuple((scheme, b, reason) for (scheme, b), reason in refused.items()),
    )


def _parts(rows: NDArray[np.floating], settings: AuditSettings) -> Iterator[tuple[int, NDArray[np.floating]]]:
    """Some rows at a time in float32 or float64, contiguous, so that memory does not grow with the tensor."""
    num_rows, size = rows.shape
    bytes_a_row = 4 * size * max(rows.itemsize, 4) + 2 ** max(settings.bits) * 5 * 8
    wanted = np.float32 if np.can_cast(rows.dtype, np.float32) else np.float64
    step = max(settings.threads, _PART_BYTES // bytes_a_row, 1)
    for first in range(0, num_rows, step):
        yield first, np.ascontiguousarray(rows[first : first + step], dtype=wanted)


def _cell(
    scheme: str, bits: int, total: _Sums, weights: int, size: int, energy: float, *, theory: bool
) -> AuditCell:
    sse = math.fsum(total.sse)
    return AuditCell(
        scheme=scheme,
        bits=bits,
        weights=weights,
        sse=sse,
        mse=sse / weights,
        relative_error=math.sqrt(sse / energy) if energy > 0.0 else None,
        high_rate_mse=None if total.high_rate is None else math.fsum(total.high_rate) / weights,
        entropy_bits=math.fsum(total.entropy) / weights,
        effective_bits=math.fsum(total.bits) / weights,
        lossless=size <= 2**bits,
        **(total.theory.columns(weights) if theory else {}),
    )
