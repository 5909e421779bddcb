"""Digests of what the library computes, so that two versions of it can be compared to the bit.

``python -m tests.corpus.results --out FILE.json`` writes the digests; with ``--compare ONE.json OTHER.json``
it names what differs between two such files, and ends with status 1 where anything does. Both have to come
from one machine: libm and fused multiply-add differ between processors.

The checkpoints come from the folder of ``--checkpoints``; without one, synthetic weights stand in for them.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fmq_theory
from fmq_theory import checkpoint, metrics, quantizers, sources
from fmq_theory.errors import FmqError
from fmq_theory.quantizers.block_scaled import quantize_blocks
from fmq_theory.sources.sorted_rows import SortedRows

Item = tuple[str, Callable[[], dict[str, Any]]]
Digests = dict[str, dict[str, str]]

CHECKPOINTS = Path("../shared/checkpoints")
BITS = range(1, 9)
SCHEMES = (
    *quantizers.SCHEMES,
    "power:0.5:midpoint",
    "lloyd_max:0.0001",
    "published:equal_mass",
    "published:uniform",
    "published:pwl",
    "published:log2",
)
LONG_SCHEMES = ("uniform", "uniform_clipped", "equal_mass", "pwl", "log2", "panter_dite", "lloyd_max")
BLOCK_SCHEMES = ("block:lloyd_max", "block:lloyd_max:float8_e4m3:absmax:sweeps2", "block:equal_mass:float32")
# What depends on the clock, or on where the files are.
NOT_RESULTS = ("seconds", "path", "time", "reused")
# Differences that are named.
MOST_LINES = 40


def digest(value: object) -> str:
    """SHA-256 of an array (type, shape, bytes) or of anything else as exact JSON."""
    found = hashlib.sha256()
    if isinstance(value, np.ndarray):
        found.update(f"{value.dtype.str} {value.shape}".encode())
        found.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, bytes):
        found.update(value)
    else:
        found.update(json.dumps(_plain(value), sort_keys=True).encode())
    return found.hexdigest()[:20]


def _plain(value: Any) -> Any:
    """JSON values with floats by all their bits, and without what a clock decides."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items() if str(k) not in NOT_RESULTS}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value).hex()
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, int | str | type(None)) else str(value)


def hard_arrays() -> Iterator[tuple[str, Any]]:
    """Small tensors, by what is hard about them."""
    rng = np.random.default_rng(7)
    normal = rng.standard_normal((6, 96))
    yield "normal float32", normal.astype(np.float32)
    yield "normal float64", normal
    yield "normal float16", normal.astype(np.float16)
    yield "normal bfloat16", torch.from_numpy(normal.astype(np.float32)).bfloat16()
    yield "student float32", rng.standard_t(1.5, (4, 288)).astype(np.float32)
    yield "ties", rng.integers(-3, 4, (4, 96)).astype(np.float32)
    yield "two values", np.where(rng.random((3, 64)) < 0.3, -1.5, 2.25)
    yield "constant", np.full((2, 32), -3.7, dtype=np.float32)
    yield "zeros", np.where(rng.random((2, 32)) < 0.5, -0.0, 0.0)
    yield "mostly zeros", np.where(rng.random((4, 128)) < 0.8, 0.0, rng.standard_normal((4, 128)))
    yield "subnormal float32", (np.rint(normal * 1000) * 2.0**-149).astype(np.float32)
    yield "subnormal float64", np.rint(normal * 1000) * 2.0**-1074
    yield "subnormal float16", (np.rint(normal * 100) * 2.0**-24).astype(np.float16)
    signs = rng.choice([-1.0, 1.0], (4, 96))
    yield "all exponents float32", (signs * 2.0 ** rng.uniform(-126, 126, (4, 96))).astype(np.float32)
    yield "all exponents float64", signs * 2.0 ** rng.uniform(-1020, 1020, (4, 96))
    yield "narrow clusters", np.repeat([[1.0, 1e6, 1e12]], 4, 0).repeat(32, 1) * (1.0 + 1e-12 * normal[:4])
    yield "offset", 1e8 + normal
    yield "one sign", -np.abs(normal).astype(np.float32)
    yield "positive with zeros", np.maximum(normal, 0.0).astype(np.float32)
    yield "outlier", np.where(np.arange(96) == 5, 1e30, normal).astype(np.float32)
    yield "fewer than levels", rng.standard_normal((5, 3)).astype(np.float32)
    yield "as many as levels", rng.standard_normal((3, 16)).astype(np.float32)
    yield "one more than levels", rng.standard_normal((3, 17))
    yield "two more than levels", rng.standard_normal((3, 18)).astype(np.float32)
    yield "lone", np.array([[0.25]], dtype=np.float32)
    yield "dyadic grid", np.arange(-48, 48, dtype=np.float32).reshape(2, 48) / 8.0
    yield "far grid", 2.0**40 + np.arange(192, dtype=np.float64).reshape(2, 96)


