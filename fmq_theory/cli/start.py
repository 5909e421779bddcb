"""What a command settles about its own process before it loads the numerics."""

import os

__all__ = ["leave_torch_out_of_pot"]


def leave_torch_out_of_pot() -> None:
    """Keeps POT from importing torch for its backends: 1.5 s and 180 MB that laws and arrays do not need.

    Only a command may do so, because the process is its own; a library must not touch the environment. A
    value that the user has set stays.
    """
    os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")
