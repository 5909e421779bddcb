"""The tables of docs/cluster.md, from the rows of docs/results/cluster.json."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["cluster_check", "cluster_plan", "cluster_scaling"]

Row = Mapping[str, Any]


def _of(rows: Sequence[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["kind"] == kind]


def cluster_scaling(rows: Sequence[Row]) -> str:
    """Of each number of workers: a task, the processor time of the work, and the ratios of wall times."""
    lines = [
        "| workers | a task that does nothing: asking, working, by the clock, ms "
        "| processor time of the workers, s | times faster | the machine's own limit |",
        "|---:|---:|---:|---:|---:|",
    ]
    for task, found in zip(_of(rows, "task"), _of(rows, "scaling"), strict=True):
        ratios = [
            f"{found[name]:.1f} ({found[f'{name}_least']:.1f} to {found[f'{name}_most']:.1f})"
            for name in ("speedup", "possible")
        ]
        lines.append(
            f"| {found['workers']} | {task['client_ms']:.1f}, {task['worker_ms']:.1f}, {task['wall_ms']:.0f} "
            f"| {found['workers_s']:.1f} | {' | '.join(ratios)} |"
        )
    return "\n".join(lines)


def cluster_check(rows: Sequence[Row]) -> str:
    """What the two costs predict for another slice, and what it took."""
    lines = ["| weights | tensors | | predicted | measured |", "|---:|---:|---|---:|---:|"]
    for row in _of(rows, "check"):
        whose = f"{row['weights']:,} | {row['tensors']}"
        lines += [
            f"| {whose} | processor time, s | {row['predicted_s']:.1f} | {row['measured_s']:.1f} |",
            f"| {whose} | memory of the worker, MB | {row['predicted_mb']:.0f} | {row['measured_mb']:.0f} |",
        ]
    return "\n".join(lines)


def cluster_plan(rows: Sequence[Row]) -> str:
    """Hours, memory and cost by the number of workers, as if they lost nothing to each other."""
    lines = ["| workers | hours | core-hours | cost | memory of a worker, GB |", "|---:|---:|---:|---:|---:|"]
    lines += [
        f"| {row['workers']} | {row['hours']:.2f} | {row['core_hours']:.1f} | {row['cost']:.2f} "
        f"| {row['worker_gb']:.1f} |"
        for row in _of(rows, "plan")
    ]
    return "\n".join(lines)
