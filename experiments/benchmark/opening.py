"""The first table of the page: ours, the fastest peer and the limits of the machine, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.benchmark.peers import PEERS
from experiments.benchmark.words import number

__all__ = ["is_of_a_peer", "opening_table", "sorts_in_words"]

Record = Mapping[str, Any]

# In runs that were saved before the best sort was an anchor, numpy's stands in its place under its own name.
_SORTS = ("best sort", "np.sort", "np.sort(axis=1)")
_LEFT_OUT = ("limits", "growth", "memory")


def is_of_a_peer(row: Record) -> bool:
    """Whether a time is that of a package that does our job."""
    name = row["contender"].lower()
    return name == "published equal mass" or any(
        name.startswith(peer.package.lower()) for peer in PEERS if peer.package != "numpy"
    )


def opening_table(rows: Sequence[Record]) -> str:
    """A line a case that has ours: milliseconds first, then ratios; a dash for what was not run.

    Of contenders that differ in threads, those with the fewest.

    Args:
        rows: the times of a run.
    """
    cases: dict[tuple[str, str, str], dict[str, Record]] = {}
    threads = min((row["threads"] for row in rows), default=1)
    for row in rows:
        if row["topic"] not in _LEFT_OUT and row["ms"] is not None and row["threads"] == threads:
            case = cases.setdefault((row["topic"], row["what"], row["law"]), {})
            case[row["contender"]] = row
    lines = [
        "| what | law | ours, ms | fastest peer, ms | best sort, ms | copy, ms | read, ms "
        "| peer / ours | ours / sort | ours / copy | ours / read |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [_line(*case, found) for case, found in cases.items() if "ours" in found]
    return "\n".join(lines)


def _line(topic: str, what: str, law: str, found: Mapping[str, Record]) -> str:
    ours: float = found["ours"]["ms"]
    peers = [row for row in found.values() if is_of_a_peer(row)]
    peer = min(peers, key=lambda row: row["ms"], default=None)
    sort = next((found[name] for name in _SORTS if name in found), None)
    copy, read = found.get("copy"), found.get("read")
    cells = [
        number(ours),
        "–" if peer is None else f"{number(peer['ms'])} ({peer['contender']})",
        "–" if sort is None else _named(sort),
        *(number(None if row is None else row["ms"]) for row in (copy, read)),
        number(None if peer is None else peer["ms"] / ours),
        *(number(None if row is None else ours / row["ms"]) for row in (sort, copy, read)),
    ]
    return f"| {topic}, {what} | {law} | {' | '.join(cells)} |"


def _named(sort: Record) -> str:
    name = "" if sort["contender"] == "best sort" else f" ({sort['contender']})"
    return number(sort["ms"]) + name


def sorts_in_words(machine: Record) -> str:
    """Which sort is the best one here, and what the others take; empty for runs that did not ask.

    Args:
        machine: as ``describe`` tells it.
    """
    lines: list[str] = []
    for kind, seconds in machine.get("sorts", {}).items():
        times = [f"{name} {number(1e3 * taken)} ms" for name, taken in seconds.items()]
        lines.append(f"- best sort of {kind}: {next(iter(seconds))} ({', '.join(times)})")
    return "\n".join(lines)
