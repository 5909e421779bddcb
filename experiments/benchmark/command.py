"""``python -m experiments.benchmark``: runs the cases, prints the goals, keeps the numbers."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from experiments.benchmark.cases import FULL, QUICK, Case, Extent, cases
from experiments.benchmark.document import goals_as_text, markdown, times_as_text
from experiments.benchmark.machine import describe
from experiments.benchmark.rows import as_json
from fmq_theory.report.base.files import check_writable, write_text_atomically

__all__ = ["DOCUMENT", "RESULTS", "main", "measure"]

_ROOT = Path(__file__).resolve().parents[2]
RESULTS = _ROOT / "docs" / "results" / "performance.json"
DOCUMENT = _ROOT / "docs" / "performance.md"


def measure(chosen: Iterable[Case], extent: Extent) -> dict[str, Any]:
    """Runs the cases, with a line on standard error for each."""
    machine = describe(extent.pace.threads)
    goals: list[dict[str, Any]] = []
    times: list[dict[str, Any]] = []
    begin = time.perf_counter()
    for case in chosen:
        start = time.perf_counter()
        outcome = case.run(extent.pace)
        goals += map(as_json, outcome.goals)
        times += map(as_json, outcome.times)
        name = getattr(case, "what", getattr(case, "job", ""))
        print(f"{case.topic}, {name}: {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
    quick = not extent.slow_peers
    seconds = round(time.perf_counter() - begin, 1)
    print(f"all: {seconds:.0f} s", file=sys.stderr)
    pace = asdict(extent.pace)
    return {
        "machine": machine,
        "quick": quick,
        "seconds": seconds,
        "pace": pace,
        "growth_clock": "processor",
        "goals": goals,
        "times": times,
    }


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least one thread is needed")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every result was right, whether or not its goal is met; 1 if one was wrong."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmark", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and smaller runs: under five minutes")
    parser.add_argument("--threads", metavar="N", type=_positive, default=1, help="for ours and the peers")
    parser.add_argument("--only", metavar="NAME", default="", help="cases whose topic contains NAME")
    parser.add_argument("--json", metavar="PATH", type=Path, help="keep the numbers there")
    parser.add_argument("--write", action="store_true", help="renew docs/performance.md and its numbers")
    parser.add_argument(
        "--from", dest="saved", metavar="PATH", type=Path, help="show saved numbers; run nothing"
    )
    options = parser.parse_args(arguments)
    # Some peers read these when they are imported.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ.setdefault(variable, str(options.threads))
    if options.json is not None:
        check_writable(options.json, overwrite=True)
    if options.saved is not None:
        results = json.loads(options.saved.read_text(encoding="utf-8"))
    else:
        extent = QUICK if options.quick else FULL
        extent = replace(extent, pace=replace(extent.pace, threads=options.threads))
        chosen = [case for case in cases(extent) if options.only in case.topic]
        if not chosen:
            topics = ", ".join(dict.fromkeys(case.topic for case in cases(extent)))
            print(f"--only {options.only}: no such topic; choose from {topics}", file=sys.stderr)
            return 2
        results = measure(chosen, extent)
    print(times_as_text(results["times"]), end="\n\n")
    print(goals_as_text(results["goals"]))
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    if options.json is not None:
        write_text_atomically(options.json, text)
    if options.write:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(RESULTS, text)
        write_text_atomically(DOCUMENT, markdown(results))
    return 1 if any(row["failed"] for row in results["goals"]) else 0
