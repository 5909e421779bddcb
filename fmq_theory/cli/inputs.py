"""What a command reads: none of it may become an output of the same command."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from fmq_theory.storage import reading

__all__ = ["reading_checkpoint"]


@contextmanager
def reading_checkpoint(checkpoint: Path | None, *others: Path | str | None) -> Generator[None]:
    """While it lasts, no output may be a file of the checkpoint, or one of the others.

    Args:
        checkpoint: a file, a folder or an index; None where the command was given none.
        others: further files that are read, such as plans.
    """
    if checkpoint is None:
        with reading(*others):
            yield
        return
    from fmq_theory.checkpoint.io.inputs import checkpoint_files

    with reading(*checkpoint_files(checkpoint), *others):
        yield
