"""Where reports are written: see ``fmq_theory.storage``, which every room uses."""

from pathlib import Path

from fmq_theory.storage import check_output, write_atomically, write_text_atomically

__all__ = ["check_writable", "write_atomically", "write_text_atomically"]


def check_writable(path: Path, *, overwrite: bool) -> None:
    """``check_output`` for a report.

    Raises:
        OutputError: the folder is missing or not writable, the file exists and may not be replaced, or it is
            one that is read.
    """
    check_output(path, overwrite=overwrite)
