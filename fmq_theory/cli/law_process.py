"""The theory of a law in a process of its own, while the command measures samples.

Threads would not do: the interpreter works on one thing at a time, and this is work of the interpreter.
``python -m fmq_theory.cli.law_process`` reads a question from standard input, a pickle of this very package,
and writes the answer to standard output. The first time it also compiles what the command needs last.
"""

import pickle
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from fmq_theory.cli.compile_kernels import compile_schemes
from fmq_theory.cli.start import python_module

if TYPE_CHECKING:
    from fmq_theory.claims.comparison.law_theory import LawTheory
    from fmq_theory.sources import Source

__all__ = ["Question", "theory_beside"]

_WORTH_A_PROCESS = 1_000_000
"""Weights from which on measuring takes longer than a process takes to start."""


class Question(NamedTuple):
    """What the process is asked.

    Attributes:
        source: the law.
        schemes: names.
        bits: bit-widths.
        n: weights a sample.
        compiles: schemes whose kernels are compiled first, which is for the first run; none later.
    """

    source: "Source"
    schemes: tuple[str, ...]
    bits: tuple[int, ...]
    n: int
    compiles: tuple[str, ...]


@contextmanager
def theory_beside(question: Question, weights: int) -> Generator[Callable[[], "LawTheory | None"]]:
    """Gives a function that waits for the theory of a law; it gives None where no process computes it.

    That is so where all samples are small or there is one core, and after any trouble with the process.

    Args:
        question: what to compute.
        weights: of all samples together.
    """
    from fmq_theory.kernels.runtime.threads import default_threads

    if default_threads() == 1 or not (question.compiles or weights >= _WORTH_A_PROCESS):
        yield lambda: None
        return
    command, environment = python_module("fmq_theory.cli.law_process")
    pipe, silent = subprocess.PIPE, subprocess.DEVNULL
    try:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=silent, env=environment)  # noqa: S603
    except OSError:  # no memory for another process, or no right to start one: it only saves time
        yield lambda: None
        return
    with process:
        try:
            _ask(process, question)
            yield lambda: _answer(process)
        finally:
            process.kill()


def _ask(process: subprocess.Popen[bytes], question: Question) -> None:
    if process.stdin is None:
        return
    try:
        with process.stdin:
            pickle.dump(question, process.stdin)
    except OSError:  # it has ended already, and answers nothing
        return


def _answer(process: subprocess.Popen[bytes]) -> "LawTheory | None":
    if process.stdout is None:
        return None
    data = process.stdout.read()
    return pickle.loads(data) if process.wait() == 0 else None  # noqa: S301 (our own process wrote it)


def main() -> None:
    """Answers the question on standard input."""
    question: Question = pickle.load(sys.stdin.buffer)  # noqa: S301 (our own process wrote it)
    compile_schemes(question.compiles)
    from fmq_theory.claims.comparison.law_theory import law_theory
    from fmq_theory.claims.comparison.on_law import sized_schemes

    found = law_theory(
        question.source, sized_schemes(question.schemes, question.n), question.bits, question.n
    )
    pickle.dump(found, sys.stdout.buffer)


if __name__ == "__main__":
    main()
