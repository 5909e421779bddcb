"""``python -m proofs_check [--only ID] [--steps] [--list] [--check] [--json PATH]``.

Proves the lemmas, certifies their constants, refutes their mutants. A whole run that passes writes
``docs/proofs.md``; with ``--check`` it compares instead, and fails if the page is stale.

Exit code 0 if all is well, 1 if a lemma, constant or mutant failed or the page is stale, 2 for a
wrong argument.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from proofs_check.document import markdown, record
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
    print(f"{'id':<6} {'verdict':<8} {'steps':>5} {'constants':>9} {'mutants':>8} {'seconds':>8}  title")
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
    mutants = sum(len(outcome.mutants) for outcome in outcomes)
    constants = sum(len(outcome.constants) for outcome in outcomes)
    print(f"\n{len(outcomes)} lemmas proved, {constants} constants certified, {mutants} mutants refuted.")
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
    derivation = outcome.derivation
    verdict = "proved" if outcome.passed else "FAILED"
    count = len(derivation.steps) if derivation else 0
    refuted = f"{sum(mutant.refuted for mutant in outcome.mutants)}/{len(outcome.mutants)}"
    lemma = outcome.lemma
    print(
        f"{lemma.id:<6} {verdict:<8} {count:>5} {len(outcome.constants):>9} {refuted:>8} "
        f"{outcome.seconds:>8.2f}  {lemma.title}",
        flush=True,
    )
    if outcome.failure:
        print(f"       not proved at {outcome.failure}")
    if steps and derivation:
        for step in derivation.steps:
            print(f"       [{step.how}] {step.name}: {step.detail}")
        for constant in outcome.constants:
            print(f"       {constant.name} = {constant.exact} = {constant.decimal}, float {constant.value!r}")
    for mutant in outcome.mutants:
        if steps or not mutant.refuted:
            state = "refuted" if mutant.refuted else "NOT REFUTED"
            print(f"       mutant {state}: {mutant.mutant.what} ({mutant.reason})")


if __name__ == "__main__":
    sys.exit(main())
