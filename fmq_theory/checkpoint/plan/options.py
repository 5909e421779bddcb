"""What each tensor of a checkpoint could become: options with their bits and their measured squared error."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.io.files import OpenCheckpoint, Readable, opened
from fmq_theory.checkpoint.io.reader import iter_tensors
from fmq_theory.checkpoint.io.tensors import weights_digest
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.errors import FmqError, SchemeError, SourceError, WeightsError
from fmq_theory.metrics import mean_distortion
from fmq_theory.quantizers import get_scheme
from fmq_theory.quantizers.block_scaled import BlockCell, BlockScheme, design_blocks
from fmq_theory.quantizers.fixed_table import FixedTable
from fmq_theory.quantizers.grid import GridCell, design_grid
from fmq_theory.quantizers.tensor import checked_bits

__all__ = [
    "ALL_BITS",
    "BLOCK_SCHEMES",
    "SCHEMES",
    "Option",
    "Progress",
    "Search",
    "TensorOptions",
    "build_options",
    "least_bits",
    "least_bits_of_sizes",
    "measured_options",
]

_Cell = TypeVar("_Cell", GridCell, BlockCell)

Progress = Callable[[str, int, int], None]
"""Called after each tensor with its name, the weights done so far, and all weights."""

ALL_BITS = (1, 2, 3, 4, 5, 6, 7, 8)
# The optimum of each number of bits, and a scheme with two numbers a channel where codebooks weigh too much.
SCHEMES = ("lloyd_max", "uniform_clipped", "nf4")
BLOCK_SCHEMES = ("block:lloyd_max:float16:signed", "block:lloyd_max:float8_e4m3:signed")


@dataclass(frozen=True, slots=True)
class Option:
    """One way to quantize a tensor.

    Attributes:
        choice: the way.
        cost: bits of the whole tensor, codebook overhead included.
        sse: sum of squared errors.
    """

    choice: Choice
    cost: int
    sse: float


@dataclass(frozen=True, slots=True)
class TensorOptions:
    """A tensor and what it could become.

    Attributes:
        name: of the tensor.
        weights: how many it has.
        stored_bits: of each weight in the checkpoint: what it costs to keep it.
        options: at least one.
        digest: of its numbers; see ``weights_digest``.
    """

    name: str
    weights: int
    stored_bits: int
    options: tuple[Option, ...]
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Search:
    """Which options are measured.

    Attributes:
        schemes: names for ``design_grid``; those that have no codebook of 2**bits levels are left out.
        bits: 1 to 8 each.
        granularities: of ``schemes``: "channel", "tensor", "group".
        group_sizes: of granularity "group" and of ``block_schemes``; a size that does not divide a tensor's
            channels is left out there.
        block_schemes: as ``BlockScheme.parse`` reads them.

    Raises:
        SchemeError: nothing to choose from, or an entry that does not exist.
    """

    schemes: Sequence[str] = SCHEMES
    bits: Sequence[int] = ALL_BITS
    granularities: Sequence[str] = ("channel", "tensor")
    group_sizes: Sequence[int] = (32, 64, 128)
    block_schemes: Sequence[str] = BLOCK_SCHEMES

    def __post_init__(self) -> None:
        for bits in self.bits:
            checked_bits(bits)
        for scheme in self.schemes:
            get_scheme(scheme)
        if len({get_scheme(scheme).name for scheme in self.schemes}) < len(self.schemes):
            raise SchemeError("schemes", "two of them have one name", "name each once")
        for scheme in self.block_schemes:
            BlockScheme.of(scheme)
        for granularity in self.granularities:
            if granularity not in ("channel", "tensor", "group"):
                raise SchemeError(
                    f"granularity {granularity!r}", "no such granularity", "choose channel, tensor or group"
                )
        for size in self.group_sizes:
            if size < 1:
                raise SchemeError(f"group size {size}", "it is not positive", "pass for example 64")
        if not (
            self.bits and ((self.schemes and self.granularities) or (self.block_schemes and self.group_sizes))
        ):
            raise SchemeError("search", "it leaves nothing to choose from", "name bits and schemes")

    def as_config(self) -> dict[str, list[str] | list[int]]:
        """Plain JSON."""
        return {
            "schemes": list(self.schemes),
            "bits": list(self.bits),
            "granularities": list(self.granularities),
            "group_sizes": list(self.group_sizes),
            "block_schemes": [BlockScheme.of(scheme).name for scheme in self.block_schemes],
        }


def build_options(
    checkpoint: Readable,
    search: Search | None = None,
    *,
    names: Sequence[str] = (),
    min_ndim: int = 2,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[TensorOptions]:
    """The options of every tensor, one tensor in memory at a time.

    Args:
        checkpoint: what is to be quantized.
        search: what to measure; None for the default.
        names: only these tensors; see ``iter_tensors``.
        min_ndim: see ``iter_tensors``.
        threads: see ``quantize``.
        progress: told after each tensor.

    Raises:
        CheckpointError: see ``iter_tensors``.
        WeightsError: see ``iter_tensors``.
        SchemeError: no option of the search fits a tensor.
    """
    search = search or Search()
    with opened(checkpoint) as stored:
        facts = _facts(stored)
        total = sum(facts[name][1] for name in names if name in facts)
        if not names:  # some may be left out below
            total = sum(size for ndim, size, _ in facts.values() if ndim >= min_ndim)
        done = 0
        found: list[TensorOptions] = []
        for tensor in iter_tensors(stored, names=names, min_ndim=min_ndim):
            found.append(measured_options(tensor.name, tensor.array, facts[tensor.name][2], search, threads))
            done += tensor.array.size
            if progress is not None:
                progress(tensor.name, done, max(total, done))
    return found


def measured_options(
    name: str, weights: NDArray[np.floating], stored_bits: int, search: Search, threads: int | None = None
) -> TensorOptions:
    """The options of one tensor.

    Args:
        name: of it.
        weights: its numbers, all finite.
        stored_bits: of each weight where it is kept as it is.
        search: what to measure.
        threads: see ``quantize``.

    Raises:
        FmqError: no option fits it; it is named.
    """
    try:
        options = tuple(tensor_options(weights, search, threads))
    except FmqError as error:
        raise error.renamed(f"tensor {name!r}: {error.thing}") from error
    if not options:
        raise SchemeError(
            f"tensor {name!r} of shape {weights.shape}",
            "no option of the search fits it",
            "allow channels, other group sizes or other bits, or leave the tensor out",
        )
    return TensorOptions(
        name, weights.size, stored_bits, options, weights_digest(weights, weights.dtype.name)
    )


def least_bits(
    checkpoint: Readable, search: Search | None = None, *, names: Sequence[str] = (), min_ndim: int = 2
) -> float:
    """A mean of bits a weight that no choice can be below, from the sizes alone.

    Codes take the fewest bits of the search, and a codebook has one number of 32 bits at least; or the tensor
    stays as it is.

    Raises:
        CheckpointError: the file cannot be read.
    """
    with opened(checkpoint) as stored:
        facts = _facts(stored)
    chosen = [facts[name] for name in names if name in facts] if names else list(facts.values())
    sizes = [(size, stored) for ndim, size, stored in chosen if names or ndim >= min_ndim]
    return least_bits_of_sizes(sizes, search or Search())


def least_bits_of_sizes(sizes: Sequence[tuple[int, int]], search: Search) -> float:
    """``least_bits`` of tensors of so many weights, of so many bits each as they are stored."""
    fewest = min(search.bits)
    total = sum(size for size, _ in sizes)
    return sum(min(size * fewest + 32, size * stored) for size, stored in sizes) / max(1, total)


def tensor_options(
    weights: NDArray[np.floating], search: Search, threads: int | None = None
) -> Iterator[Option]:
    """The options of one tensor, without those that its weights rule out, as a mask's rule out block scales.

    Raises:
        FmqError: they rule out all of them; the reason is that of the first.
    """
    ruled_out: list[FmqError] = []
    count = 0
    for option in _possible_options(weights, search, threads, ruled_out):
        count += 1
        yield option
    if count == 0 and ruled_out:
        raise ruled_out[0]


def _possible_options(
    weights: NDArray[np.floating], search: Search, threads: int | None, ruled_out: list[FmqError]
) -> Iterator[Option]:
    """Those that can be measured; why the others cannot is added to ``ruled_out``."""
    channel = weights.size // weights.shape[0] if weights.ndim >= 2 else weights.size
    sizes = [size for size in search.group_sizes if channel % size == 0]
    for granularity in search.granularities:
        for size in sizes if granularity == "group" else (None,):
            cells = design_grid(
                weights, search.schemes, search.bits, granularity, group_size=size, threads=threads
            )
            for cell in _until_ruled_out(cells, ruled_out):
                cost = round(cell.effective_bits * weights.size)
                sse = mean_distortion(cell.levels, cell.ends, cell.rows).mse * weights.size
                yield Option(Choice(cell.scheme, cell.bits, granularity, size), cost, sse)
    for block in map(BlockScheme.of, search.block_schemes):
        scheme = get_scheme(block.scheme)
        widths = [b for b in search.bits if not isinstance(scheme, FixedTable) or 2**b == scheme.num_codes]
        for size in sizes:
            blocks = design_blocks(weights, block, widths, size, threads=threads)
            for cell in _until_ruled_out(blocks, ruled_out):
                cost = round(cell.effective_bits * weights.size)
                choice = Choice(block.name, cell.bits, "group", size)
                yield Option(choice, cost, cell.mse * weights.size)


def _until_ruled_out(cells: Iterator[_Cell], ruled_out: list[FmqError]) -> Iterator[_Cell]:
    """The cells, up to one that the weights rule out."""
    try:
        yield from cells
    except (SchemeError, SourceError, WeightsError) as error:
        ruled_out.append(error)


def _facts(stored: OpenCheckpoint) -> dict[str, tuple[int, int, int]]:
    """Dimensions, weights and bits a weight of the tensors of a checkpoint."""
    return {
        name: (len(entry.stored.shape), math.prod(entry.stored.shape), 8 * entry.stored.dtype.itemsize)
        for entry in reversed(stored.entries())  # the first of a name counts
        for name in (entry.full_name, entry.name)
        if entry.stored.dtype.is_floating_point
    }
