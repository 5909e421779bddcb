"""Keep a run of ``fmq flow`` in the documentation: its page, its JSON, some of its figures.

    python -m experiments.documents.publish_flow fmq-flow-digits digits --figures similarity,ladder,samples

writes ``docs/results/flow-NAME.{md,json}`` and ``docs/figures/flow-NAME-FIGURE.svg``. ``--before`` names a
command that has to be run first, for what the run reads and the repository does not hold; it may be repeated.
With ``--only-figures`` the page and the numbers stay those of the run before, and only figures are replaced:
by those of a shorter run whose full-precision samples are the same to the byte. The page says which.
"""

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.documents.places import ROOT
from experiments.framework.checkpoints import FOLDER_VARIABLE, folder
from experiments.reference_data import DATA_VARIABLE, mnist_folder
from fmq_theory.errors import FmqError, OutputError
from fmq_theory.report import write_text_atomically

_COMMAND = re.compile(r"Written by `([^`]+)`")
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


def publish_figures(out: Path, name: str, figures: Sequence[str], root: Path = ROOT) -> list[Path]:
    """Replaces figures of a run that is kept by those of the run in ``out``, made from the same noise.

    Raises:
        OutputError: a file is missing, the page has no such figure, or the full-precision samples differ.
    """
    results, pictures = root / "docs" / "results", root / "docs" / "figures"
    page_path = results / f"flow-{name}.md"
    needed = [out / "report.md", out / "flow.json", *(out / f"{figure}.svg" for figure in figures), page_path]
    if missing := [str(path) for path in needed if not path.is_file()]:
        raise OutputError(
            f"run {out}", f"there is no {', '.join(missing)}", "run fmq flow --out OUT to its end"
        )
    kept, new = (
        json.loads(path.read_text("utf-8"))["full_precision"]["images"]
        for path in (results / f"flow-{name}.json", out / "flow.json")
    )
    if kept is None or kept != new:
        raise OutputError(
            f"run {out}",
            f"its full-precision samples are not those of flow-{name}.json",
            "give it the same checkpoint, seed, samples, sampler and steps",
        )
    text, written = page_path.read_text("utf-8"), [page_path]
    command = with_variables(_COMMAND.search((out / "report.md").read_text("utf-8"))[1])  # pyright: ignore[reportOptionalSubscript]
    for figure in figures:
        link = f"![{figure}](../figures/flow-{name}-{figure}.svg)"
        if link not in text:
            raise OutputError(
                f"page {page_path.name}", f"it has no figure {figure!r}", "publish the run first"
            )
        before, _, after = text.partition(link)
        after = re.sub(r"\A\n\nThe figure above is of another run[^\n]*", "", after)
        said = f"The figure above is of another run, whose full-precision samples are the same: `{command}`."
        text = f"{before}{link}\n\n{said}{after}"
        written.append(pictures / f"flow-{name}-{figure}.svg")
        shutil.copyfile(out / f"{figure}.svg", written[-1])
    write_text_atomically(page_path, text)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Keep a run of fmq flow in the documentation.")
    parser.add_argument("out", type=Path, help="folder of the run")
    parser.add_argument("name", help="what to call it")
    parser.add_argument("--figures", default="similarity,ladder", help="comma-separated")
    parser.add_argument("--before", action="append", default=[], help="command that has to be run first")
    parser.add_argument(
        "--only-figures", action="store_true", help="keep the page and numbers that are there"
    )
    given = parser.parse_args(arguments)
    figures = given.figures.split(",")
    try:
        if given.only_figures:
            paths = publish_figures(given.out, given.name, figures)
        else:
            paths = publish(given.out, given.name, figures, given.before)
        for path in paths:
            print(path)
    except FmqError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