def long_arrays() -> Iterator[tuple[str, Any]]:
    """Rows so long that the kernels for long rows take over."""
    rng = np.random.default_rng(8)
    yield "long normal float32", rng.standard_normal(300_000).astype(np.float32)
    yield "long student float64", rng.standard_t(2.2, 200_000)
    yield "long bfloat16", torch.from_numpy(rng.standard_normal(150_000).astype(np.float32)).bfloat16()
    yield "long ties", rng.integers(-40, 41, 100_000).astype(np.float32)
    yield "long rounded", np.round(rng.standard_normal(60_000), 3).astype(np.float32)
    yield "long one sign", rng.exponential(size=140_000).astype(np.float32)
    yield "long rows", rng.standard_normal((3, 70_000)).astype(np.float32)
    yield "many short rows", rng.laplace(size=(300, 256)).astype(np.float32)
    yield "rows of some thousand", rng.standard_t(3.0, (8, 4608)).astype(np.float32)


def _quantized(weights: Any, scheme: str, bits: int, granularity: str, **options: Any) -> dict[str, Any]:
    group = {"group_size": 32} if granularity == "group" else {}
    found = fmq_theory.quantize(weights, scheme, bits, granularity, threads=2, **group, **options)
    return {
        "codes": found.codes,
        "codebooks": found.codebooks,
        "used": found.num_levels_used,
        "mse": found.mse,
        "gap": found.optimality_gap,
        "effective_bits": found.effective_bits,
    }


def _grid(weights: Any, granularity: str) -> dict[str, Any]:
    group = {"group_size": 32} if granularity == "group" else {}
    names = [name for name in LONG_SCHEMES if name != "uniform_clipped"] + ["nf4", "fp4"]
    cells = quantizers.design_grid(weights, names, tuple(BITS), granularity, threads=2, **group)
    found: dict[str, Any] = {}
    for cell in cells:
        error = metrics.mean_distortion(cell.levels, cell.ends, cell.rows)
        books = [
            digest(a) for a in (cell.codebooks.levels, cell.codebooks.thresholds, cell.codebooks.lower_bound)
        ]
        found[f"{cell.scheme} {cell.bits}"] = [*books, error.mse, error.entropy_bits, cell.effective_bits]
    return found


def _blocks(weights: Any, scheme: str, bits: int) -> dict[str, Any]:
    found = quantize_blocks(weights, scheme, bits, group_size=32, threads=2)
    return {
        "codes": found.codes,
        "levels": found.levels,
        "scales": found.scales,
        "numbers": [found.mse, found.optimality_gap, found.effective_bits, found.unit],
    }


def _codebook(source: Any, scheme: str, num_levels: int) -> dict[str, Any]:
    codebook, bound = quantizers.get_scheme(scheme).design_with_bound(source, num_levels)
    error = metrics.distortion(codebook, source)
    return {
        "levels": codebook.levels,
        "thresholds": codebook.thresholds,
        "bound": [bound.value, bound.exponent],
        "distortion": error,
    }


def _sorted_rows(rows: Any) -> dict[str, Any]:
    found = SortedRows.of(rows, 2)
    return {"points": found.points, "sums": found.blocks}


def of_arrays() -> Iterator[Item]:
    """Quantizing by every scheme, grids, blocks of a scale each."""
    for name, weights in hard_arrays():
        groups = ("group",) if weights.shape[1] % 32 == 0 else ()
        for granularity in ("tensor", "channel", *groups):
            yield f"grid/{name}/{granularity}", lambda w=weights, g=granularity: _grid(w, g)
            for scheme in SCHEMES:
                for bits in BITS if scheme != "ecq" else (3,):
                    yield (
                        f"quantize/{name}/{granularity}/{scheme}/{bits}",
                        lambda w=weights, s=scheme, b=bits, g=granularity: _quantized(w, s, b, g),
                    )
        for scheme in BLOCK_SCHEMES if groups else ():
            for bits in (2, 4, 8):
                yield f"blocks/{name}/{scheme}/{bits}", lambda w=weights, s=scheme, b=bits: _blocks(w, s, b)
    for name, weights in long_arrays():
        granularity = "tensor" if weights.ndim == 1 else "channel"
        for scheme in LONG_SCHEMES:
            for bits in BITS:
                yield (
                    f"quantize/{name}/{granularity}/{scheme}/{bits}",
                    lambda w=weights, s=scheme, b=bits, g=granularity: _quantized(w, s, b, g),
                )


