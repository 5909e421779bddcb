"""Keep the Fréchet distances of a run's draws of the noise: what P3-NET and P5-NET are judged on.

    fmq flow MODEL --bits 2,3,4,8 --seeds 16 --ladder-samples 0 --out OUT
    python -m experiments.publish_draws OUT NAME

writes ``docs/results/flow-NAME-draws.json``: the rows of ``OUT/flow.json`` with the distances alone, so that
no other claim counts these samples beside those of the whole run.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fmq_theory.errors import FmqError, OutputError
from fmq_theory.report import write_text_atomically

__all__ = ["main", "publish", "slim"]

ROOT = Path(__file__).resolve().parents[1]
_KEPT = ("format", "subject", "config", "features", "environment")
_COLUMNS = ("scheme", "bits", "lossless_share", "frechet_by_seed")


def slim(report: dict[str, Any]) -> str:
    """The report as JSON with the distances of each draw alone, a line a row.

    Args:
        report: as ``fmq flow`` writes it.

    Raises:
        OutputError: it has no distances of draws.
    """
    rows = [{key: row[key] for key in _COLUMNS} for row in report["rows"] if row.get("frechet_by_seed")]
    if not rows:
        raise OutputError(
            f"run of {report.get('subject')}",
            "it has no Fréchet distances of single draws",
            "run fmq flow with --features",
        )
    head = ",\n".join(
        f" {json.dumps(key)}: {json.dumps(report.get(key), ensure_ascii=False)}" for key in _KEPT
    )
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    return f'{{\n{head},\n "rows": [\n{lines}\n ]\n}}\n'


def publish(out: Path, name: str, root: Path = ROOT) -> Path:
    """Writes the file of the run in ``out``; gives its path.

    Raises:
        OutputError: the run has no ``flow.json``, or no distances.
    """
    source = out / "flow.json"
    if not source.is_file():
        raise OutputError(f"run {out}", "it has no flow.json", "run fmq flow --out OUT to its end")
    path = root / "docs" / "results" / f"flow-{name}-draws.json"
    write_text_atomically(path, slim(json.loads(source.read_text("utf-8"))))
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 2 where there is nothing to keep."""
    parser = argparse.ArgumentParser(description="Keep the Fréchet distances of a run's draws of the noise.")
    parser.add_argument("out", type=Path, help="folder of the run")
    parser.add_argument("name", help="what to call it")
    given = parser.parse_args(arguments)
    try:
        print(publish(given.out, given.name))
    except FmqError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
