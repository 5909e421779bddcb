"""Squared 2-Wasserstein distance on the line by POT: an independent implementation to check ours.

POT (package ``ot``) is imported on first use: it costs about half a second, and two where it also
imports torch.
"""

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmq_theory.codebook import Codebook
from fmq_theory.errors import WeightsError
from fmq_theory.metrics.exact_sweep import needs_exact_ranks, w2_squared_exact
from fmq_theory.metrics.sorted_samples import SortedPair, SortedSample, paired, sorted_pair
from fmq_theory.metrics.wasserstein import codebook_pair
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.weights import as_weights

__all__ = [
    "PotMethod",
    "rowwise_w2_squared_pot",
    "sample_to_codebook_w2_squared_pot",
    "sample_to_codebooks_w2_squared_pot",
    "w2_squared_pot",
]

FloatArray = NDArray[np.float64]
_EXAMPLES = "ot.datasets"
PotMethod = Literal["wasserstein_1d", "emd2_1d", "emd_1d_sorted"]


def w2_squared_pot(
    a: object,
    b: object,
    a_weights: object = None,
    b_weights: object = None,
    *,
    method: PotMethod = "wasserstein_1d",
) -> float:
    """W2**2 as `w2_squared` defines it, computed by POT in float64.

    Args:
        a: positions of the first measure, numbers of any shape; array-like or torch tensor.
        b: positions of the second measure, numbers of any shape; array-like or torch tensor.
        a_weights: masses at ``a``, of its shape, not negative; equal if None.
        b_weights: masses at ``b``, of its shape, not negative; equal if None.
        method: the function of POT: ``wasserstein_1d`` integrates quantile functions, ``emd2_1d`` sorts
            and sweeps, ``emd_1d_sorted`` is the sweep inside it, without a second sort.

    Raises:
        WeightsError: as `w2_squared`, an unknown method, or numbers or masses so far apart that POT would
            lose the smaller ones.

    Reference:
        Flamary et al. 2021, POT: Python Optimal Transport, JMLR 22(78).
    """
    return _by_pot(sorted_pair(a, b, a_weights, b_weights), method)


def sample_to_codebook_w2_squared_pot(
    sample: Empirical, codebook: Codebook, *, method: PotMethod = "emd_1d_sorted"
) -> float:
    """W2**2 between data and the data after quantization, by POT; a few ms for a million weights.

    Args:
        sample: the data.
        codebook: Q, of any scheme.
        method: which of POT's solvers, see ``w2_squared_pot``.

    Returns:
        In squared units of the data.

    Reference:
        flamary2021pot; T1 (docs/theory/t2-two-transport-problems.md).
    """
    return _by_pot(codebook_pair(sample, codebook), method)


def rowwise_w2_squared_pot(rows: ArrayLike, quantized: ArrayLike) -> FloatArray:
    """W2**2 between each row and the same row after quantization, by POT; shape ``[C]``.

    Nothing is assumed of the quantizer: both sides are sorted on their own.

    Args:
        rows: weights, shape ``[C, n]``.
        quantized: shape ``[C, n]``.

    Raises:
        WeightsError: not finite, empty, or of different or other than two-dimensional shapes; or numbers of
            one row so far apart that POT would lose the smaller ones.
    """
    before, after = as_weights(rows, "rows"), as_weights(quantized, "quantized")
    if before.ndim != 2 or before.shape != after.shape:
        raise WeightsError(
            f"rows of shape {before.shape} and {after.shape}",
            "two matrices of one shape are needed",
            "pass one channel a row, before and after quantization",
        )
    return np.array(
        [
            _by_pot(paired(*(SortedSample(np.sort(side), np.empty(0)) for side in row)), "emd_1d_sorted")
            for row in zip(before, after, strict=True)
        ]
    )


