"""Damage to any file: bits flipped, bytes changed, parts cut out, doubled, moved or filled with zeros."""

import numpy as np

__all__ = ["damaged"]


def damaged(content: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """What was done, and the file after it; most damages are of one byte, which are the hardest to notice."""
    kinds = ("bit", "bit", "bit", "byte", "byte", "cut off", "cut out", "doubled", "zeros", "moved")
    kind = kinds[rng.integers(len(kinds))]
    made = bytearray(content)
    at = int(rng.integers(len(content)))
    length = int(min(len(content) - at, rng.integers(1, 200)))
    if kind == "bit":
        bit = int(rng.integers(8))
        made[at] ^= 1 << bit
        return f"bit {bit} of byte {at} flipped", bytes(made)
    if kind == "byte":
        made[at] ^= int(rng.integers(1, 256))
    elif kind == "cut off":
        del made[at:]
    elif kind == "cut out":
        del made[at : at + length]
    elif kind == "doubled":
        made[at:at] = content[at : at + length]
    elif kind == "zeros":
        made[at : at + length] = bytes(length)
    else:
        part = bytes(made[at : at + length])
        del made[at : at + length]
        to = int(rng.integers(len(made) + 1))
        made[to:to] = part
        kind = f"moved to {to}"
    return f"{length} bytes at {at} {kind}", bytes(made)
