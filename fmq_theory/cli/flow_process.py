"""Cells of ``fmq flow`` in processes of their own: torch lends a module's weights to one thread at a time.

``python -m fmq_theory.cli.flow_process`` reads a question from standard input, a pickle of this very package,
then a scheme and a bit-width a line, and writes a cell a line to standard output.
"""

import json
import pickle
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from fmq_theory.cli.flow_network import Network
from fmq_theory.cli.start import python_module

if TYPE_CHECKING:
    from fmq_theory.flow import FlowModel
    from fmq_theory.flow.cell import Cell
    from fmq_theory.flow.settings import FlowSettings

__all__ = ["CellProcess", "CellQuestion", "cell_processes"]

_MOST = 3
_WORTH_A_PROCESS = 8
"""Cells from which on another process, which starts in 4 seconds and makes a cell of the digits in 2.5, ends
earlier than without it."""


class CellQuestion(NamedTuple):
    """What the process needs besides the name of a cell.

    Attributes:
        network: loaded again there, because the classes of a user's file cannot be sent.
        settings: of the run.
        features: name of the feature map, "none" for none.
        data_name: of the data; None for none.
    """

    network: Network
    settings: "FlowSettings"
    features: str
    data_name: str | None


class CellProcess:
    """A process that measures cells, as ``flow.cell_work.CellHelper`` asks.

    Args:
        question: what it is to load.

    Raises:
        OSError: the system starts no process.
    """

    def __init__(self, question: CellQuestion) -> None:
        command, environment = python_module("fmq_theory.cli.flow_process")
        pipe, silent = subprocess.PIPE, subprocess.DEVNULL
        alone = {**environment, "FMQ_THREADS": "1"}
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=silent, env=alone)  # noqa: S603
        self._send(pickle.dumps(question))

    def measure(self, scheme: str, bits: int) -> "Cell | None":
        """The cell; None once the process is no help any more.

        Args:
            scheme: its name.
            bits: bit-width.
        """
        from fmq_theory.flow.cell import Cell

        self._send(json.dumps([scheme, bits]).encode() + b"\n")
        line = b"" if self._process.stdout is None else self._process.stdout.readline()
        try:
            return Cell.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError):  # it has ended, with half a line or none
            return None

    def stop(self) -> None:
        """Ends it at once."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Ends it, and its pipes."""
        self.stop()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what it was to be told last is lost with it
                    continue

    def _send(self, data: bytes) -> None:
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError:  # it has ended already, and answers nothing
            return


@contextmanager
def cell_processes(
    question: CellQuestion, model: "FlowModel", missing: int
) -> Generator[tuple[CellProcess, ...]]:
    """As many processes as help: none for few cells, a lone core, or a network whose operations share well.

    Args:
        question: what each of them loads.
        model: the network of this process.
        missing: cells that are still to be measured.
    """
    from fmq_theory.flow.cell_work import is_small
    from fmq_theory.kernels.runtime.threads import default_threads

    count = min(default_threads() - 1, _MOST, missing // _WORTH_A_PROCESS) if is_small(model.module) else 0
    with ExitStack() as stack:
        started: list[CellProcess] = []
        for _ in range(count):
            try:
                started.append(CellProcess(question))
            except OSError:  # no memory for another process, or no right to start one: it only saves time
                break
            stack.callback(started[-1].close)
        yield tuple(started)


def main() -> None:
    """Answers the question on standard input, cell by cell."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what a model of the user's prints is no answer
    question: CellQuestion = pickle.load(sys.stdin.buffer)  # noqa: S301 (our own process wrote it)
    from fmq_theory.flow.cell_work import one_thread
    from fmq_theory.flow.experiment import reference_of
    from fmq_theory.flow.fidelity import build_features
    from fmq_theory.flow.fidelity.data import read_samples
    from fmq_theory.flow.measure_cell import measure_cell

    model, _, _ = question.network.load()
    with one_thread(model.module):
        phi = None if question.features == "none" else build_features(question.features)
        data = None if question.data_name is None else read_samples(question.data_name)
        reference = reference_of(model, question.settings, phi, data)
        for line in sys.stdin.buffer:
            scheme, bits = json.loads(line)
            cell = measure_cell(reference, question.settings, scheme, bits)
            answers.write(json.dumps(cell.to_json()) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
