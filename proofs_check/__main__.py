"""``python -m proofs_check [--only ID] [--steps] [--list] [--check] [--json PATH]``.

Proves the lemmas, certifies their constants, refutes their mutants, takes out every step and assumption
in turn. A whole run that passes writes
``docs/proofs.md``; with ``--check`` it compares instead, and fails if the page is stale.

Exit code 0 if all is well, 1 if a lemma, constant or mutant failed, a step or an assumption changes
nothing, or the page is stale, 2 for a wrong argument.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from proofs_check.document import COLUMNS, counts, markdown, record
from proofs_check.registry import LEMMAS
from proofs_check.runner import Outcome, run_lemma

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "proofs.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the lemmas asked for and print one block for each; the exit code."""
    options = _parser().parse_args(arguments)
    if options.list:
        for lemma in LEMMAS.values():
            print(f"{lemma.id:<6} {lemma.title}")
        return 0
    outcomes: list[Outcome] = []
    print(f"{'id':<6} {'verdict':<8} {'derived':>7} {'computed':>8} {'argued':>6} {'checked':>7} ", end="")
    print(f"{'assumed':>7} {'mutants':>7} {'seconds':>7}  title")
    for name in options.only or LEMMAS:
        outcome = run_lemma(LEMMAS[name])
        outcomes.append(outcome)
        _print_outcome(outcome, steps=options.steps)
    if options.json is not None:
        options.json.write_text(json.dumps(record(outcomes), indent=1) + "\n", "utf-8")
    failed = [outcome.lemma.id for outcome in outcomes if not outcome.passed]
    if failed:
        print(f"\nFAILED: {', '.join(failed)}")
        return 1
    total = {what: sum(counts(outcome)[what] for outcome in outcomes) for what in COLUMNS}
    print(
        f"\n{len(outcomes)} lemmas: {total['derived']} steps derived, {total['computed']} computed, "
        f"{total['argued']} argued in words;\n"
        f"{total['checked']} sanity checks besides, on which nothing rests.\n"
        f"{total['conclusions']} conclusions, {total['assumptions needed']} assumptions: "
        "none of these steps and assumptions can be taken out without leaving a conclusion unsupported.\n"
        f"{total['constants']} constants certified, {total['mutants refuted']} mutants refuted."
    )
    return 0 if options.only else _document(markdown(outcomes), check=options.check)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proofs_check", description="Prove the lemmas of the theory."
    )
    parser.add_argument(
        "--only", metavar="ID", action="append", choices=list(LEMMAS), help="this lemma only (repeatable)"
    )
    parser.add_argument("--steps", action="store_true", help="print every step of every derivation")
    parser.add_argument("--list", action="store_true", help="list the lemmas and stop")
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the full record to this file")
    parser.add_argument(
        "--check", action="store_true", help="fail if docs/proofs.md is stale, and do not write it"
    )
    return parser


def _document(page: str, *, check: bool) -> int:
    if not check:
        DOCUMENT.write_text(page, "utf-8")
        print(f"wrote {DOCUMENT}")
        return 0
    if DOCUMENT.exists() and DOCUMENT.read_text("utf-8") == page:
        print(f"{DOCUMENT} is up to date")
        return 0
    print(f"STALE: {DOCUMENT}; run `python -m proofs_check` and commit it")
    return 1


def _print_outcome(outcome: Outcome, *, steps: bool) -> None:
    verdict = "proved" if outcome.passed else "FAILED"
    number, lemma = counts(outcome), outcome.lemma
    refuted = f"{number['mutants refuted']}/{len(outcome.mutants)}"
    print(
        f"{lemma.id:<6} {verdict:<8} {number['derived']:>7} {number['computed']:>8} {number['argued']:>6} "
        f"{number['checked']:>7} {number['assumptions needed']:>7} {refuted:>7} {outcome.seconds:>7.2f}  "
        f"{lemma.title}",
        flush=True,
    )
    if outcome.failure:
        print(f"       not proved at {outcome.failure}")
    for fault in outcome.faults:
        print(f"       {fault}")
    if steps and outcome.derivation:
        for step in outcome.derivation.steps:
            print(f"       [{step.how}] {step.name}: {step.detail}")
        for constant in outcome.constants:
            print(f"       {constant.name} = {constant.exact} = {constant.decimal}, float {constant.value!r}")
    for mutant in outcome.mutants:
        if steps or not mutant.refuted:
            state = "refuted" if mutant.refuted else "NOT REFUTED"
            print(f"       mutant {state}: {mutant.mutant.what} ({mutant.reason})")


if __name__ == "__main__":
    sys.exit(main())
