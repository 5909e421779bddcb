"""What is written to disk, by every room: whole or not at all, and over nothing that was not given up."""

from fmq_theory.storage.lock import locked_folder
from fmq_theory.storage.outputs import (
    check_output,
    check_outputs,
    move_into_place,
    refuse_same,
    write_atomically,
    write_text_atomically,
)
from fmq_theory.storage.own_folder import OwnFolder
from fmq_theory.storage.place import Place, open_to_append, reading

__all__ = [
    "OwnFolder",
    "Place",
    "check_output",
    "check_outputs",
    "locked_folder",
    "move_into_place",
    "open_to_append",
    "reading",
    "refuse_same",
    "write_atomically",
    "write_text_atomically",
]
