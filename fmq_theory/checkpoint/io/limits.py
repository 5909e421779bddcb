"""What a file may ask for. Checked against what it declares, before any memory is taken.

A small file can promise any amount of numbers: by compression, by strides of zero, by sharing, by nesting.
Each constant is far above what training programs write and far below what harms a machine. A caller who
meets a healthy file beyond one assigns a larger number to it: ``fmq_theory.checkpoint.limits.EXPANSION =
1000``.
"""

from fmq_theory.errors import CheckpointError

__all__ = [
    "EXPANSION", "FREE_BYTES", "LONGEST_HEADER", "MOST_AXES", "MOST_DEPTH", "MOST_DIMENSIONS",
    "MOST_NAMES", "MOST_PICKLE_BYTES", "MOST_RECORDS", "MOST_STEPS", "MOST_TENSORS",
    "check_count", "check_expansion",
]  # fmt: skip

FREE_BYTES = 256 * 2**20
"""So many bytes may come of any file, however small."""
EXPANSION = 32
"""Beyond them, so many bytes of tensors for each byte of the file."""
MOST_PICKLE_BYTES = 256 * 2**20
"""The structure of a pickled file, without the numbers of its tensors."""
MOST_STEPS = 8_000_000
"""Operations of a pickle; a tensor takes some thirty."""
MOST_DEPTH = 200
"""Containers within containers."""
MOST_TENSORS = 250_000
"""Tensors of a file, each counted once a name."""
MOST_NAMES = 10_000
"""Names for one and the same tensor."""
MOST_RECORDS = 1_000_000
"""Entries of a zip archive."""
MOST_DIMENSIONS = 64
"""Of a tensor that is quantized: numpy has no more."""
MOST_AXES = 1000
"""Dimensions of a tensor that is read or copied: the product of a million sizes takes minutes."""
LONGEST_HEADER = 100_000_000
"""Bytes of the header of a safetensors file (the limit of its library), and of a shard index."""

_HERE = "fmq_theory.checkpoint.limits"


def check_expansion(thing: str, promised: int, stored: int) -> None:
    """Refuses what would become more than ``max(FREE_BYTES, EXPANSION * stored)`` bytes.

    Args:
        thing: what to call it in the error.
        promised: bytes that it would take in memory.
        stored: bytes that it takes in its file.

    Raises:
        CheckpointError: it is beyond the limit.
    """
    most = max(FREE_BYTES, EXPANSION * stored)
    if promised > most:
        raise CheckpointError(
            thing,
            f"{stored} bytes of the file promise {promised} bytes of numbers, and at most {most} are allowed",
            f"do not use a file from a stranger; where it is your own, raise {_HERE}.EXPANSION",
        )


def check_count(thing: str, what: str, count: int, constant: str) -> None:
    """Refuses more of something than the constant of that name allows.

    Args:
        thing: what to call the file in the error.
        what: is counted.
        count: how many there are, or how many at least.
        constant: a name of this module.

    Raises:
        CheckpointError: it is beyond the limit.
    """
    most = int(globals()[constant])
    if count > most:
        raise CheckpointError(
            thing,
            f"it has more than {most} {what}",
            f"do not use a file from a stranger; where it is your own, raise {_HERE}.{constant}",
        )
