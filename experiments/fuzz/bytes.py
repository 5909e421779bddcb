"""Damage to any file: bits, bytes and words changed; parts cut out, doubled, moved or filled with zeros."""

import struct

import numpy as np

__all__ = ["damaged"]

_KINDS = (
    "bit", "bit", "bit", "byte", "number of 4 bytes", "number of 8 bytes", "word", "cut off", "cut out",
    "doubled", "zeros", "moved",
)  # fmt: skip
_NUMBERS = (0, 1, 7, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)
_WORDS = (
    b"NaN", b"-1", b"1e999", b"null", b"[" * 3000, b"9" * 5000, b'"\\ud800"', b"{}", b"../x", b"\x80\x02",
)  # fmt: skip
_ONE_OF = (1, 1, 1, 2, 3)


def damaged(content: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """What was done, and the file after it: one change mostly, the hardest to notice, or up to three."""
    words, made = list[str](), content
    for _ in range(_ONE_OF[rng.integers(len(_ONE_OF))]):
        what, made = _once(made, rng)
        words.append(what)
    return ", ".join(words), made


def _once(content: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    kind = _KINDS[rng.integers(len(_KINDS))]
    made = bytearray(content)
    at = int(rng.integers(len(content) or 1))
    length = int(min(len(content) - at, rng.integers(1, 200)))
    if not content or kind == "word":
        word = _WORDS[rng.integers(len(_WORDS))]
        made[at : at + (length if rng.integers(2) else 0)] = word
        return f"{word[:12]!r} put at {at}", bytes(made)
    if kind == "bit":
        bit = int(rng.integers(8))
        made[at] ^= 1 << bit
        return f"bit {bit} of byte {at} flipped", bytes(made)
    if kind.startswith("number"):
        number = _NUMBERS[rng.integers(len(_NUMBERS))]
        packed = struct.pack("<Q", number)[: int(kind.split()[2])]
        made[at : at + len(packed)] = packed
        return f"{number} put at {at}", bytes(made)
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
