"""How a scheme looks everywhere: one label, colour and marker, told apart in grey as well."""

from dataclasses import dataclass

from fmq_theory.brief import brief_repr

__all__ = ["RUNG_LOOKS", "SCHEME_LOOKS", "Look", "RungLook", "look"]


@dataclass(frozen=True, slots=True)
class Look:
    """How one scheme is drawn, told apart by colour-blind readers (Okabe-Ito) and in grey.

    Attributes:
        label: its name in legends and tables.
        colour: of its curve, as ``#rrggbb``.
        marker: of its points, as matplotlib names them.
        short: its name where there is little room.
    """

    label: str
    colour: str
    marker: str
    short: str

    __repr__ = brief_repr


SCHEME_LOOKS = {
    "uniform": Look("uniform (min–max)", "#0072B2", "s", "uniform"),
    "uniform_clipped": Look("uniform (range searched)", "#56B4E9", "D", "range searched"),
    "equal_mass": Look("equal mass (paper's OT)", "#D55E00", "o", "equal mass"),
    "pwl": Look("PWL", "#E69F00", "v", "PWL"),
    "log2": Look("log2", "#999999", "x", "log2"),
    "panter_dite": Look("Panter–Dite", "#CC79A7", "P", "Panter–Dite"),
    "lloyd_max": Look("Lloyd–Max (W2 optimum)", "#009E73", "^", "Lloyd–Max"),
    "ecq": Look("entropy-constrained", "#6B4FA0", "*", "ECQ"),
    "nf4": Look("NF4", "#7F5539", "h", "NF4"),
    "fp4": Look("FP4", "#B08968", "p", "FP4"),
}


def look(scheme: str) -> Look:
    """The look of a scheme; one that has none of its own (``power:0.5``) is black with its name.

    Args:
        scheme: the scheme's name, as ``get_scheme`` takes it.
    """
    return SCHEME_LOOKS.get(scheme, Look(scheme, "#000000", ".", scheme))


@dataclass(frozen=True, slots=True)
class RungLook:
    """Label, colour and dashes of a curve of the ladder."""

    label: str
    colour: str
    dashes: tuple[float, ...]
    """Lengths of strokes and gaps in line widths; empty for a solid line."""


RUNG_LOOKS = {
    "g0": RungLook("g0 global", "#999999", (1, 1.5)),
    "g1": RungLook("g1 L(t)", "#E69F00", (6, 1.5, 1, 1.5)),
    "g2": RungLook("g2 μ₂(t)", "#0072B2", (5, 2)),
    "g4": RungLook("g4 step", "#009E73", ()),
    "secant": RungLook("secant", "#7F5539", (2, 2)),
    "g3": RungLook("g3 linear response", "#D55E00", (2.5, 1.2)),
}
