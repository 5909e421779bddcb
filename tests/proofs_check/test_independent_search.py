"""The checker's bound holds for every codebook, and is as sharp as its derivation says."""

import math
from itertools import pairwise

import numpy as np
import pytest

from fmq_theory.certify import law, optimal_codebook, stationary_codebook
from proofs_check.independent import search as module
from proofs_check.independent.laws import Law

LAWS = [
    ("gaussian", {}),
    ("student-t", {"df": "3"}),
    ("generalized-gaussian", {"beta": "1/2"}),
    ("gamma", {"shape": "1/2"}),
    ("gamma", {"shape": "5/2"}),
]


def moments_of(name: str, parameters: dict[str, str]) -> module._Moments:
    return module._Moments(Law({"family": name, "parameters": parameters}))


def bound(moments: module._Moments, buckets: list[module.Hull]) -> float:
    path = [None, *buckets, None]
    return sum(moments.share(a, b, -math.inf) for a, b in pairwise(path))


def error(moments: module._Moments, levels: list[float]) -> float:
    cuts = [-math.inf, *((a + b) / 2 for a, b in pairwise(levels)), math.inf]
    total = 0.0
    for level, (low, high) in zip(levels, pairwise(cuts), strict=True):
        mass, first, second = moments.cell(low, high)
        total += second - 2 * level * first + level * level * mass
    return total


@pytest.mark.parametrize(("name", "parameters"), LAWS)
def test_no_codebook_is_below_the_bound_of_its_buckets(name: str, parameters: dict[str, str]) -> None:
    """Buckets of all widths, shared ones and infinite ones among them."""
    rng = np.random.default_rng(3)
    moments = moments_of(name, parameters)
    shared = infinite = 0
    for _ in range(30):
        levels = sorted(float(x) for x in rng.standard_t(3, 4))
        cuts = [(a + b) / 2 for a, b in pairwise(levels)]
        width = float(rng.choice([0.02, 0.3, 2.0, 20.0]))
        edges = [
            -math.inf,
            *(width * i + float(rng.uniform(-width / 4, width / 4)) for i in range(-8, 9)),
            math.inf,
        ]
        buckets = [next((a, b) for a, b in pairwise(edges) if a <= cut <= b) for cut in cuts]
        shared += len(set(buckets)) < 3
        infinite += any(math.isinf(end) for bucket in buckets for end in bucket)
        found = error(moments, levels)
        assert bound(moments, buckets) <= found + 1e-12 * (1 + found)
    assert shared > 4
    assert infinite > 4


@pytest.mark.parametrize(("name", "parameters"), [LAWS[0], LAWS[1], LAWS[4]])
def test_what_the_bound_gives_away_is_of_the_second_order(name: str, parameters: dict[str, str]) -> None:
    levels = [float(c) for c in stationary_codebook(law(name, parameters), 4).levels]
    moments, cuts = moments_of(name, parameters), [(a + b) / 2 for a, b in pairwise(levels)]
    lost: list[float] = []
    left_out: list[float] = []  # the control: buckets that count for nothing cost the first order
    for width in (0.2, 0.1, 0.05):
        buckets = [(cut - width * cuts[2], cut + width * cuts[2]) for cut in cuts]
        lost.append(error(moments, levels) - bound(moments, buckets))
        inner = [-math.inf, *(end for bucket in buckets for end in bucket), math.inf]
        kept = [moments.error(low, high) for low, high in zip(inner[::2], inner[1::2], strict=True)]
        left_out.append(error(moments, levels) - sum(kept))
    assert [math.log2(a / b) for a, b in pairwise(lost)] == pytest.approx([2, 2], abs=0.3)
    assert all(math.log2(a / b) < 1.5 for a, b in pairwise(left_out))


def test_a_stationary_codebook_that_is_not_the_best_is_never_called_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even where no descent finds a better one; then its buckets survive for ever, so the search gets few."""
    monkeypatch.setattr(module, "_descends", lambda *_: False)
    monkeypatch.setattr(module, "_MOST_SHARES", 2_000)
    for name, parameters in (("gamma", {"shape": "1/3"}), ("generalized-gaussian", {"beta": "1/2"})):
        source = law(name, parameters)
        own = Law({"family": name, "parameters": parameters})
        for book, verdict in (
            (stationary_codebook(source, 2), False),
            (optimal_codebook(source, 2).codebook, True),
        ):
            levels = [float(level) for level in book.levels]
            said = module.search(own, levels, float(book.distortion), symmetric=False)
            assert (said == "best") is verdict
