"""What the tests of quantizers draw from, and how they measure it without fmq_theory.metrics."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from fmq_theory.codebook import Codebook
from fmq_theory.quantizers import SCHEMES, Scheme, get_scheme
from fmq_theory.sources import Empirical, Source, SymmetricSource
from tests.strategies import sources

Array = NDArray[np.float64]

# Every scheme in the registry, and others of the two families with a parameter.
NAMES = (*SCHEMES, "power:0.5", "power:0.2:midpoint", "ecq:0", "ecq:3")


def levels_for(scheme: Scheme, num_levels: int) -> int:
    """``num_levels``, or the only number the scheme has."""
    return 16 if scheme.name in ("nf4", "fp4") else num_levels


@st.composite
def lattice_arrays(draw: st.DrawFn) -> Array:
    """Small integers over a power of two: many ties, and sums and half-way points that are exact."""
    numbers = draw(st.lists(st.integers(-12, 12), min_size=2, max_size=40))
    return np.array(numbers, dtype=np.float64) / draw(st.sampled_from([1.0, 8.0, 2.0**-30]))


@st.composite
def odd_arrays(draw: st.DrawFn) -> Array:
    """What hypothesis thinks of: signed zeros, tiny beside huge, runs of one value."""
    number = st.floats(-1e6, 1e6, allow_subnormal=False)
    return np.array(draw(st.lists(number, min_size=1, max_size=30)), dtype=np.float64)


@st.composite
def generic_arrays(draw: st.DrawFn) -> Array:
    """Draws from a law: no ties, nothing exactly half-way."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.integers(2, 300))
    kind = draw(st.sampled_from(["normal", "laplace", "t3", "exponential", "offset"]))
    return {
        "normal": lambda: rng.standard_normal(size),
        "laplace": lambda: rng.laplace(size=size),
        "t3": lambda: rng.standard_t(3, size=size),
        "exponential": lambda: rng.exponential(size=size),
        "offset": lambda: 1e3 + rng.standard_normal(size),
    }[kind]()


def arrays() -> st.SearchStrategy[Array]:
    return st.one_of(lattice_arrays(), odd_arrays(), generic_arrays())


def laws() -> st.SearchStrategy[SymmetricSource]:
    """A law of any family that has a variance; the schemes that minimise D need one."""
    return sources(finite_moment=2.3)


def quantized(scheme: str | Scheme, x: Array, num_levels: int) -> tuple[Codebook, Array]:
    """The codebook for one channel, and the channel after it."""
    scheme = get_scheme(scheme)
    codebook = scheme.design(Empirical(x), levels_for(scheme, num_levels))
    return codebook, codebook.decode(scheme.encode(codebook, x))


def law_distortion(codebook: Codebook, source: Source) -> float:
    edges = codebook.edges()
    return float(source.partial_moments(edges[:-1], edges[1:], about=codebook.levels).second.sum())
