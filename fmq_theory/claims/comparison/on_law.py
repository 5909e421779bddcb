"""Theory against measurement on a law of weights: many samples of n weights each."""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np

from fmq_theory.bounds import Bound, Prediction
from fmq_theory.claims.comparison.law_samples import Asked, Measured, Sample, measured_samples
from fmq_theory.claims.comparison.law_theory import LawTheory, SchemeTheory, law_theory, scheme_theory
from fmq_theory.claims.comparison.rows import (
    RATIO_SCHEMES,
    Comparison,
    Row,
    crossing_of_layers,
    ratio_row,
)
from fmq_theory.claims.comparison.verdict import paper_verdict
from fmq_theory.errors import SourceError
from fmq_theory.metrics import (
    fewest_for_median,
    median_estimate,
    printed_interval,
    shannon_lower_bound,
)
from fmq_theory.quantizers import RangeScheme, Scheme, get_scheme
from fmq_theory.quantizers.tensor import overhead_bits
from fmq_theory.sources import Source

__all__ = ["compare_law", "sized_schemes"]


# Their codebooks end at extremes of the weights, of which a law of unbounded support has none.
_AT_MEDIAN_EXTREMES = ("uniform", "pwl", "log2", "nf4", "fp4")


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
    theory: Callable[[], LawTheory | None] = lambda: None,
    ready: Callable[[str, Sequence[float]], None] = lambda _scheme, _errors: None,
) -> Comparison:
    """Measures every scheme on ``repeats`` samples of ``n`` weights and sets the theory beside it.

    A repeat draws its own sample (own child of ``SeedSequence(seed)``, so the result does not depend on
    ``workers``), designs each codebook on it, and takes its mean squared error on that sample ("own") and on
    the law ("fresh"), both exactly. The third quantity, "law", is the error of the codebook designed on the
    law. Each prediction and bound belongs to one of the three (``Row``).

    Args:
        source: the law; its variance is finite.
        subject: what the report calls it.
        bits: bit-widths.
        schemes: names that ``quantizers.get_scheme`` knows.
        n: weights a sample.
        repeats: samples drawn.
        seed: root of all randomness.
        workers: samples measured at a time.
        progress: called with the share done, from 0 to 1, and what is measured.
        theory: called once the samples are measured; gives ``law_theory`` of the same law, schemes, bits and
            n, which another process may have computed meanwhile, or None to have it computed here.
        ready: called with a scheme and its mean "own" error at each of the bits as soon as all samples know
            it; nan where it has no codebook of that size. Schemes whose kernels take long to compile come
            late.

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
        ...     print(row.bits, *(f"{x:.4f}" for x in (row.own_hat, row.fresh_hat, row.law_exact)))
        2 0.1169 0.1180 0.1175
        4 0.0092 0.0097 0.0095
    """
    if not math.isfinite(source.variance()):
        raise SourceError(
            subject,
            "the variance is infinite, and with it the mean squared error of every quantizer",
            "choose a lighter tail (for student-t: df > 2)",
        )
    designs = sized_schemes((*schemes, *RATIO_SCHEMES), n)
    seeds = np.random.SeedSequence(seed).spawn(repeats)

    asked = Asked(source, designs, bits, tuple(schemes), n)
    samples = measured_samples(asked, seeds, workers, progress, ready)
    found = theory() or law_theory(source, sized_schemes(schemes, n), bits, n, progress)
    rows: list[Row] = []
    for name in schemes:
        for b in bits:
            cells = [sample[name, b] for sample in samples]
            of_cell = found.schemes.get((name, b))
            if of_cell is None and not cells[0].undefined:  # says why the law has no such codebook
                of_cell = scheme_theory(source, designs[name], name, b, n)
            rows.append(_row(designs[name], name, b, n, cells, of_cell, found.optima[b]))
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
        notes=_notes(source, repeats),
        table_notes=_table_notes(rows, n, repeats),
        crossover=star,
        layer_ratios=layer_ratios,
    )


def sized_schemes(names: Sequence[str], n: int) -> dict[str, Scheme]:
    """Schemes by name, each once.

    Args:
        names: that ``quantizers.get_scheme`` knows.
        n: weights that a law stands for.
    """
    return {name: _sized(get_scheme(name), n) for name in dict.fromkeys(names)}


def _sized(scheme: Scheme, n: int) -> Scheme:
    """The scheme, told how many weights a law stands for, if it needs to know."""
    if any(field.name == "sample_size" for field in fields(cast(Any, scheme))):
        return replace(cast(Any, scheme), sample_size=n)
    return scheme


