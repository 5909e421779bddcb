"""Keep a run of ``fmq flow`` in the documentation: its page, its JSON, some of its figures.

    python -m experiments.publish_flow fmq-flow-digits digits --figures similarity,ladder,samples

writes ``docs/results/flow-NAME.{md,json}`` and ``docs/figures/flow-NAME-FIGURE.svg``. ``--before`` names a
command that has to be run first, for what the run reads and the repository does not hold; it may be repeated.
"""

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.framework.checkpoints import FOLDER_VARIABLE, folder
from experiments.reference_data import DATA_VARIABLE, mnist_folder
from fmq_theory.errors import FmqError, OutputError
from fmq_theory.report import write_text_atomically

ROOT = Path(__file__).resolve().parents[1]
_FIGURE = re.compile(r"\n!\[(\w+)\]\((\w+)\.\w+\)\n")


def page(text: str, name: str, figures: Sequence[str], before: Sequence[str] = ()) -> str:
    """The report with links to the figures that are kept, and with what has to be run first."""

    def link(found: re.Match[str]) -> str:
        figure = found[1]
        return f"\n![{figure}](../figures/flow-{name}-{figure}.svg)\n" if figure in figures else ""

    text = _FIGURE.sub(link, text)
    if before:
        first = ", ".join(f"`{command}`" for command in before)
        text = text.replace("Written by `", f"Written by {first} and then `", 1)
    return with_variables(text)


def with_variables(text: str) -> str:
    """Folders that lie elsewhere for every reader, by the variables that name them."""
    for variable, place in ((FOLDER_VARIABLE, folder()), (DATA_VARIABLE, mnist_folder())):
        text = text.replace(os.path.relpath(place, ROOT), f"${variable}")
    return text


def publish(
    out: Path, name: str, figures: Sequence[str], before: Sequence[str] = (), root: Path = ROOT
) -> list[Path]:
    """Copies the run in ``out``.

    Raises:
        OutputError: a file of the run is missing.
    """
    names = ["report.md", "flow.json", *(f"{figure}.svg" for figure in figures)]
    missing = [each for each in names if not (out / each).is_file()]
    if missing:
        raise OutputError(
            f"run {out}", f"it has no {', '.join(missing)}", "run fmq flow --out OUT to its end"
        )
    results, pictures = root / "docs" / "results", root / "docs" / "figures"
    written = [results / f"flow-{name}.md", results / f"flow-{name}.json"]
    write_text_atomically(written[0], page((out / "report.md").read_text("utf-8"), name, figures, before))
    shutil.copyfile(out / "flow.json", written[1])
    for figure in figures:
        written.append(pictures / f"flow-{name}-{figure}.svg")
        shutil.copyfile(out / f"{figure}.svg", written[-1])
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Keep a run of fmq flow in the documentation.")
    parser.add_argument("out", type=Path, help="folder of the run")
    parser.add_argument("name", help="what to call it")
    parser.add_argument("--figures", default="similarity,ladder", help="comma-separated")
    parser.add_argument("--before", action="append", default=[], help="command that has to be run first")
    given = parser.parse_args(arguments)
    try:
        for path in publish(given.out, given.name, given.figures.split(","), given.before):
            print(path)
    except FmqError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
