"""Hypothesis strategies that every room shares."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from fmq_theory.sources import FAMILIES, Parameter, SymmetricSource, make

__all__ = ["cells", "levels_of_bits", "probabilities", "seeds", "sources"]


@st.composite
def sources(
    draw: st.DrawFn,
    families: Sequence[str] = tuple(FAMILIES),
    *,
    finite_moment: float = 0.0,
    standard: bool = False,
) -> SymmetricSource:
    """A law of any family, its parameters drawn from their typical intervals.

    Args:
        draw: given by Hypothesis.
        families: names of the families to draw from.
        finite_moment: moments up to this order are finite, with a margin of a fifth of a degree of freedom.
        standard: keep loc = 0 and scale = 1.
    """
    name = draw(st.sampled_from(list(families)))
    values = {}
    for parameter in FAMILIES[name].parameters:
        if standard and parameter.name in {"loc", "scale"}:
            continue
        low, high = parameter.typical
        if parameter.name == "df" and finite_moment > 0.0:
            low = max(low, finite_moment + 0.2)
        values[parameter.name] = draw(typical_values(parameter, low, high))
    return make(name, **values)


def typical_values(parameter: Parameter, low: float, high: float) -> st.SearchStrategy[float]:
    """Values between low and high, the default among the likely ones so that failures shrink to it."""
    within = st.floats(low, high, allow_nan=False, allow_subnormal=False)
    if low <= parameter.default <= high:
        return st.one_of(st.just(parameter.default), within)
    return within


def probabilities(smallest: float = 1e-12) -> st.SearchStrategy[float]:
    """Probabilities in [smallest, 1 - smallest], small ones as likely as moderate ones."""
    tail = st.floats(np.log(smallest), np.log(0.5)).map(np.exp).map(float)
    return st.one_of(tail, tail.map(lambda q: 1.0 - q))


@st.composite
def cells(draw: st.DrawFn, source: SymmetricSource, count: int = 4) -> np.ndarray:
    """Sorted edges of ``count`` adjacent cells, shape ``[count + 1]``, at drawn quantiles of ``source``."""
    ranks = draw(st.lists(probabilities(1e-9), min_size=count + 1, max_size=count + 1))
    return source.ppf(np.sort(ranks))


def levels_of_bits(low: int = 1, high: int = 6) -> st.SearchStrategy[int]:
    """Numbers of levels K, powers of two and others."""
    return st.one_of(st.integers(low, high).map(lambda bits: 2**bits), st.integers(2, 2**high))


def seeds() -> st.SearchStrategy[int]:
    """Seeds for ``np.random.default_rng``."""
    return st.integers(0, 2**32 - 1)