def sample_to_codebooks_w2_squared_pot(sample: Empirical, codebooks: Sequence[Codebook]) -> list[float]:
    """``sample_to_codebook_w2_squared_pot`` of each codebook, with one copy of the data for all of them.

    Args:
        sample: the data.
        codebooks: of any schemes.
    """
    first = _First()
    return [_by_pot(codebook_pair(sample, codebook), "emd_1d_sorted", first) for codebook in codebooks]


class _First:
    """The first measure as POT takes it, kept while it is the same one."""

    def __init__(self) -> None:
        self._of: tuple[SortedSample, int] | None = None
        self._handed: tuple[FloatArray, FloatArray] = np.empty(0), np.empty(0)

    def at(self, sample: SortedSample, exponent: int) -> tuple[FloatArray, FloatArray]:
        """Points and masses of a sample, which no call of POT changes."""
        kept = self._of
        if (
            kept is None
            or kept[1] != exponent
            or any(a is not b for a, b in zip(kept[0], sample, strict=True))
        ):
            self._of, self._handed = (sample, exponent), _handed(sample, exponent)
        return self._handed


def _handed(sample: SortedSample, exponent: int) -> tuple[FloatArray, FloatArray]:
    """Points, in units of 2**exponent, and masses as writable float64 copies.

    POT's C code asks for them, and in float32 it sums in float32.
    """
    return np.ldexp(np.array(sample.points, np.float64), -exponent), np.array(sample.masses)


def _by_pot(pair: SortedPair, method: PotMethod, first: _First | None = None) -> float:
    if needs_exact_ranks(pair):
        raise WeightsError(
            "masses",
            "they span more than the running differences of POT can tell apart",
            "use w2_squared, which can, or leave out the smallest",
        )
    ot = _pot()
    x, p = _handed(pair.x, pair.exponent) if first is None else first.at(pair.x, pair.exponent)
    y, q = _handed(pair.y, pair.exponent)
    if method == "emd_1d_sorted":
        # Unnormalised: counts are whole numbers, which its running differences then keep exact.
        ratio = p.sum() / q.sum()
        squared = ot.emd_1d_sorted(p, q * ratio, x, y, metric="sqeuclidean")[2] / p.sum()
    elif method == "emd2_1d":
        squared = ot.emd2_1d(x, y, p / p.sum(), q / q.sum(), metric="sqeuclidean")
    elif method == "wasserstein_1d":
        # POT returns the p-th power of the distance, here the square.
        squared = ot.wasserstein_1d(x, y, p / p.sum(), q / q.sum(), p=2, require_sort=False)
    else:
        raise WeightsError(
            f"method {method!r}",
            "POT is called in three ways only",
            "choose wasserstein_1d, emd2_1d or emd_1d_sorted",
        )
    if not pair.resolves(float(squared)) and w2_squared_exact(pair.x, pair.y) > 0.0:
        raise WeightsError(
            "points",
            "POT cannot tell the near ones apart beside the far ones, whose squares set its unit",
            "use w2_squared, which can, or leave out the points that both samples share",
        )
    return pair.in_units_of_points(float(squared))


def load_pot_alone() -> None:
    """Loads POT without what one-dimensional transport has no use for: half of the time it takes.

    That is scikit-learn and networkx, where they are installed, and POT's examples of data sets, which bring
    scipy.stats with them. POT then does without them for the rest of the process, so only a command may ask
    for it, whose process is its own.
    """
    absent = [name for name in ("networkx", "sklearn") if name not in sys.modules]
    if "ot" in sys.modules:
        return
    sys.modules[_EXAMPLES] = ModuleType(_EXAMPLES)
    try:
        for name in absent:
            sys.modules[name] = cast("Any", None)  # what Python takes for "not installed"
        _pot()
    finally:
        for name in absent:
            if sys.modules.get(name) is None:
                del sys.modules[name]


def _pot() -> Any:
    from ot import lp  # pyright: ignore[reportMissingTypeStubs]

    return lp
