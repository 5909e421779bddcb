"""The schemes by name."""

import difflib
from typing import cast

from fmq_theory.errors import SchemeError
from fmq_theory.quantizers.clipped_uniform import ClippedUniform
from fmq_theory.quantizers.entropy_constrained import EntropyConstrained
from fmq_theory.quantizers.fp4 import FP4
from fmq_theory.quantizers.lloyd_max import LloydMax
from fmq_theory.quantizers.log2 import Log2
from fmq_theory.quantizers.minmax_uniform import MinMaxUniform
from fmq_theory.quantizers.nf4 import NF4
from fmq_theory.quantizers.power_compander import PowerCompander
from fmq_theory.quantizers.published import Published
from fmq_theory.quantizers.published_rules import PublishedRule
from fmq_theory.quantizers.scheme import Scheme

__all__ = ["SCHEMES", "get_scheme"]

SCHEMES: dict[str, Scheme] = {
    "uniform": MinMaxUniform(),
    "uniform_clipped": ClippedUniform(),
    "equal_mass": PowerCompander(1.0),
    "pwl": PowerCompander(1.0, "midpoint"),
    "log2": Log2(),
    "panter_dite": PowerCompander(1.0 / 3.0),
    "lloyd_max": LloydMax(),
    "ecq": EntropyConstrained(),
    "nf4": NF4(),
    "fp4": FP4(),
}


def get_scheme(scheme: str | Scheme) -> Scheme:
    """The scheme of that name, or the scheme itself.

    Args:
        scheme: a key of ``SCHEMES``; "power:ALPHA" or "power:ALPHA:midpoint"; "ecq:LAGRANGIAN";
            "lloyd_max:GAP"; "published:equal_mass", ":uniform", ":pwl", ":log2"; or a Scheme.

    Raises:
        SchemeError: no such scheme, or a parameter outside its domain.

    Examples:
        >>> from fmq_theory import quantizers, sources
        >>> gaussian = sources.make("gaussian")
        >>> codebook = quantizers.get_scheme("lloyd_max").design(gaussian, 4)
        >>> codebook.levels.round(4).tolist()  # Max 1960, table I
        [-1.5104, -0.4528, 0.4528, 1.5104]
    """
    if isinstance(scheme, Scheme):
        return scheme
    given = str(scheme)  # what is no string, hashable or not, is refused below
    if given in SCHEMES:
        return SCHEMES[given]
    kind, _, rest = given.partition(":")
    number, _, reconstruction = rest.partition(":")
    if kind == "power" and reconstruction in ("", "midpoint"):
        return PowerCompander(_parameter(scheme, number), "midpoint" if reconstruction else "centroid")
    if kind == "ecq" and not reconstruction:
        return EntropyConstrained(_parameter(scheme, number))
    if kind == "lloyd_max" and not reconstruction:
        return LloydMax(_parameter(scheme, number))
    if kind == "published":
        return Published(cast(PublishedRule, rest))
    near = difflib.get_close_matches(given.lower().replace("-", "_"), SCHEMES, n=1)
    meant = f"did you mean {near[0]!r}? Else " if near else ""
    known = f"{', '.join(SCHEMES)}, power:ALPHA, ecq:LAGRANGIAN, lloyd_max:GAP, published:RULE"
    raise SchemeError(
        f"scheme {scheme!r}",
        "no such scheme",
        f"{meant}choose one of {known}",
    )


def _parameter(scheme: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise SchemeError(
            f"scheme {scheme!r}",
            f"{text!r} is not a number",
            "write for example power:0.5 or ecq:0.1",
        ) from error
