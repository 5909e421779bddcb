"""What a command reads: files that may not become outputs of the same command, and JSON objects."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from fmq_theory.storage import reading

__all__ = ["json_object", "reading_checkpoint"]


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


def json_object(option: str, path: Path, remedy: str) -> dict[str, Any]:
    """The JSON object in the file that an option names.

    Args:
        option: as the user writes it.
        path: of the file.
        remedy: what to name in its place.

    Raises:
        CheckpointError: there is no such file, or it holds something else.
    """
    from fmq_theory.errors import CheckpointError
    from fmq_theory.storage.json_objects import json_value, text_of_json

    def refused(cause: str) -> CheckpointError:
        return CheckpointError(f"{option} {str(path)!r}", cause, remedy)

    found = json_value(text_of_json(path, refused), refused)
    if not isinstance(found, dict):
        raise refused("it is no JSON object")
    return cast("dict[str, Any]", found)
