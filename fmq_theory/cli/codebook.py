"""``fmq codebook``: the codebook oracle."""

import math
from typing import Any

import click

from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.inputs import reading_checkpoint
from fmq_theory.cli.options import force_option, json_option
from fmq_theory.cli.outputs import ReportFiles
from fmq_theory.cli.running import FmqCommand

__all__ = ["codebook"]

# Said again here, so that --help needs no numerics; a test compares with the registries.
SOURCES = ("gaussian", "laplace", "logistic", "student-t", "generalized-gaussian", "gamma", "uniform")
CRITERIA = ("mse", "equal-mass", "uniform")
_SHAPE_OPTIONS = {"student-t": "df", "generalized-gaussian": "beta", "gamma": "shape"}


@click.command(cls=FmqCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--source", type=click.Choice(SOURCES), required=True, help="The law, with mean 0.")
@click.option("--df", help="student-t: degrees of freedom above 2, as 3, 3.5 or 7/2.  [default: 4]")
@click.option("--beta", help="generalized-gaussian: exponent of exp(-|x|^beta).  [default: 3/2]")
@click.option("--shape", help="gamma: shape; below 1 the density peaks at 0.  [default: 1/2]")
@click.option("--scale", default="1", show_default=True, help="Standard deviation of the law.")
@click.option("--bits", type=click.IntRange(0, 10), help="2^bits levels.")
@click.option("--levels", type=int, help="Number of levels, in place of --bits.")
@click.option(
    "--criterion",
    type=click.Choice(CRITERIA),
    help="Least squared error, cells of equal mass, or the best equal steps.  [default: mse]",
)
@click.option("--digits", type=click.IntRange(1, 200), default=30, show_default=True, help="Decimal places.")
@click.option("--check", "table", help="A table of levels: a JSON file as said above, or nf4 or fp4.")
@click.option(
    "--best-scale", is_flag=True, help="With --check: judge the table at its best multiple, not as given."
)
@click.option(
    "--tolerance", type=float, help="With --check: exit 1 unless the table is proven this near, as 0.01."
)
@json_option()
@force_option()
def codebook(
    source: str,
    df: str | None,
    beta: str | None,
    shape: str | None,
    scale: str,
    bits: int | None,
    levels: int | None,
    criterion: str | None,
    digits: int,
    table: str | None,
    best_scale: bool,
    tolerance: float | None,
    json_path: str | None,
    force: bool,
) -> None:
    """Print a law's codebook with certified digits, or certify how good a table is.

    Each number comes with a radius that is proven in ball arithmetic. The check of a table says by how
    much its squared error exceeds the least one possible, which of the two Lloyd-Max conditions (nearest
    level, centroid) fails where, and which multiple or affine map of the table is the best one. A format
    whose blocks carry a scale is judged with --best-scale.

    A table is a JSON file: a list of levels, or an object with "levels" and, if they are not half-way between
    them, "thresholds"; what --json writes is such an object, with a certificate that
    proofs_check/check_certificate.py verifies by itself. A level is a number, a string that holds a
    decimal or a quotient "p/q", or an enclosure {"lower": "...", "upper": "..."}, which stands for its
    middle. Numbers are taken as written: 0.1 is one tenth.

    INCONCLUSIVE means that the optimum is enclosed but not proven to the digits asked for; a codebook is
    then the best one found, and a multiple or an affine map is called "found".

    \b
    Examples:
      fmq codebook --source gaussian --bits 4
      fmq codebook --source student-t --df 5 --levels 8 --criterion equal-mass --digits 20
      fmq codebook --source laplace --levels 8 --criterion uniform
      fmq codebook --source gaussian --check nf4 --best-scale
      fmq codebook --source laplace --check table.json --tolerance 0.001
    """  # noqa: D301 (click reads \\b as "keep these lines")
    given = {"df": df, "beta": beta, "shape": shape}
    wanted = _SHAPE_OPTIONS.get(source)
    for option, value in given.items():
        if value is not None and option != wanted:
            raise click.UsageError(f"--{option} does not belong to --source {source}; leave it out")
    parameter = given[wanted] if wanted else None
    if table is None:
        _refuse_without_table(bits, levels, tolerance, best_scale=best_scale)
    elif bits is not None or levels is not None or criterion is not None:
        raise click.UsageError(
            "--check takes the size from the table; leave out --bits, --levels, --criterion"
        )
    if tolerance is not None and not (math.isfinite(tolerance) and tolerance >= 0):
        raise click.UsageError(f"--tolerance {tolerance}: give a share of the least error, such as 0.01")
    with reported_errors(), reading_checkpoint(None, table):
        from fmq_theory.claims.oracle.design import design, scaled_law
        from fmq_theory.claims.oracle.table_check import check_table
        from fmq_theory.claims.oracle.table_file import read_table
        from fmq_theory.report.codebook.files import codebook_as_json, table_as_json
        from fmq_theory.report.codebook.words import codebook_text, table_text

        outputs = ReportFiles(json_path, force=force)
        outputs.check()
        law = scaled_law(source, parameter, scale)
        if table is None:
            num_levels = levels if levels is not None else 2 ** (bits or 0)
            report = design(law, num_levels, criterion=criterion or "mse", digits=digits)
            _print_or_write(codebook_text(report), codebook_as_json(report), outputs)
            return
        checked = check_table(read_table(table), law, digits=digits, best_scale=best_scale)
        _print_or_write(table_text(checked), table_as_json(checked), outputs)
    if tolerance is not None and checked.excess.upper_float > tolerance:
        click.echo(f"not proven to be within {tolerance:g} of the least error", err=True)
        raise SystemExit(1)


def _refuse_without_table(
    bits: int | None, levels: int | None, tolerance: float | None, *, best_scale: bool
) -> None:
    if (bits is None) == (levels is None):
        raise click.UsageError("give either --bits or --levels, or a table with --check")
    if tolerance is not None:
        raise click.UsageError("--tolerance has a meaning only with --check")
    if best_scale:
        raise click.UsageError("--best-scale has a meaning only with --check")


def _print_or_write(text: str, data: dict[str, Any], outputs: ReportFiles) -> None:
    outputs.write(lambda: data)
    if not outputs.prints_json:
        click.echo(text)
    outputs.tell()
