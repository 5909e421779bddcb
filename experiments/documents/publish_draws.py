"""Keep what a run's draws of the noise show one by one: what P3-NET, P5-NET and P8 are judged on.

    fmq flow MODEL --bits 2,3,4,8 --seeds 16 --ladder-samples 0 --out OUT
    python -m experiments.documents.publish_draws OUT NAME

writes ``docs/results/flow-NAME-draws.json``: the rows of ``OUT/flow.json`` with the Fréchet distances alone,
so that no other claim counts these samples beside those of the whole run. ``--of latent`` keeps the latent's
ratios instead, in ``docs/results/flow-NAME-latent.json``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.documents.places import ROOT
from fmq_theory.errors import FmqError, OutputError
from fmq_theory.report import write_text_atomically

__all__ = ["main", "publish", "slim"]

_KEPT = ("format", "subject", "config", "features", "environment")
KINDS = {"frechet": "draws", "latent": "latent"}
"""What is kept of each draw, and how the file's name ends."""


def slim(report: dict[str, Any], kind: str = "frechet") -> str:
    """The report as JSON with one number of each draw alone, a line a row.

    Args:
        report: as ``fmq flow`` writes it.
        kind: a key of ``KINDS``: the Fréchet distance, or the latent's standard deviation over full
            precision's.

    Raises:
        OutputError: it has no such numbers of draws.
    """
    rows = [kept for row in report["rows"] if (kept := _latent(row) if kind == "latent" else _frechet(row))]
    if not rows:
        raise OutputError(
            f"run of {report.get('subject')}",
            f"it has no {'latent' if kind == 'latent' else 'Fréchet distances'} of single draws",
            "run fmq flow with --features" if kind == "frechet" else "name a latent_layer in the model",
        )
    head = ",\n".join(
        f" {json.dumps(key)}: {json.dumps(report.get(key), ensure_ascii=False)}" for key in _KEPT
    )
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    return f'{{\n{head},\n "rows": [\n{lines}\n ]\n}}\n'


def _frechet(row: dict[str, Any]) -> dict[str, Any] | None:
    keys = ("scheme", "bits", "lossless_share", "frechet_by_seed")
    return {key: row[key] for key in keys} if row.get("frechet_by_seed") else None


def _latent(row: dict[str, Any]) -> dict[str, Any] | None:
    ratios = row.get("by_batch", {}).get("latent_std_ratio")
    if not ratios:
        return None
    return {"scheme": row["scheme"], "bits": row["bits"], "by_batch": {"latent_std_ratio": ratios}}


def publish(out: Path, name: str, root: Path = ROOT, kind: str = "frechet") -> Path:
    """Writes the file of the run in ``out``; gives its path.

    Raises:
        OutputError: the run has no ``flow.json``, or no such numbers.
    """
    source = out / "flow.json"
    if not source.is_file():
        raise OutputError(f"run {out}", "it has no flow.json", "run fmq flow --out OUT to its end")
    path = root / "docs" / "results" / f"flow-{name}-{KINDS[kind]}.json"
    write_text_atomically(path, slim(json.loads(source.read_text("utf-8")), kind))
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 2 where there is nothing to keep."""
    parser = argparse.ArgumentParser(description="Keep what a run's draws of the noise show.")
    parser.add_argument("out", type=Path, help="folder of the run")
    parser.add_argument("name", help="what to call it")
    parser.add_argument("--of", choices=KINDS, default="frechet", help="what is kept; default: frechet")
    given = parser.parse_args(arguments)
    try:
        print(publish(given.out, given.name, kind=given.of))
    except FmqError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
