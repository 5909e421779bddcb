"""Whether a timed result is right. A wrong one fails its row, however fast it was."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.benchmark.peers import EXACT, HEURISTIC, Labels

__all__ = [
    "Findings",
    "equal_mass_is_published",
    "grid_is_consistent",
    "nothing_to_check",
    "optimum_is_optimal",
    "row_codebooks_fit",
    "w2_is_exact",
]

# Relative: how far our distortion may lie from an exact peer's.
_SAME_OPTIMUM = 1e-10
_SAME_W2 = 1e-12
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check found.

    Attributes:
        problems: each fails the case.
        notes: by contender; said in the table of times.
    """

    problems: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


def nothing_to_check(data: Any, results: Mapping[str, Any]) -> Findings:  # noqa: ARG001
    """For contenders that are limits of the machine."""
    return Findings()


def as_values(data: Any) -> NDArray[np.floating]:
    """The numbers of an array or a torch tensor, flat; float32 for 16-bit types."""
    array = data.float().numpy() if hasattr(data, "detach") else np.asarray(data)
    return (array.astype(np.float32) if array.dtype == np.float16 else array).ravel()


def partition_cost(x: NDArray[np.floating], labels: NDArray[np.integer], num_levels: int) -> float:
    """Mean of (x - mean of its cell)**2 in float64, the means by two passes; whoever made the labels."""
    counts = np.zeros(num_levels)
    sums = np.zeros(num_levels)
    for start in range(0, x.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        counts += np.bincount(labels[part], minlength=num_levels)
        sums += np.bincount(labels[part], x[part].astype(np.float64), num_levels)
    means = sums / np.maximum(counts, 1.0)
    squares: list[float] = []
    for start in range(0, x.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        squares.append(float(np.square(x[part] - means[labels[part]]).sum()))
    return math.fsum(squares) / x.size


def labels_of(found: Labels) -> NDArray[np.int64]:
    """One label a number; for sizes of groups, those of the sorted numbers."""
    if found.sizes is None:
        return np.asarray(found.labels, dtype=np.int64)
    return np.repeat(np.arange(len(found.sizes)), found.sizes)


def optimum_is_optimal(num_levels: int) -> Any:
    """Ours is a partition into K cells, as good as every exact peer's and no worse than a heuristic's."""

    def check(data: Any, results: Mapping[str, Any]) -> Findings:
        x = as_values(data)
        problems: list[str] = []
        notes: dict[str, str] = {}
        codes, levels = codes_and_levels(results["ours"])
        ours = partition_cost(x, codes, num_levels)
        direct = distortion_of(x, codes, levels)
        # Float32 levels are off the means by their rounding, which adds its square to the cost.
        rounding = float(np.square(np.spacing(np.abs(levels).astype(np.float32)).astype(np.float64)).max())
        if not ours * (1.0 - 1e-12) <= direct <= ours + rounding + 1e-12 * ours:
            problems.append(f"levels are not the means of their cells: {direct!r} beside {ours!r}")
        for name in (*EXACT, *HEURISTIC):
            found = results.get(name)
            if found is None:
                continue
            points = np.sort(x) if found.sizes is not None else x
            peer = partition_cost(points, labels_of(found), num_levels)
            excess = peer / ours - 1.0
            if name in HEURISTIC:
                notes[name] = f"{100.0 * excess:.2g} % above the optimum"
                if excess < -_SAME_OPTIMUM:
                    problems.append(f"{name} is better by {-excess:.2g}")
            else:
                notes[name] = f"distortion the same to {abs(excess):.1g}"
                if abs(excess) > _SAME_OPTIMUM:
                    problems.append(f"distortion differs from {name}'s by {excess:.2g}")
        return Findings(tuple(problems), notes)

    return check


def equal_mass_is_published(num_levels: int) -> Any:
    """The cells have array_split's sizes and order; each weight gets the published mean."""

    def check(data: Any, results: Mapping[str, Any]) -> Findings:
        x = as_values(data)
        codes, levels = codes_and_levels(results["ours"])
        sizes = np.bincount(codes, minlength=num_levels)
        expected = [part.size for part in np.array_split(np.empty(x.size, dtype=np.bool_), num_levels)]
        problems: list[str] = []
        if sizes.tolist() != expected:
            problems.append("cells are not those of array_split")
        ordered = np.sort(x)
        borders = np.cumsum(expected)[:-1]
        means = np.array([part.mean(dtype=np.float64) for part in np.split(ordered, borders)])
        if not np.allclose(levels, means, rtol=1e-6, atol=1e-7 * float(np.abs(means).max())):
            problems.append("levels are not the means of the cells")
        # Codes follow the order of the weights: every cell ends before the next begins.
        highest, lowest = cell_ends(x, codes, num_levels)
        if (highest[:-1] > lowest[1:]).any():
            problems.append("cells overlap")
        published = results.get("published equal mass")
        # In order, because numpy's argsort shares out ties at a border as it likes; and the published means
        # are float32 sums.
        if published is not None and not np.allclose(
            np.repeat(levels, expected), np.sort(published), rtol=1e-4, atol=1e-5 * float(np.abs(means).max())
        ):
            problems.append("quantized weights differ from the published algorithm's")
        return Findings(tuple(problems))

    return check


def cell_ends(
    x: NDArray[np.floating], codes: NDArray[np.integer], num_levels: int
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Largest and smallest weight of each code."""
    highest = np.full(num_levels, -np.inf, dtype=x.dtype)
    lowest = np.full(num_levels, np.inf, dtype=x.dtype)
    np.maximum.at(highest, codes, x)
    np.minimum.at(lowest, codes, x)
    return highest, lowest


def row_codebooks_fit(num_levels: int) -> Any:
    """Each row is quantized with levels that are the means of its own cells (for optimum and equal mass)."""

    def check(data: Any, results: Mapping[str, Any]) -> Findings:
        result = results["ours"]
        worst = 0.0
        for row in range(0, data.shape[0], max(1, data.shape[0] // 16)):
            codes = result.codes[row].astype(np.int64)
            levels = result.codebooks[row].astype(np.float64)
            cost = partition_cost(data[row], codes, num_levels)
            worst = max(worst, distortion_of(data[row], codes, levels) / cost - 1.0)
        return Findings((f"a row's levels are off its means: {worst:.2g}",) if worst > 1e-6 else ())

    return check


def w2_is_exact(data: Any, results: Mapping[str, Any]) -> Findings:
    """Ours equals an exactly rounded sum to 1e-12; POT's deviation is noted."""
    a, b = (np.sort(sample).astype(np.float64) for sample in data)
    gap = np.square(a - b)
    expected = math.fsum(float(part) for part in gap) / gap.size
    error = abs(results["ours"] / expected - 1.0)
    notes = {"ours": f"relative error {error:.1g}"}
    for name, found in results.items():
        if name.startswith("POT") and found is not None:
            notes[name] = f"relative error {abs(found / expected - 1.0):.1g}"
    return Findings((f"relative error {error:.2g}",) if error > _SAME_W2 else (), notes)


def grid_is_consistent(data: Any, results: Mapping[str, Any]) -> Findings:
    """Every scheme has a distortion for every number of bits, and none beats the optimum."""
    found: Mapping[tuple[str, int], float] = results["ours"]
    problems: list[str] = []
    variance = float(np.var(as_values(data), dtype=np.float64))
    for (scheme, bits), value in found.items():
        if not value > 0.0:
            problems.append(f"{scheme} at {bits} bits: distortion {value!r}")
        elif value < found["lloyd_max", bits] * (1.0 - 1e-9):
            problems.append(f"{scheme} at {bits} bits is better than the optimum")
    if not found["lloyd_max", 8] < found["lloyd_max", 2] < variance:
        problems.append("the optimum does not fall with bits")
    return Findings(tuple(problems))


def codes_and_levels(result: Any) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Of a tensor with one codebook."""
    return result.codes.ravel().astype(np.int64), result.codebooks[0].astype(np.float64)


def distortion_of(x: NDArray[np.floating], codes: NDArray[np.integer], levels: NDArray[np.float64]) -> float:
    """Mean of (x - levels[codes])**2 in float64."""
    squares = [
        float(np.square(x[start : start + _CHUNK] - levels[codes[start : start + _CHUNK]]).sum())
        for start in range(0, x.size, _CHUNK)
    ]
    return math.fsum(squares) / x.size
