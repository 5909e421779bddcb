"""Words that several verdicts and claims share."""

from collections.abc import Iterable, Sequence

__all__ = ["FID_MEANS", "bits_in_words", "runs_in_words"]

FID_MEANS = (
    "FID is between the quantized and the full-precision model. Against data the same chain bounds the "
    "change of √FID, so FID itself can rise by as much as order 2^(-b) unless the model's own FID is 0 "
    "(lemma S7)"
)


def runs_in_words(values: Iterable[int], separator: str = ", ") -> str:
    """Whole numbers by runs: ``[2, 3, 4, 6]`` -> ``2-4, 6``."""
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return separator.join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def bits_in_words(bits: Sequence[int], kind: str = "") -> str:
    """Bit-widths by runs: ``[2, 3, 4, 6]`` -> ``2-4, 6 bits``, ``[1]`` -> ``1 bit``.

    Args:
        bits: in any order.
        kind: a word before "bits": "effective".
    """
    unit = "bit" if set(bits) == {1} else "bits"
    return f"{runs_in_words(bits)} {kind}{' ' if kind else ''}{unit}"
