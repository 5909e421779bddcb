"""``python -m experiments.cluster``: measures, plans, and keeps the numbers in docs/results/cluster.json."""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.cluster.measure import audited, limits, median_row, task_overhead, warmed, workers
from experiments.cluster.plan import Checkpoint, CostModel
from experiments.cluster.slices import Slice
from fmq_theory import __version__
from fmq_theory.report.base.files import check_writable, write_text_atomically

__all__ = ["QUICK", "RESULTS", "Extent", "main", "measure"]

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "cluster.json"
_COUNTS = (1, 2, 4)
_PLANNED = (1, 16, 64)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is run.

    Attributes:
        rounds: of audits by every number of workers.
        tasks: that do nothing.
        scaled: what is audited in them.
        layers: the slice that tells what a weight costs.
        small: the slice that tells what a tensor costs.
        other: the slice on which both are checked.
        repeats: of the work that measures the machine's limit.
    """

    rounds: int
    tasks: int
    scaled: Slice
    layers: Slice
    small: Slice
    other: Slice
    repeats: int


FULL = Extent(
    rounds=3,
    tasks=1000,
    scaled=Slice(16, (128, 3072)),
    layers=Slice(4, (512, 3072)),
    small=Slice(0, (8, 64), 100),
    other=Slice(6, (1024, 3072), 60),
    repeats=1500,
)
QUICK = Extent(
    rounds=1,
    tasks=60,
    scaled=Slice(8, (16, 512)),
    layers=Slice(2, (64, 512)),
    small=Slice(0, (8, 64), 10),
    other=Slice(3, (64, 512), 8),
    repeats=30,
)


def measure(extent: Extent, planned: Checkpoint) -> list[dict[str, Any]]:
    """The rows: tasks, scaling, slices, plan."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        crews = [stack.enter_context(workers(count)) for count in _COUNTS]
        limit = stack.enter_context(limits(_COUNTS, extent.repeats))
        for crew in crews:
            warmed(folder / "warm.safetensors", crew)
            rows.append({"kind": "task", "workers": crew.count, **task_overhead(crew, extent.tasks)})
            _say(rows[-1])
        scaled = extent.scaled.write(folder / "scaled.safetensors")
        rounds: list[list[dict[str, float]]] = []
        for _ in range(extent.rounds):
            possible = limit()
            spent = [audited(scaled, crew) for crew in crews]
            rounds.append(
                [
                    {
                        "wall_s": one.wall_s,
                        "workers_s": one.workers_s,
                        "client_s": one.client_s,
                        "speedup": spent[0].wall_s / one.wall_s,
                        "possible": possible[crew.count],
                        "of_possible": spent[0].wall_s / one.wall_s / possible[crew.count],
                    }
                    for crew, one in zip(crews, spent, strict=True)
                ]
            )
        for index, crew in enumerate(crews):
            found = median_row([one[index] for one in rounds])
            weights = extent.scaled.weights
            rows.append({"kind": "scaling", "workers": crew.count, "weights": weights, **found})
            _say(rows[-1])
        rows += _slices(extent, folder, crews[0], planned, rows[-2]["of_possible"])
    return rows


def _slices(
    extent: Extent, folder: Path, crew: Any, planned: Checkpoint, efficiency: float
) -> list[dict[str, Any]]:
    """What a weight and a tensor cost, the check on another slice, and the plan."""
    base = crew.state()[1]
    small = audited(extent.small.write(folder / "small.safetensors"), crew)
    layers = audited(extent.layers.write(folder / "layers.safetensors"), crew)
    model = CostModel.of(extent.layers, layers, extent.small, small, base)
    other = audited(extent.other.write(folder / "other.safetensors", seed=1), crew)
    told = model.seconds(extent.other.weights, extent.other.tensors)
    rows: list[dict[str, Any]] = [
        {
            "kind": "model",
            "weights": extent.layers.weights,
            "small": extent.small.tensors,
            "weight_ns": 1e9 * model.per_weight_s,
            "tensor_ms": 1e3 * model.per_tensor_s,
            "base_mb": base / 1e6,
            "bytes_a_byte": model.bytes_a_byte,
        },
        {
            "kind": "check",
            "weights": extent.other.weights,
            "tensors": extent.other.tensors,
            "predicted_s": told,
            "measured_s": other.workers_s,
            "ratio": other.workers_s / told,
            "predicted_mb": (base + model.bytes_a_byte * extent.other.largest_bytes) / 1e6,
            "measured_mb": other.peak_bytes / 1e6,
        },
        *(planned.row(model, count, efficiency) for count in _PLANNED),
    ]
    for row in rows:
        _say(row)
    return rows


def _say(row: dict[str, Any]) -> None:
    told = {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
    print(json.dumps(told), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is measured."""
    parser = argparse.ArgumentParser(prog="python -m experiments.cluster", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny slices: that it runs, not what it costs")
    parser.add_argument("--weights", type=float, default=12e9, help="of the checkpoint that is planned for")
    parser.add_argument("--tensors", type=int, default=500, help="that it has")
    parser.add_argument("--largest", type=float, default=113e6, help="bytes of the largest one, as stored")
    parser.add_argument("--price", type=float, default=0.05, help="of one core for one hour")
    parser.add_argument("--json", type=Path, help="keep the numbers there")
    parser.add_argument("--write", action="store_true", help="renew docs/results/cluster.json")
    options = parser.parse_args(arguments)
    outputs = [path for path in (options.json, RESULTS if options.write else None) if path is not None]
    for path in outputs:
        check_writable(path, overwrite=True)
    os.environ["FMQ_THREADS"] = "1"  # the workers inherit it: a core each
    load = round(os.getloadavg()[0], 2)
    extent = QUICK if options.quick else FULL
    planned = Checkpoint(options.weights, options.tensors, options.largest, options.price)
    rows = measure(extent, planned)
    machine = {
        "kind": "machine",
        "quick": options.quick,
        "fmq_theory": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": load,
    }
    text = json.dumps({"rows": [machine, *rows]}, indent=1) + "\n"
    for path in outputs:
        write_text_atomically(path, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
