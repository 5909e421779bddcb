"""``fmq doctor``: whether this installation works."""

import click

from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.options import force_option, json_option
from fmq_theory.cli.outputs import ReportFiles
from fmq_theory.cli.running import FmqCommand

__all__ = ["doctor"]


@click.command(cls=FmqCommand, diagnoses=True, context_settings={"help_option_names": ["-h", "--help"]})
@json_option()
@force_option()
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
        from fmq_theory.report.base.progress import progress_bar
        from fmq_theory.report.health_table import print_health

        outputs = ReportFiles(json_path, force=force)
        outputs.check()
        if compiles:
            from fmq_theory.cli.compile_kernels import compile_ahead

            with progress_bar("doctor", "compiling kernels, once") as progress:
                compile_ahead(progress)
        with progress_bar("doctor", "looking at the environment") as progress:
            checks = check_health(progress)
        broken = is_broken(checks)
        told = {"healthy": not broken, "checks": [check.as_json() for check in checks]}
        outputs.write(lambda: told)
        if not outputs.prints_json:
            print_health([(check.name, check.status, check.found, check.remedy) for check in checks])
        outputs.tell()
    if broken:
        raise SystemExit(1)
    if not outputs.prints_json:
        click.echo("Next: fmq audit CHECKPOINT looks at weights of your own; fmq --help has the rest.")
