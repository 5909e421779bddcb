"""Calls of the public functions on weights at the edges of their types."""

import math
import sys
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import fmq_theory
from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError

__all__ = ["CALLS", "TRANSPORT", "weights"]

_SCHEMES = (
    "uniform", "uniform_clipped", "equal_mass", "pwl", "log2", "lloyd_max", "panter_dite", "power:0.5", "nf4",
    "fp4", "published:equal_mass", "published:uniform", "published:pwl", "published:log2",
)  # fmt: skip
_TYPES = (np.float16, np.float32, np.float64)


def weights(rng: np.random.Generator) -> tuple[str, NDArray[np.floating]]:
    """A matrix of one of many kinds, from subnormal numbers to the largest of its type."""
    kind = _TYPES[rng.integers(len(_TYPES))]
    info = np.finfo(kind)
    shape = (int(rng.integers(1, 5)), int(rng.choice([1, 2, 3, 7, 16, 33, 100])))
    base = rng.standard_normal(shape)
    names = (
        "normal",
        "constant",
        "ties",
        "largest",
        "subnormal",
        "decades",
        "one ulp",
        "zeros",
        "spikes",
        "mask",
    )
    name = names[rng.integers(len(names))]
    with np.errstate(over="ignore", under="ignore"):
        if name == "constant":
            base = np.full(shape, base.flat[0])
        elif name == "ties":
            base = np.round(base)
        elif name == "largest":
            base = np.sign(base) * float(info.max)
        elif name == "subnormal":
            base = base * float(info.smallest_subnormal) * 10.0
        elif name == "decades":
            low, high = math.log10(float(info.smallest_normal)), math.log10(float(info.max))
            base = np.sign(base) * 10.0 ** rng.uniform(low, high - 0.01, shape)
        elif name == "one ulp":
            base = np.where(base > 0.0, 1.0, 1.0 + float(info.eps))
        elif name == "zeros":
            base = np.where(base > 1.0, base, 0.0)
        elif name == "spikes":
            base = np.where(rng.random(shape) < 0.1, float(info.max) / 3.0, base)
        elif name == "mask":
            base = np.triu(np.full(shape, float(info.min)), 1)
        array = base.astype(kind)
    return f"{name} {np.dtype(kind).name} {list(shape)}", array


def _calls(rng: np.random.Generator, _folder: Path) -> Iterator[Trial]:
    while True:
        words, array = weights(rng)
        scheme, bits = _SCHEMES[rng.integers(len(_SCHEMES))], int(rng.integers(1, 9))
        granularity, threads = ("channel", "tensor")[rng.integers(2)], _threads(rng)
        what = f"quantize({words}, {scheme}, {bits}, {granularity}, threads={threads})"
        yield Trial(what, partial(_call, array, scheme, bits, granularity, threads))


def _threads(rng: np.random.Generator) -> int:
    """One mostly: to start more takes longer than such a call."""
    return int(rng.integers(2, 5)) if rng.random() < 0.05 else 1


def _call(array: NDArray[np.floating], scheme: str, bits: int, granularity: str, threads: int) -> None:
    """The error that is said is that of the decoded weights; levels are finite, and few enough are used."""
    found = fmq_theory.quantize(array, scheme, bits, granularity=granularity, threads=threads)
    back = np.asarray(found.dequantize())
    if back.shape != array.shape or not np.isfinite(back).all():
        raise WrongAnswerError(f"decoded to shape {back.shape}, finite: {np.isfinite(back).all()}")
    rows = back.reshape(len(back), -1) if granularity == "channel" else back.reshape(1, -1)
    if any(len(np.unique(row)) > max(2**bits, 16) for row in rows):
        raise WrongAnswerError("more levels than the bits allow")
    if (found.mse == 0.0) != bool((back == array).all()):
        raise WrongAnswerError(f"mse {found.mse!r}, and the decoded weights are others or the same")
    error = _mean_square(array, back)
    if not math.isclose(found.mse, error, rel_tol=1e-9, abs_tol=sys.float_info.min):
        raise WrongAnswerError(f"mse {found.mse!r} where the decoded weights have {error!r}")


def _mean_square(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """The mean of (x - y)**2 without an overflow on the way: in the unit 2**e of the largest difference."""
    gaps = [a / 2.0 - b / 2.0 for a, b in zip(x.ravel().tolist(), y.ravel().tolist(), strict=True)]
    unit = math.frexp(max(map(abs, gaps)))[1]
    mean = math.fsum(math.ldexp(gap, -unit) ** 2 for gap in gaps) / len(gaps)
    try:
        return math.ldexp(mean, 2 * unit + 2)
    except OverflowError:
        return math.inf


def _transport(rng: np.random.Generator, _folder: Path) -> Iterator[Trial]:
    while True:
        _, array = weights(rng)
        x = array[0].astype(np.float64)
        y = x[rng.permutation(x.size)].copy()
        y[: max(1, y.size // 2)] += rng.standard_normal(max(1, y.size // 2))
        what = f"w2_squared of {x.size} points to {np.abs(x).max():.1e}"
        yield Trial(what, partial(_w2, x, y, _threads(rng)))


def _w2(x: NDArray[np.float64], y: NDArray[np.float64], threads: int) -> None:
    found = float(fmq_theory.w2_squared(x, y, threads=threads))
    pairs = zip(sorted(x.tolist()), sorted(y.tolist()), strict=True)
    exact = sum(((Fraction(a) - Fraction(b)) ** 2 for a, b in pairs), start=Fraction(0)) / x.size
    if abs(Fraction(found) - exact) > exact * Fraction(1, 10**12):
        raise WrongAnswerError(f"{found!r} where rationals give {float(exact)!r}")


CALLS = Campaign(
    "calls",
    "quantize decodes to finite weights with at most 2^b levels, and says the error that these have",
    _calls,
    whole=100_000,
)
TRANSPORT = Campaign(
    "transport", "w2_squared equals the exact rational to 12 digits", _transport, whole=50_000
)