def _row(
    scheme: Scheme,
    name: str,
    b: int,
    n: int,
    measured: Sequence[Measured],
    theory: SchemeTheory | None,
    optimum: float,
) -> Row:
    num_levels = 2**b
    if theory is None or measured[0].undefined:
        return Row(name, b, num_levels, note=measured[0].undefined)
    prediction = theory.prediction
    # The weights of a law stand for weights in float32, of which codebooks are too.
    used = np.array([m.num_levels for m in measured])
    codebook_bits = overhead_bits(scheme, used, np.float32) / (n * len(measured))
    own, fresh = _of_layers([m.own for m in measured]), _of_layers([m.fresh for m in measured])
    return Row(
        name,
        b,
        num_levels,
        **{f"own{end}": value for end, value in own.items()},
        own_exact=theory.own_exact,
        own_upper=_value(prediction.own.upper),
        own_high_rate=_value(prediction.own.high_rate),
        **{f"fresh{end}": value for end, value in fresh.items()},
        fresh_exact=_value(prediction.fresh.exact),
        fresh_lower=optimum,
        law_exact=theory.law_exact,
        law_upper=_value(prediction.law.upper),
        law_high_rate=_value(prediction.law.high_rate),
        order_predicted=prediction.order,
        w2_squared_pot=measured[0].w2_squared_pot,
        entropy_bits=math.fsum(m.entropy_bits for m in measured) / len(measured),
        effective_bits=b + codebook_bits,
        note=_row_note(scheme, prediction, num_levels, n),
    )


def _of_layers(errors: Sequence[float]) -> dict[str, float | None]:
    """Mean, median and the median's interval, by the ends of their names."""
    middle = median_estimate(errors)
    low, high = printed_interval(middle, "median") or (None, None)
    mean = math.fsum(errors) / len(errors)
    return {"_hat": mean, "_median": middle.value, "_lo": low, "_hi": high}


def _value(bound: Bound | None) -> float | None:
    return None if bound is None else bound.value


def _row_note(scheme: Scheme, prediction: Prediction, num_levels: int, n: int) -> str:
    parts: list[str] = []
    if scheme.name in _AT_MEDIAN_EXTREMES:
        parts.append("law: its ends are put at the median extremes of n weights")
    if n <= num_levels and not isinstance(scheme, RangeScheme):
        parts.append("n <= 2^b: a codebook designed on the weights has room for each of them")
    if prediction.own.missing:
        parts.append(f"own: {prediction.own.missing}")
    return "; ".join(parts)


def _layer_ratios(
    samples: Sequence[Sample], bits: Sequence[int]
) -> tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]:
    """(rho_w2, rho_em) of every sample, bit-width by bit-width; nan where uniform is exact."""

    def ratio(sample: Sample, name: str, b: int) -> float:
        uniform = sample["uniform", b].own
        return sample[name, b].own / uniform if uniform > 0 else math.nan

    return tuple(
        (tuple(ratio(s, "lloyd_max", b) for s in samples), tuple(ratio(s, "equal_mass", b) for s in samples))
        for b in bits
    )


def _shannon(source: Source, bits: Sequence[int]) -> tuple[tuple[int, float], ...]:
    return tuple((b, shannon_lower_bound(source, b)) for b in bits)


def _notes(source: Source, repeats: int) -> tuple[str, ...]:
    notes: list[str] = []
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
    return tuple(notes)


def _table_notes(rows: Sequence[Row], n: int, repeats: int) -> tuple[str, ...]:
    mean = "mean over samples" if repeats > 1 else "one sample"
    notes = [
        f"own: codebook designed on n = {n:,} weights, measured on these weights ({mean}; the "
        "interval and both ratios are of the median sample). Theory is of the mean over all samples: "
        "= its value, ≤ a proven upper bound of it. A mean of few may lie on either side of it.",
        "POT W2²: the squared Wasserstein distance between the weights of the first sample and the quantized "
        "ones, by another library. It is that one sample's own error, not the mean over samples beside it.",
        "fresh: the same codebooks on weights they have not seen (exact, by partial moments of the law). No "
        "codebook of 2^b levels is below the law's W2 optimum there: ≥. It may be below law, except for "
        "Lloyd–Max: the law's codebook of another scheme is not the best one.",
        "law: the codebook designed on the law, on the law. With m = n/2^b weights a level, equal mass "
        "on a flat law is above it by a share of about 2/m (own) and 4/m (fresh). The high-rate value is a "
        "limit, no bound: the exact one may lie on either side.",
    ]
    if any(row.scheme == "uniform_clipped" for row in rows):
        notes.append(
            "uniform_clipped, law: the best grid centred on the mean. One off centre can be better: at 2 "
            "bits and variance 1 0.19446 against 0.19630 for Laplace, 0.23298 against 0.31998 for gamma(1/2)."
        )
    reasons: dict[str, list[str]] = {}
    for row in rows:
        # A line without numbers says its reason itself.
        for reason in filter(None, row.note.split("; ") if row.own_hat is not None else ()):
            schemes = reasons.setdefault(reason, [])
            if row.scheme not in schemes:
                schemes.append(row.scheme)
    notes += [f"{', '.join(schemes)}: {reason}." for reason, schemes in reasons.items()]
    return tuple(notes)
