"""Which files a checkpoint is made of: none of them may become an output, or change between two looks."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from fmq_theory.checkpoint.audit_store import file_state
from fmq_theory.checkpoint.file_bytes import changed_meanwhile
from fmq_theory.checkpoint.shards import find_checkpoint, shard_paths
from fmq_theory.errors import CheckpointError

__all__ = ["checkpoint_files", "unchanged"]


def checkpoint_files(path: Path) -> tuple[Path, ...]:
    """The file of a checkpoint, or its index and shards, and the config.json that lies beside it.

    Args:
        path: a file or a folder. Where it is no checkpoint that can be read, it stands for itself: its reader
            says what is wrong with it.
    """
    try:
        found = find_checkpoint(path)
        return tuple(dict.fromkeys((path, found, *shard_paths(found), found.parent / "config.json")))
    except CheckpointError:
        return (path,)


@contextmanager
def unchanged(path: Path) -> Generator[None]:
    """For what opens a checkpoint more than once: all of it is of one state of the files.

    Args:
        path: a file or a folder.

    Raises:
        CheckpointError: it cannot be read; or, at the end, it is not what it was at the beginning.
    """
    before = file_state(path)
    yield
    if file_state(path) != before:
        raise changed_meanwhile(path)
