"""``fmq doctor``: whether this installation works."""

from pathlib import Path

import click

from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.running import FmqCommand
from fmq_theory.shown import escaped, json_text

__all__ = ["doctor"]


@click.command(cls=FmqCommand, diagnoses=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--json",
    "json_path",
    is_flag=False,
    flag_value="-",
    help="Write everything as JSON to this file, or print it if no file is named.",
)
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@click.option(
    "--compile",
    "compiles",
    is_flag=True,
    help="First compile the kernels of fmq bounds, audit and quantize, so that their first run need not.",
)
def doctor(json_path: str | None, force: bool, compiles: bool) -> None:
    """Look at the environment, known breakages, the kernel cache, and compare known numbers.

    Takes some seconds; a minute where the kernels have never been compiled. Exits 1 if something is broken.

    \b
    Examples:
      fmq doctor
      fmq doctor --json
      fmq doctor --compile
    """  # noqa: D301 (click reads \\b as "keep these lines")
    with reported_errors():
        from fmq_theory.cli.health import check_health, is_broken
        from fmq_theory.report.base.files import check_writable, write_text_atomically
        from fmq_theory.report.base.progress import progress_bar
        from fmq_theory.report.health_table import print_health

        path = None if json_path in (None, "-") else Path(str(json_path))
        if path is not None:
            check_writable(path, overwrite=force)
        if compiles:
            from fmq_theory.cli.compile_kernels import compile_ahead

            with progress_bar("doctor", "compiling kernels, once") as progress:
                compile_ahead(progress)
        with progress_bar("doctor", "looking at the environment") as progress:
            checks = check_health(progress)
        broken = is_broken(checks)
        told = {"healthy": not broken, "checks": [check.as_json() for check in checks]}
        text = json_text(told, ascii_only=True)
        if path is not None:
            write_text_atomically(path, text + "\n")
        if json_path == "-":
            click.echo(text)
        else:
            print_health([(check.name, check.status, check.found, check.remedy) for check in checks])
        if path is not None:
            click.echo(f"JSON: {escaped(path)}")
    if broken:
        raise SystemExit(1)
    if json_path != "-":
        click.echo("Next: fmq audit CHECKPOINT looks at weights of your own; fmq --help has the rest.")
