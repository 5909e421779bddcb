"""Samples of a law, and what every scheme and bit-width does to each of them."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from fmq_theory.codebook import Codebook
from fmq_theory.errors import SchemeError
from fmq_theory.metrics import distortion, index_entropy, sample_to_codebooks_w2_squared_pot
from fmq_theory.quantizers import ClippedUniform, Scheme
from fmq_theory.shown import counted
from fmq_theory.sources import Empirical, Source

__all__ = ["Asked", "Measured", "Sample", "measured_samples"]

_ROUNDING = 2.0**-48  # of the largest magnitude
_MOST_HELD = 1 << 25
"""Weights of all samples together up to which they are held at once, at 20 bytes each."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One scheme and bit-width on one sample.

    ``undefined`` says why there is no codebook of this size (nf4 at 3 bits); the numbers are then nan.
    """

    own: float = math.nan
    fresh: float = math.nan
    entropy_bits: float = math.nan
    w2_squared_pot: float | None = None
    num_levels: int = 0
    undefined: str = ""


Sample = dict[tuple[str, int], Measured]
"""One sample, by scheme and bit-width."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured on every sample.

    Attributes:
        source: the law.
        designs: schemes by name.
        bits: bit-widths.
        shown: names of those that the reader sees; the others are measured for the ratios alone.
        n: weights a sample.
    """

    source: Source
    designs: dict[str, Scheme]
    bits: Sequence[int]
    shown: tuple[str, ...]
    n: int

    def draw(self, seed: np.random.SeedSequence) -> Empirical:
        return Empirical(self.source.sample(self.n, rng=np.random.default_rng(seed)))

    @property
    def order(self) -> list[str]:
        """The schemes; the search for a range has most to compile, which another process may be doing."""
        return sorted(self.designs, key=lambda name: name == ClippedUniform.name)


def measured_samples(
    asked: Asked,
    seeds: Sequence[np.random.SeedSequence],
    workers: int,
    progress: Callable[[float, str], None],
    ready: Callable[[str, Sequence[float]], None],
) -> list[Sample]:
    """Every scheme on every sample: scheme by scheme where the samples fit into memory, else one by one.

    The kernels, sorting and drawing release the interpreter lock, so threads are enough.

    Args:
        asked: what is measured.
        seeds: one a sample.
        workers: samples measured at a time.
        progress: called with the share done, from 0 to 1, and what is measured.
        ready: see ``compare_law``.
    """
    repeats, order = len(seeds), asked.order
    progress(0.0, f"measuring {counted(repeats, 'sample')}")
    samples: list[Sample] = [{} for _ in seeds]

    def one(index: int) -> Sample:
        return _measure(asked, asked.draw(seeds[index]), order, index)

    def told(name: str) -> None:
        cells = [[sample[name, b] for sample in samples] for b in asked.bits]
        ready(name, [math.fsum(cell.own for cell in row) / repeats for row in cells])

    with ThreadPoolExecutor(max_workers=max(1, min(workers, repeats))) as pool:
        try:
            if asked.n * repeats > _MOST_HELD:
                whole = [pool.submit(one, index) for index in range(repeats)]
                for index, found in enumerate(whole):
                    samples[index] = found.result()
                    progress((index + 1) / repeats, f"measuring, sample {index + 1} of {repeats}")
                for name in order:
                    told(name)
                return samples
            drawn = list(pool.map(asked.draw, seeds))
            running = [
                [pool.submit(_measure, asked, sample, [name], index) for index, sample in enumerate(drawn)]
                for name in order
            ]
            for done, (name, parts) in enumerate(zip(order, running, strict=True)):
                for index, part in enumerate(parts):
                    samples[index] |= part.result()
                    share = (done + (index + 1) / repeats) / len(order)
                    progress(share, f"measuring {name}, sample {index + 1} of {repeats}")
                told(name)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return samples


def _measure(asked: Asked, sample: Empirical, names: Sequence[str], index: int) -> Sample:
    """Some schemes on one sample. POT is a check on the first one, of what the reader sees."""
    measured: Sample = {}
    for name in names:
        scheme, is_shown = asked.designs[name], name in asked.shown
        codebooks: dict[int, Codebook] = {}
        for b in asked.bits:
            try:
                codebooks[b] = scheme.design(sample, 2**b)
            except SchemeError as error:
                measured[name, b] = Measured(undefined=error.cause)
        with_pot = index == 0 and is_shown
        by_pot = sample_to_codebooks_w2_squared_pot(sample, list(codebooks.values())) if with_pot else ()
        for (b, codebook), w2_squared in zip_longest(codebooks.items(), by_pot):
            measured[name, b] = Measured(
                _without_rounding(distortion(codebook, sample), sample),
                distortion(codebook, asked.source) if is_shown else math.nan,
                index_entropy(codebook, sample),
                w2_squared,
                codebook.num_levels,
            )
    return measured


def _without_rounding(error: float, sample: Empirical) -> float:
    """0 for what rounding leaves where each weight is a level, so that no ratio is made of it."""
    reach = max(map(abs, sample.support))
    least = _ROUNDING * reach
    return 0.0 if error <= least * least else error
