"""Theory against measurement on a law of weights: many samples of n weights each."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import numpy as np

from fmq_theory.bounds import predict
from fmq_theory.claims.comparison import (
    RATIO_SCHEMES,
    Comparison,
    Row,
    crossing_of_layers,
    ratio_row,
)
from fmq_theory.claims.verdict import paper_verdict
from fmq_theory.errors import SchemeError, SourceError
from fmq_theory.metrics import (
    distortion,
    expected_distortion,
    fewest_for_median,
    index_entropy,
    median_estimate,
    sample_to_codebook_w2_squared_pot,
    shannon_lower_bound,
)
from fmq_theory.quantizers import RangeScheme, Scheme, get_scheme
from fmq_theory.quantizers.tensor import side_bits
from fmq_theory.sources import Empirical, Source

__all__ = ["compare_law"]

# Named for the notes: schemes whose codebook follows the sample's extremes in a way that has no closed mean.
_AT_TYPICAL_RANGE = ("pwl", "log2")


@dataclass(frozen=True, slots=True)
class _Measured:
    """One scheme and bit-width on one sample.

    ``undefined`` says why there is no codebook of this size (nf4 at 3 bits); the numbers are then nan.
    """

    distortion: float = math.nan
    entropy_bits: float = math.nan
    w2_squared_pot: float | None = None
    num_levels: int = 0
    undefined: str = ""


_Cell = tuple[str, int]


def compare_law(
    source: Source,
    subject: str,
    *,
    bits: Sequence[int],
    schemes: Sequence[str],
    n: int,
    repeats: int,
    seed: int,
    workers: int = 2,
    progress: Callable[[float, str], None] = lambda _share, _what: None,
) -> Comparison:
    """Measures every scheme on ``repeats`` samples of ``n`` weights and sets the theory beside it.

    A repeat draws its own sample (own child of ``SeedSequence(seed)``, so the result does not depend on
    ``workers``), designs each codebook on it, and takes the exact mean squared error of that sample.
    ``distortion_exact`` is the law's: the codebook designed on the law, by partial moments; for schemes
    that see only the sample's range it is the exact mean over the law of that range.

    Raises:
        SourceError: the law has no finite variance, so every distortion is infinite or arbitrary.
        SchemeError: a scheme is unknown.

    Examples:
        >>> from fmq_theory import sources
        >>> from fmq_theory.claims import compare_law
        >>> found = compare_law(
        ...     sources.make("gaussian"), "Gaussian",
        ...     bits=(2, 4), schemes=("lloyd_max",), n=4096, repeats=5, seed=0,
        ... )
        >>> for row in found.rows:
        ...     print(f"{row.bits} bits: measured {row.distortion_hat:.4f}, exact {row.distortion_exact:.4f}")
        2 bits: measured 0.1169, exact 0.1175
        4 bits: measured 0.0092, exact 0.0095
    """
    if not math.isfinite(source.variance()):
        raise SourceError(
            subject,
            "the variance is infinite, and with it the mean squared error of every quantizer",
            "choose a lighter tail (for student-t: df > 2)",
        )
    designs = {name: _sized(get_scheme(name), n) for name in dict.fromkeys((*schemes, *RATIO_SCHEMES))}
    seeds = np.random.SeedSequence(seed).spawn(repeats)

    def one(index: int) -> dict[_Cell, _Measured]:
        sample = Empirical(source.sample(n, rng=np.random.default_rng(seeds[index])))
        # POT is a check on one sample, of what the reader sees.
        return _measure(sample, designs, bits, with_pot=schemes if index == 0 else ())

    samples: list[dict[_Cell, _Measured]] = []
    # The kernels, sorting and drawing release the interpreter lock, so threads are enough.
    with ThreadPoolExecutor(max_workers=max(1, min(workers, repeats))) as pool:
        for sample in pool.map(one, range(repeats)):
            samples.append(sample)
            progress(len(samples) / repeats, f"sample {len(samples)} of {repeats}")
    rows = [
        _row(source, designs[name], name, b, n, [sample[name, b] for sample in samples])
        for name in schemes
        for b in bits
    ]
    layer_ratios = _layer_ratios(samples, bits)
    ratios = tuple(ratio_row(b, *both) for b, both in zip(bits, layer_ratios, strict=True))
    star = crossing_of_layers(bits, [em for _, em in layer_ratios])
    crossover = None if star is None else star.value
    return Comparison(
        subject=subject,
        config={"bits": list(bits), "schemes": list(schemes), "n": n, "repeats": repeats, "seed": seed},
        rows=tuple(rows),
        ratios=ratios,
        crossover_bits=crossover,
        verdict=paper_verdict(subject, ratios, crossover),
        shannon=_shannon(source, bits),
        notes=_notes(source, schemes, repeats),
        crossover=star,
        layer_ratios=layer_ratios,
    )


def _sized(scheme: Scheme, n: int) -> Scheme:
    """The scheme, told how many weights a law stands for, if it needs to know."""
    if any(field.name == "sample_size" for field in fields(cast(Any, scheme))):
        return replace(cast(Any, scheme), sample_size=n)
    return scheme


def _measure(
    sample: Empirical, designs: dict[str, Scheme], bits: Sequence[int], *, with_pot: Sequence[str]
) -> dict[_Cell, _Measured]:
    measured: dict[_Cell, _Measured] = {}
    for name, scheme in designs.items():
        for b in bits:
            try:
                codebook = scheme.design(sample, 2**b)
            except SchemeError as error:
                measured[name, b] = _Measured(undefined=error.cause)
                continue
            measured[name, b] = _Measured(
                distortion(codebook, sample),
                index_entropy(codebook, sample),
                sample_to_codebook_w2_squared_pot(sample, codebook) if name in with_pot else None,
                codebook.num_levels,
            )
    return measured


def _row(source: Source, scheme: Scheme, name: str, b: int, n: int, measured: Sequence[_Measured]) -> Row:
    num_levels = 2**b
    if measured[0].undefined:
        return Row(name, b, num_levels, note=measured[0].undefined)
    errors = [m.distortion for m in measured]
    estimate = median_estimate(errors)
    prediction = predict(name, source, num_levels, n)
    # The weights of a law stand for weights in float32, of which codebooks are too.
    used = np.array([m.num_levels for m in measured])
    codebook_bits = side_bits(scheme, used, np.float32) / (n * len(measured))
    return Row(
        name,
        b,
        num_levels,
        distortion_hat=math.fsum(errors) / len(errors),
        distortion_median=estimate.value,
        distortion_lo=estimate.low,
        distortion_hi=estimate.high,
        distortion_exact=_exact(scheme, source, num_levels, n),
        w2_squared_pot=measured[0].w2_squared_pot,
        bound_upper=None if prediction.upper is None else prediction.upper.value,
        high_rate=None if prediction.high_rate is None else prediction.high_rate.value,
        order_predicted=prediction.order,
        entropy_bits=math.fsum(m.entropy_bits for m in measured) / len(measured),
        effective_bits=b + codebook_bits,
        note="at the median range" if name in _AT_TYPICAL_RANGE else "",
    )


def _exact(scheme: Scheme, source: Source, num_levels: int, n: int) -> float:
    if isinstance(scheme, RangeScheme):
        return expected_distortion(scheme.design_on_range, source, num_levels, n)
    return distortion(scheme.design(source, num_levels), source)


def _layer_ratios(
    samples: Sequence[dict[_Cell, _Measured]], bits: Sequence[int]
) -> tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]:
    """(rho_w2, rho_em) of every sample, bit-width by bit-width; nan where uniform is exact."""

    def ratio(sample: dict[_Cell, _Measured], name: str, b: int) -> float:
        uniform = sample["uniform", b].distortion
        return sample[name, b].distortion / uniform if uniform > 0 else math.nan

    return tuple(
        (tuple(ratio(s, "lloyd_max", b) for s in samples), tuple(ratio(s, "equal_mass", b) for s in samples))
        for b in bits
    )


def _shannon(source: Source, bits: Sequence[int]) -> tuple[tuple[int, float], ...]:
    return tuple((b, shannon_lower_bound(source, b)) for b in bits)


def _notes(source: Source, schemes: Sequence[str], repeats: int) -> tuple[str, ...]:
    notes = [
        "measured: mean over samples; the interval and both ratios are of the median sample (order "
        "statistics: they cover for every law); exact: the law's own value."
    ]
    if repeats < (fewest := fewest_for_median()):
        notes.append(
            f"{repeats} sample{'s' if repeats > 1 else ''}: no interval; pass --repeats {fewest} or more for "
            "intervals and a decided verdict."
        )
    if not math.isfinite(source.moment(4)):
        notes.append(
            "the law's fourth moment is infinite, so the mean of sample errors converges slowly: rare "
            "samples lie far above it, and the mean of a few is most often below it."
        )
    if any(name in schemes for name in _AT_TYPICAL_RANGE):
        notes.append(
            "pwl and log2 follow the sample's extremes: their exact value is that of the codebook at the "
            "median extremes of n weights, which a measured mean need not equal."
        )
    return tuple(notes)
