"""Which files a checkpoint is made of: none of them may become an output, or change between two looks."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fmq_theory.checkpoint.io.file_bytes import changed_meanwhile
from fmq_theory.checkpoint.io.shards import find_checkpoint, shard_paths
from fmq_theory.errors import CheckpointError

__all__ = ["checkpoint_files", "file_state", "unchanged"]


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


def file_state(path: Path) -> list[list[Any]]:
    """What the system says of each file of a checkpoint: it changes if a file is written or replaced.

    It tells whether a file changed while it was read. It does not tell which weights are in it.

    Raises:
        CheckpointError: a file is gone.
    """
    found = find_checkpoint(path)
    try:
        states: list[list[Any]] = []
        for part in dict.fromkeys([found, *shard_paths(found)]):
            stat = part.stat()
            # A program can set the time of change, as archives do, but not the time of the inode's.
            states.append([part.name, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns])
        return states
    except FileNotFoundError as error:
        raise CheckpointError(
            f"checkpoint {str(path)!r}", "there is no such file", "check the path"
        ) from error
    except OSError as error:
        raise CheckpointError(f"checkpoint {str(path)!r}", str(error), "check the path") from error


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
