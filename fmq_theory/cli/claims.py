"""``fmq claims``: the register, run and printed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.inputs import reading_checkpoint
from fmq_theory.cli.options import force_option, html_option, json_option
from fmq_theory.cli.outputs import ReportFiles
from fmq_theory.cli.running import FmqCommand
from fmq_theory.cli.start import leave_torch_out_of_pot, let_idle_threads_sleep
from fmq_theory.shown import escaped

if TYPE_CHECKING:
    from fmq_theory.claims.engine.claim import Finding

__all__ = ["claims"]

DOCUMENT = Path("docs/claims.md")
RESULTS = Path("docs/results")


@click.command(cls=FmqCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, help="Only these claims: P4-EM, or P4 for both readings.")
@click.option(
    "--checkpoint", type=click.Path(path_type=Path), help="Real weights: P6 is measured on them as well."
)
@click.option(
    "--include",
    multiple=True,
    help="With --checkpoint: only tensors whose name fits, as in 'ema.*'; repeatable.",
)
@click.option(
    "--fidelity",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Measured samples, the JSON of fmq flow; may be repeated.  [default: in a checkout, "
    f"{RESULTS}/flow-*.json]",
)
@json_option()
@html_option()
@click.option(
    "--write", is_flag=True, help=f"Write {DOCUMENT} from {RESULTS} (run it in the repository's root)."
)
@click.option("--check", is_flag=True, help=f"Exit 1 if {DOCUMENT} is not what --write would write.")
@force_option()
def claims(
    only: tuple[str, ...],
    checkpoint: Path | None,
    include: tuple[str, ...],
    fidelity: tuple[Path, ...],
    json_path: str | None,
    html_path: Path | None,
    write: bool,
    check: bool,
    force: bool,
) -> None:
    """Run every claim of the register, and say what error of each would have been noticed.

    P1 to P8 are the paper's claims as reconstructed, C1 and on our own. A verdict is CERTIFIED (both sides
    proven), SUPPORTED (by measurement), INCONCLUSIVE (an input is missing or an interval cannot tell),
    REFUTED or VACUOUS. Its resolution is the smallest change of the prediction that some case refutes; it
    says so where no near change would be refuted. A refuted claim of the paper is a result, not a failure of
    this command: it exits 1 if a negative control passes, if a claim of our own is refuted, or if --check
    finds a stale document.

    \b
    Examples:
      fmq claims
      fmq claims --only P4,P5 --json claims.json
      fmq claims --checkpoint model.safetensors --only P6
      fmq claims --fidelity fmq-flow-digits/flow.json --only P7,P8
    """  # noqa: D301 (click reads \\b as "keep these lines")
    names = tuple(name.strip() for group in only for name in group.split(",") if name.strip())
    if (write or check) and (names or checkpoint or fidelity):
        raise click.UsageError("--write and --check are about the whole register without inputs")
    if include and checkpoint is None:
        raise click.UsageError("--include has no meaning without --checkpoint; leave it out")
    if checkpoint is None:
        leave_torch_out_of_pot()
    let_idle_threads_sleep()
    with reported_errors(), reading_checkpoint(checkpoint, *fidelity):
        from fmq_theory.claims.engine.claim import Inputs
        from fmq_theory.claims.register.register import run_register
        from fmq_theory.report import progress_bar
        from fmq_theory.report.claims.document import claims_markdown
        from fmq_theory.report.claims.files import claims_as_json
        from fmq_theory.report.claims.page import write_claims_html
        from fmq_theory.report.claims.table import print_claims
        from fmq_theory.storage import check_outputs, write_text_atomically

        _check_inputs(checkpoint, fidelity)
        outputs = ReportFiles(json_path, None, html_path, force)
        outputs.check()
        used = fidelity or kept_runs()
        if write:
            check_outputs([DOCUMENT], overwrite=True)
        with progress_bar("claims") as progress:
            findings = run_register(names, Inputs(checkpoint, used, include), progress=progress)
        click.echo(_samples_in_words(fidelity, used), err=True)
        outputs.write(lambda: claims_as_json(findings), html=lambda path: write_claims_html(findings, path))
        if write:
            write_text_atomically(DOCUMENT, claims_markdown(findings))
        if not outputs.prints_json:
            print_claims(findings)
        outputs.tell()
        if write:
            click.echo(f"Document: {escaped(DOCUMENT)}", err=outputs.prints_json)
        stale = check and _is_stale(findings)
    if stale:
        click.echo(f"{DOCUMENT} is stale: run fmq claims --write and commit the result", err=True)
    if stale or _failed(findings):
        raise SystemExit(1)


def kept_runs() -> tuple[Path, ...]:
    """The runs of ``fmq flow`` that the repository keeps beside its document; none outside of a checkout."""
    return tuple(sorted(RESULTS.glob("flow-*.json")))


def _samples_in_words(named: Sequence[Path], used: Sequence[Path]) -> str:
    """Where the samples of trained networks came from, or what is missing without them."""
    if named:
        return f"Samples of trained networks: {', '.join(map(escaped, named))}"
    if used:
        return (
            f"Samples of trained networks: {len(used)} of {RESULTS}/flow-*.json of this checkout; "
            "--fidelity FILE names others"
        )
    return (
        "Samples of trained networks: none, so claims about them are INCONCLUSIVE. This is no checkout, "
        f"which keeps some in {RESULTS}; fmq flow --json FILE makes them, --fidelity FILE names them"
    )


def _check_inputs(checkpoint: Path | None, fidelity: Sequence[Path]) -> None:
    if checkpoint is not None and not checkpoint.exists():
        raise click.UsageError(f"--checkpoint {checkpoint}: there is no such file; name an existing one")
    for path in fidelity:
        if not path.is_file():
            raise click.UsageError(f"--fidelity {path}: there is no such file; name an existing one")


def _is_stale(findings: "tuple[Finding, ...]") -> bool:
    from fmq_theory.report.claims.document import claims_markdown

    return not DOCUMENT.is_file() or DOCUMENT.read_text("utf-8") != claims_markdown(findings)


def _failed(findings: "tuple[Finding, ...]") -> bool:
    from fmq_theory.claims.engine.claim import Origin, Verdict

    passed = [finding for finding in findings if finding.control is not None and not finding.control.caught]
    refuted = [
        finding
        for finding in findings
        if finding.claim.origin is Origin.OURS and finding.verdict is Verdict.REFUTED
    ]
    return bool(passed or refuted)