def of_sources() -> Iterator[Item]:
    """Optima of weighted data and of laws; W2 distances; sorts."""
    rng = np.random.default_rng(9)
    for size in (5, 40, 700, 30_000):
        points = rng.standard_t(3.0, size)
        for kind, mass in {
            "fractional": rng.random(size),
            "with zeros": rng.poisson(1.0, size).astype(float) + (np.arange(size) == 0),
            "huge spread": 2.0 ** rng.uniform(-60, 60, size),
        }.items():
            source = sources.Empirical(points, mass)
            for scheme in ("lloyd_max", "uniform_clipped", "equal_mass"):
                for num_levels in (2, 7, 16, 256):
                    yield (
                        f"weighted/{size} {kind}/{scheme}/{num_levels}",
                        lambda x=source, s=scheme, k=num_levels: _codebook(x, s, k),
                    )
        weights, importance = points.reshape(1, -1), rng.random((1, size))
        yield (
            f"quantize weighted/{size}",
            lambda w=weights, m=importance: _quantized(w, "lloyd_max", 4, "channel", sample_weight=m),
        )
        other = rng.laplace(size=size + 3)
        yield f"w2/{size}/equal", lambda x=points: {"w2": metrics.w2_squared(x, x[::-1] * 1.25 + 0.5)}
        yield f"w2/{size}/unequal", lambda x=points, y=other: {"w2": metrics.w2_squared(x, y)}
        mass, other_mass = rng.random(size), rng.random(size + 3)
        yield (
            f"w2/{size}/weighted",
            lambda x=points, y=other, p=mass, q=other_mass: {"w2": metrics.w2_squared(x, y, p, q)},
        )
        yield f"w2/{size}/law", lambda x=points: {"w2": metrics.w2_squared_law(x, sources.make("gaussian"))}
    for law in ("gaussian", "laplace", "student-t"):
        for num_levels in (2, 16, 256):
            yield (
                f"law/{law}/lloyd_max/{num_levels}",
                lambda s=law, k=num_levels: _codebook(sources.make(s), "lloyd_max", k),
            )
    for dtype in (np.float32, np.float64):
        for shape in ((1, 1 << 22), (1, 5000), (40, 900), (64, 3)):
            rows = rng.standard_t(1.5, shape).astype(dtype)
            yield f"sort/{dtype.__name__}/{shape}", lambda r=rows: _sorted_rows(r)


def of_checkpoints(folder: Path) -> Iterator[Item]:
    """Tensors of checkpoints by every scheme; audits; plans; packed files byte for byte."""
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".pt", ".pth")):
        for tensor in checkpoint.read_tensors(path).tensors[::4]:
            rows = np.ascontiguousarray(tensor.array.reshape(tensor.array.shape[0], -1)[:16, :2048])
            groups = ("group",) if rows.shape[1] % 32 == 0 else ()
            for granularity in ("tensor", "channel", *groups):
                for scheme in SCHEMES:
                    for bits in (2, 3, 4, 8) if scheme != "ecq" else (3,):
                        yield (
                            f"quantize/{path.name} {tensor.name}/{granularity}/{scheme}/{bits}",
                            lambda w=rows, s=scheme, b=bits, g=granularity: _quantized(w, s, b, g),
                        )
        yield f"audit/{path.name}", lambda p=path: {"audit": fmq_theory.audit(p).as_json()}
        yield f"plan/{path.name}", lambda p=path: _planned_and_packed(p)


def _planned_and_packed(path: Path) -> dict[str, Any]:
    plan = fmq_theory.plan_for_budget(path, 4.0, threads=2)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.safetensors"
        checkpoint.write_quantized(path, target, plan.tensors, threads=2)
        return {"plan": json.loads(plan.to_json()), "file": target.read_bytes()}


def digests(items: Iterable[Item]) -> Digests:
    """The digests of all parts of all items; what is refused is a result too, by the name of its error."""
    found: Digests = {}
    for name, compute in items:
        try:
            found[name] = {part: digest(value) for part, value in compute().items()}
        except FmqError as error:
            found[name] = {"refused": type(error).__name__}
    return found


def differences(old: Digests, new: Digests) -> list[str]:
    """A line for each result that is not in both, or not the same in both, with the parts that differ."""
    lines: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            lines.append(f"{name}: only in the {'first' if name in old else 'second'}")
        elif old[name] != new[name]:
            parts = old[name].keys() | new[name].keys()
            lines.append(
                f"{name}: {', '.join(sorted(p for p in parts if old[name].get(p) != new[name].get(p)))}"
            )
    return lines


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="where to write the digests")
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS, help="folder of checkpoints")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("ONE", "OTHER"))
    asked = parser.parse_args()
    status = 0
    if asked.out is not None:
        folder = asked.checkpoints
        of_files = of_checkpoints(folder) if folder.is_dir() else ()
        found = digests((*of_arrays(), *of_sources(), *of_files))
        asked.out.write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")
        sys.stdout.write(f"{len(found)} results\n")
    if asked.compare:
        old, new = (json.loads(path.read_text()) for path in asked.compare)
        lines = differences(old, new)
        sys.stdout.writelines(f"{line}\n" for line in lines[:MOST_LINES])
        sys.stdout.write(f"{len(old)} results and {len(new)}: {len(lines)} differ\n")
        status = 1 if lines or not old else 0
    return status


if __name__ == "__main__":
    sys.exit(main())
