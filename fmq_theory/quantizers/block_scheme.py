"""What block scaling does, apart from bits and group size, and what it is called."""

from dataclasses import dataclass
from typing import Any, Self

from fmq_theory.errors import SchemeError
from fmq_theory.quantizers.block_scales import SCALE_BITS, ScaleType
from fmq_theory.quantizers.registry import get_scheme

__all__ = ["BlockScheme"]


@dataclass(frozen=True, slots=True)
class BlockScheme:
    """How scales are made and stored, and which scheme makes the shared codebook.

    Written "block:SCHEME", then any of ":float16" ":float8_e4m3" ":float32", ":signed" ":absmax", ":sweepsN".

    Attributes:
        scheme: makes the shared codebook from the scaled weights; "lloyd_max" is optimal.
        scale_type: of the stored scales; each is rounded to nearest.
        signed: the scale is the weight of largest magnitude, sign included, so that this weight always
            becomes 1 and no level is spent on -1; else it is its magnitude.
        sweeps: how often the scales are refined for given codes and the codebook for given scales.

    Raises:
        SchemeError: an unknown scheme or scale type, or sweeps below 0.
    """

    scheme: str = "lloyd_max"
    scale_type: ScaleType = "float16"
    signed: bool = True
    sweeps: int = 0

    def __post_init__(self) -> None:
        get_scheme(self.scheme)
        if self.scale_type not in SCALE_BITS:
            raise SchemeError(
                f"scale_type {self.scale_type!r}", "no such type", f"choose one of {', '.join(SCALE_BITS)}"
            )
        if not self.sweeps >= 0:
            raise SchemeError(f"sweeps = {self.sweeps!r}", "it is negative", "pass 0 or more")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The block scheme that ``text`` names; None where it does not begin with "block:".

        Raises:
            SchemeError: it does, and the rest cannot be read.
        """
        if not text.startswith("block:"):
            return None
        words = text.split(":")[1:]
        options: dict[str, Any] = {}
        while len(words) > 1:
            word = words[-1]
            if word in SCALE_BITS:
                options["scale_type"] = word
            elif word in ("signed", "absmax"):
                options["signed"] = word == "signed"
            elif word.startswith("sweeps") and word[6:].isascii() and word[6:].isdigit():
                options["sweeps"] = int(word[6:])
            else:
                break
            words.pop()
        return cls(":".join(words), **options)

    @classmethod
    def of(cls, text: str) -> Self:
        """``parse`` of a name that must be one.

        Raises:
            SchemeError: it is none.
        """
        block = cls.parse(text)
        if block is None:
            raise SchemeError(
                f"block scheme {text!r}", "it does not begin with 'block:'", "write block:lloyd_max"
            )
        return block

    @property
    def name(self) -> str:
        """What ``parse`` reads, in full."""
        sweeps = f":sweeps{self.sweeps}" if self.sweeps else ""
        return f"block:{self.scheme}:{self.scale_type}:{'signed' if self.signed else 'absmax'}{sweeps}"
