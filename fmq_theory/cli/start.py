"""What a command settles about processes: its own before it loads the numerics, and those that it starts."""

import os
import sys

__all__ = ["leave_torch_out_of_pot", "let_idle_threads_sleep", "python_module"]


def leave_torch_out_of_pot() -> None:
    """Keeps POT from importing torch for its backends: 1.5 s and 180 MB that laws and arrays do not need.

    Only a command may do so, because the process is its own; a library must not touch the environment. A
    value that the user has set stays.
    """
    os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")


def let_idle_threads_sleep() -> None:
    """Makes torch's threads wait asleep, not in a loop, for the next operation.

    A small network has operations of microseconds. On two cores that others use as well, threads that spin
    between them take the time away from the one that works: ten times the work was measured. Call it before
    torch is loaded; a value that the user has set stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def python_module(name: str, *words: str) -> tuple[list[str], dict[str, str]]:
    """The command that runs a module in a process of its own, and the environment for it.

    The environment names the packages that are used here, wherever they were found.

    Args:
        name: of the module, as ``python -m`` takes it.
        *words: its arguments.
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    return [sys.executable, "-m", name, *words], {**os.environ, "PYTHONPATH": paths}
