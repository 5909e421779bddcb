"""``fmq bounds`` = ``python -m fmq_theory.bounds``: the main job."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from fmq_theory.cli.compile_kernels import schemes_to_compile
from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.inputs import reading_checkpoint
from fmq_theory.cli.law_process import Question, theory_beside
from fmq_theory.cli.options import csv_option, force_option, json_option, read_bits, read_names
from fmq_theory.cli.outputs import Outputs, ReportFiles
from fmq_theory.cli.running import FmqCommand
from fmq_theory.cli.scheme_names import COMPARED, NAMES
from fmq_theory.cli.start import leave_torch_out_of_pot

if TYPE_CHECKING:
    from fmq_theory.claims import Comparison
    from fmq_theory.claims.comparison.law_theory import LawTheory
    from fmq_theory.sources import Source

__all__ = ["bounds", "main"]

# Said again here, so that --help needs no numerics; a test compares with FAMILIES.
TAILS = ("gaussian", "laplace", "logistic", "student-t", "generalized-gaussian", "gamma", "uniform")


@click.command(cls=FmqCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--tail", "--source", "tail", type=click.Choice(TAILS), help="Law of the weights, moved to mean 0."
)
@click.option("--df", type=float, help="student-t: degrees of freedom; must exceed 2.  [default: 4]")
@click.option("--beta", type=float, help="generalized-gaussian: exponent of exp(-|x|^beta).  [default: 1.5]")
@click.option("--shape", type=float, help="gamma: shape; below 1 the density peaks at 0.  [default: 0.5]")
@click.option("--scale", type=float, default=1.0, show_default=True, help="Standard deviation of the law.")
@click.option(
    "--checkpoint", type=click.Path(path_type=Path), help="Real weights: a .pt, .pth or .safetensors file."
)
@click.option(
    "--include",
    multiple=True,
    help="With --checkpoint: only tensors whose name fits, as in 'ema.*'; a whole name selects a tensor of "
    "one dimension as well; repeatable.",
)
@click.option(
    "--granularity",
    type=click.Choice(("channel", "tensor")),
    default=None,
    help="A codebook for each output channel, or one a tensor.  [default: channel]",
)
@click.option(
    "--bits", callback=read_bits, default="2-8", show_default=True, help="Bit-widths: 2-8, 4, or 2,4,6."
)
@click.option(
    "--n", type=click.IntRange(2, 200_000_000), default=None, help="Weights a sample.  [default: 1,000,000]"
)
@click.option("--repeats", type=click.IntRange(1), default=None, help="Samples drawn.  [default: 8]")
@click.option(
    "--schemes",
    callback=read_names,
    default=",".join(COMPARED),
    help=f"Comma-separated, or 'all'. Known: {', '.join(NAMES)}, power:ALPHA, ecq:LAGRANGIAN."
    "  [default: all but nf4, fp4]",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Root of all randomness.")
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Figure file (svg, pdf, png); has a default name."
)
@click.option("--no-plot", is_flag=True, help="Write no figure.")
@json_option()
@csv_option("the rows")
@force_option()
@click.option("--quiet", is_flag=True, help="Print the verdict and the ratios, not the table.")
def bounds(
    tail: str | None,
    df: float | None,
    beta: float | None,
    shape: float | None,
    scale: float,
    checkpoint: Path | None,
    include: tuple[str, ...],
    granularity: str | None,
    bits: tuple[int, ...],
    n: int | None,
    repeats: int | None,
    schemes: tuple[str, ...],
    seed: int,
    plot: Path | None,
    no_plot: bool,
    json_path: str | None,
    csv_path: Path | None,
    force: bool,
    quiet: bool,
) -> None:
    """Set theory beside measurement, for each scheme and bit-width.

    Give a law (--tail) or real weights (--checkpoint). First comes the verdict on the paper's claim, with the
    two ratios to min-max uniform: rho_W2 for the W2 optimum (Lloyd-Max) and rho_EM for the paper's equal
    mass, whether each lies in the paper's band 0.25-0.40, and the crossover b*. Then comes the table (--quiet
    leaves it out). For a law three mean squared errors are told apart: "own", of a codebook designed on n
    weights, on these weights; "fresh", of the same codebook on weights it has not seen; "law", of the
    codebook designed on the law. Beside own and fresh stands what theory says of their mean over samples: =
    its value, ≤ or ≥ a proven bound. Beside law stand a proven upper bound, the high-rate prediction and its
    order (the error falls as 2^(-order*b)). JSON and CSV have the same in columns own_*, fresh_* and law_*.

    \b
    Examples:
      python -m fmq_theory.bounds --tail student-t
      python -m fmq_theory.bounds --tail gaussian --n 1000000 --repeats 20 --json gaussian.json
      python -m fmq_theory.bounds --checkpoint model.safetensors --granularity channel
    """  # noqa: D301 (click reads \\b as "keep these lines")
    if (tail is None) == (checkpoint is None):
        raise click.UsageError("give either --tail NAME (a law) or --checkpoint PATH (real weights)")
    if "all" in schemes:
        schemes = tuple(dict.fromkeys((*NAMES, *(name for name in schemes if name != "all"))))
    outputs = Outputs(plot, no_plot, ReportFiles(json_path, csv_path, force=force), quiet)
    with reported_errors(), reading_checkpoint(checkpoint):
        if checkpoint is None:
            _refuse("--tail", {"--include": include or None, "--granularity": granularity})
            law = _Law(str(tail), {"df": df, "beta": beta, "shape": shape}, scale, n or 1_000_000)
            comparison = _on_law(law, outputs, bits, schemes, repeats or 8, seed)
        else:
            given = {"--df": df, "--beta": beta, "--shape": shape, "--n": n, "--repeats": repeats}
            _refuse("--checkpoint", given)
            comparison = _on_checkpoint(checkpoint, outputs, include, granularity or "channel", bits, schemes)
        outputs.write(comparison)


@dataclass(frozen=True, slots=True)
class _Law:
    """A law as the command line names it."""

    tail: str
    shapes: dict[str, float | None]
    scale: float
    n: int

    def source(self) -> "Source":
        """The law with mean 0 and standard deviation ``scale``."""
        from fmq_theory.sources import FAMILIES, make

        known = {parameter.name for parameter in FAMILIES[self.tail].parameters}
        given = {name: value for name, value in self.shapes.items() if value is not None}
        for name in given:
            if name not in known:
                raise click.UsageError(f"--{name} does not belong to --tail {self.tail}; leave it out")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise click.UsageError(
                f"--scale {self.scale}: the standard deviation must be positive and finite"
            )
        unit = make(self.tail, **given).standard_deviation_one()
        return replace(cast("Any", unit), scale=cast("Any", unit).scale * self.scale)

    def words(self, source: "Source") -> str:
        """The law in words: ``student-t (df = 3), standard deviation 1, n = 1,000,000``."""
        shapes = [f"{name} = {getattr(source, name):g}" for name in self.shapes if hasattr(source, name)]
        named = f"{self.tail} ({', '.join(shapes)})" if shapes else self.tail
        return f"{named}, standard deviation {self.scale:g}, n = {self.n:,}"


def _refuse(mode: str, values: Mapping[str, object]) -> None:
    for option, value in values.items():
        if value is not None:
            raise click.UsageError(f"{option} has no meaning with {mode}; leave it out")


def _on_law(
    law: _Law, outputs: Outputs, bits: tuple[int, ...], schemes: tuple[str, ...], repeats: int, seed: int
) -> "Comparison":
    source = law.source()
    shapes = "".join(f"-{name}{value:g}" for name, value in law.shapes.items() if value is not None)
    outputs.check(f"fmq-bounds-{law.tail}{shapes}")
    leave_torch_out_of_pot()
    question = Question(source, schemes, bits, law.n, schemes_to_compile((*schemes, "lloyd_max")))
    with theory_beside(question, law.n * repeats) as theory:
        found = _compared(source, law, question, repeats, seed, theory)
    asked = {name: getattr(source, name) for name in law.shapes if hasattr(source, name)}
    return replace(found, config={"tail": law.tail, **asked, "scale": law.scale, **found.config})


def _compared(
    source: "Source",
    law: _Law,
    question: Question,
    repeats: int,
    seed: int,
    theory: Callable[[], "LawTheory | None"],
) -> "Comparison":
    from fmq_theory.claims import compare_law
    from fmq_theory.metrics.wasserstein_pot import load_pot_alone
    from fmq_theory.report.base.progress import stages
    from fmq_theory.report.comparison.early import early_lines

    with stages(law.tail, "starting") as bar:
        load_pot_alone()
        return compare_law(
            source,
            law.words(source),
            bits=question.bits,
            schemes=question.schemes,
            n=law.n,
            repeats=repeats,
            seed=seed,
            workers=_workers(law.n),
            progress=bar.advance,
            theory=theory,
            ready=early_lines(bar, question.schemes, question.bits, repeats),
        )


def _workers(n: int) -> int:
    """Samples measured at a time: a sample of a million weights takes about 150 MB while it is measured."""
    return max(1, min(os.cpu_count() or 1, 4, 8_000_000 // n))


def _on_checkpoint(
    path: Path,
    outputs: Outputs,
    include: tuple[str, ...],
    granularity: str,
    bits: tuple[int, ...],
    schemes: tuple[str, ...],
) -> "Comparison":
    outputs.check(f"fmq-bounds-{path.stem}-{granularity}")
    from fmq_theory.claims.comparison.on_checkpoint import compare_checkpoint
    from fmq_theory.report import progress_bar

    with progress_bar(f"measuring {path.name}", "reading the checkpoint") as progress:
        return compare_checkpoint(
            path, tensors=include, granularity=granularity, bits=bits, schemes=schemes, progress=progress
        )


def main() -> None:
    """Entry point of ``python -m fmq_theory.bounds``."""
    bounds.main(prog_name="python -m fmq_theory.bounds")
