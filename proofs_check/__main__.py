"""``python -m proofs_check [--only ID] [--steps] [--list]``: prove the lemmas, refute their mutants.

Exit code 0 if every lemma is proved and every mutant refuted, 1 if not, 2 for an unknown ID.
"""

import argparse
import sys
from collections.abc import Sequence

import mpmath as mp

from proofs_check.registry import LEMMAS
from proofs_check.runner import Outcome, run_lemma


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the lemmas asked for and print one block for each; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m proofs_check", description="Prove the lemmas of the theory."
    )
    parser.add_argument(
        "--only", metavar="ID", action="append", choices=list(LEMMAS), help="this lemma only (repeatable)"
    )
    parser.add_argument("--steps", action="store_true", help="print every step of every derivation")
    parser.add_argument("--list", action="store_true", help="list the lemmas and stop")
    options = parser.parse_args(arguments)
    if options.list:
        for lemma in LEMMAS.values():
            print(f"{lemma.id:<6} {lemma.title}")
        return 0
    outcomes: list[Outcome] = []
    print(f"{'id':<6} {'verdict':<8} {'steps':>5} {'mutants':>8} {'seconds':>8}  title")
    for name in options.only or LEMMAS:
        outcome = run_lemma(LEMMAS[name])
        outcomes.append(outcome)
        _print_outcome(outcome, steps=options.steps)
    failed = [outcome.lemma.id for outcome in outcomes if not outcome.passed]
    mutants = sum(len(outcome.mutants) for outcome in outcomes)
    if failed:
        print(f"\nFAILED: {', '.join(failed)}")
        return 1
    print(f"\n{len(outcomes)} lemmas proved, {mutants} mutants refuted.")
    return 0


def _print_outcome(outcome: Outcome, *, steps: bool) -> None:
    derivation = outcome.derivation
    verdict = "proved" if outcome.passed else "FAILED"
    count = len(derivation.steps) if derivation else 0
    refuted = f"{sum(mutant.refuted for mutant in outcome.mutants)}/{len(outcome.mutants)}"
    lemma = outcome.lemma
    print(
        f"{lemma.id:<6} {verdict:<8} {count:>5} {refuted:>8} {outcome.seconds:>8.2f}  {lemma.title}",
        flush=True,
    )
    if outcome.failure:
        print(f"       not proved at {outcome.failure}")
    if steps and derivation:
        for step in derivation.steps:
            print(f"       [{step.how}] {step.name}: {step.detail}")
        for constant in derivation.constants:
            print(f"       {constant.name} = {constant.exact} = {mp.nstr(constant.value, 30)}")
    for mutant in outcome.mutants:
        if steps or not mutant.refuted:
            state = "refuted" if mutant.refuted else "NOT REFUTED"
            print(f"       mutant {state}: {mutant.mutant.what} ({mutant.reason})")


if __name__ == "__main__":
    sys.exit(main())
