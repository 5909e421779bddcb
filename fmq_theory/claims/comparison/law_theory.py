"""What theory says of a law alone, for every scheme and bit-width: nothing here needs a sample."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fmq_theory.bounds import Prediction, predict
from fmq_theory.errors import SchemeError
from fmq_theory.metrics import distortion, expected_distortion
from fmq_theory.quantizers import LloydMax, RangeScheme, Scheme
from fmq_theory.sources import Source

__all__ = ["LawTheory", "SchemeTheory", "law_theory", "scheme_theory"]


@dataclass(frozen=True, slots=True)
class SchemeTheory:
    """One scheme and bit-width on one law.

    Attributes:
        prediction: what ``bounds`` proves and predicts.
        own_exact: mean over samples of the error on the sample itself; None where no theory has it.
        law_exact: error on the law of the codebook designed on the law.
    """

    prediction: Prediction
    own_exact: float | None
    law_exact: float


@dataclass(frozen=True, slots=True)
class LawTheory:
    """All schemes and bit-widths on one law.

    Attributes:
        optima: D_LM(2**b) by b, below which no codebook of as many levels is on fresh weights.
        schemes: by name and b; without those that have no codebook of so many levels.
    """

    optima: Mapping[int, float]
    schemes: Mapping[tuple[str, int], SchemeTheory]


def law_theory(
    source: Source,
    designs: Mapping[str, Scheme],
    bits: Sequence[int],
    n: int,
    progress: Callable[[float, str], None] = lambda _share, _what: None,
) -> LawTheory:
    """The theory of a law, scheme by scheme.

    Args:
        source: the law; its variance is finite.
        designs: schemes by name, each told how many weights the law stands for (``n``) if it asks.
        bits: bit-widths.
        n: weights a sample.
        progress: called with the share done, from 0 to 1, and what is computed.
    """
    progress(0.0, "the law's optimum")
    optima = {b: distortion(LloydMax().design(source, 2**b), source) if designs else math.nan for b in bits}
    schemes: dict[tuple[str, int], SchemeTheory] = {}
    for index, (name, scheme) in enumerate(designs.items()):
        progress(index / len(designs), f"exact values, {name}")
        for b in bits:
            try:
                schemes[name, b] = scheme_theory(source, scheme, name, b, n)
            except SchemeError:  # nf4 has 16 levels, at 3 bits none
                continue
    progress(1.0, "exact values")
    return LawTheory(optima, schemes)


def scheme_theory(source: Source, scheme: Scheme, name: str, b: int, n: int) -> SchemeTheory:
    """The theory of one scheme and bit-width.

    Args:
        source: see ``law_theory``.
        scheme: under the name, told how many weights the law stands for.
        name: as ``get_scheme`` knows it.
        b: bits of the code.
        n: see ``law_theory``.

    Raises:
        SchemeError: there is no codebook of 2**b levels.
    """
    prediction = predict(name, source, 2**b, n)
    exact = prediction.own.exact
    own_exact = None if exact is None else exact.value
    if exact is None and isinstance(scheme, RangeScheme):  # over the law of the range
        own_exact = expected_distortion(scheme.design_on_range, source, 2**b, n)
    return SchemeTheory(prediction, own_exact, distortion(scheme.design(source, 2**b), source))
