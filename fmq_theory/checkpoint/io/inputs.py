"""Which files a checkpoint is made of: none of them may become an output."""

from pathlib import Path

from fmq_theory.checkpoint.io.shards import find_checkpoint, shard_paths
from fmq_theory.errors import CheckpointError

__all__ = ["checkpoint_files"]


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
