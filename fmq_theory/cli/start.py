"""What a command settles about its own process before it loads the numerics."""

import os

__all__ = ["leave_torch_out_of_pot", "let_idle_threads_sleep"]


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
