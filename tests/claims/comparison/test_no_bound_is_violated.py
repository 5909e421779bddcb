"""Every bound of the table against the mean that it bounds: laws x n x bits x schemes, drawn.

For a mean of m errors whose standard error is s, the self-normalised excess (mean - bound) / s has Student's
law for normal errors; errors of layers are skewed to the right, which makes large positive excesses rarer. At
30 repeats and 9 standard errors the chance of a false alarm is 3e-10 a comparison, below 1e-6 for the 600
comparisons here together. Equalities are compared on both sides where the tails are light.
"""

import math

import numpy as np
import pytest

from fmq_theory.bounds import predict
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import get_scheme
from fmq_theory.sources import Source, make
from fmq_theory.sources.empirical import Empirical

SCHEMES = ("uniform", "uniform_clipped", "equal_mass", "pwl", "lloyd_max")
_ERRORS = 9.0


def violations(
    law: Source, n: int, bits: int, repeats: int, seed: int, *, equal: bool, wrong: float = 1.0
) -> list[str]:
    """What the samples contradict; ``wrong`` multiplies every prediction, as a control."""
    rng = np.random.default_rng(seed)
    samples = [Empirical(law.sample(n, rng=rng)) for _ in range(repeats)]
    found: list[str] = []
    optimum = distortion(get_scheme("lloyd_max").design(law, 2**bits), law)
    for name in SCHEMES:
        books = [get_scheme(name).design(sample, 2**bits) for sample in samples]
        own = np.array([distortion(book, sample) for book, sample in zip(books, samples, strict=True)])
        fresh = np.array([distortion(book, law) for book in books])
        told = predict(name, law, 2**bits, n)
        for what, errors, statements in (("own", own, told.own), ("fresh", fresh, told.fresh)):
            mean, spread = (
                errors.mean(),
                _ERRORS * errors.std(ddof=1) / math.sqrt(repeats) + 1e-9 * errors.mean(),
            )
            rounding = 1e-12 * law.variance()
            if statements.upper is not None and mean - spread > wrong * statements.upper.value + rounding:
                found.append(f"{name} {what}: {mean:g} above {statements.upper.value:g}")
            if statements.exact is not None:
                value = wrong * statements.exact.value
                tolerance = spread + 2e-3 * value + rounding
                if mean - value > tolerance or (equal and value - mean > tolerance):
                    found.append(f"{name} {what}: {mean:g} against {value:g}")
        if fresh.min() < optimum * (1 - 1e-6):
            found.append(f"{name} fresh: {fresh.min():g} below the optimum {optimum:g}")
    return found


@pytest.mark.parametrize(
    ("name", "n", "bits"), [("uniform", 300, 6), ("gaussian", 64, 3), ("laplace", 200, 4)]
)
def test_no_bound_is_violated_on_a_few_layers(name: str, n: int, bits: int) -> None:
    law = make(name).standard_deviation_one()
    assert violations(law, n, bits, 30, seed=n, equal=True) == []
    assert violations(law, n, bits, 30, seed=n, equal=True, wrong=0.5)  # control


def test_the_bound_of_the_law_would_be_violated() -> None:
    """The fault that this replaces: predictions of the law's codebook beside errors of 1,024 weights."""
    law = make("uniform").standard_deviation_one()
    rng = np.random.default_rng(0)
    samples = [Empirical(law.sample(1024, rng=rng)) for _ in range(20)]
    errors = np.array([distortion(get_scheme("equal_mass").design(s, 256), s) for s in samples])
    told = predict("equal_mass", law, 256, 1024)
    assert told.law.upper is not None
    assert told.own.exact is not None
    spread = errors.std(ddof=1) / math.sqrt(errors.size)
    assert errors.mean() - 20 * spread > told.law.upper.value
    assert abs(errors.mean() - told.own.exact.value) < 5 * spread


_LAWS = (
    ("uniform", {}),
    ("gaussian", {}),
    ("laplace", {}),
    ("logistic", {}),
    ("student-t", {"df": 2.5}),
    ("student-t", {"df": 4.0}),
    ("student-t", {"df": 9.0}),
    ("generalized-gaussian", {"beta": 0.7}),
    ("generalized-gaussian", {"beta": 5.0}),
    ("gamma", {"shape": 0.5}),
    ("gamma", {"shape": 2.0}),
)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(40))
def test_no_bound_is_violated(seed: int) -> None:
    """Laws, n from 64 to 10^6 and bits drawn from the seed."""
    rng = np.random.default_rng([12, seed])
    name, parameters = _LAWS[seed % len(_LAWS)]
    law = make(name, **parameters).standard_deviation_one()
    n = round(math.exp(rng.uniform(math.log(64), math.log(1e6))))
    bits = int(rng.integers(1, 9))
    light = name in ("uniform", "gaussian", "logistic", "laplace") or parameters.get("beta", 0) > 1
    assert violations(law, n, bits, 30, seed, equal=light) == []
