"""The style of a scheme, the same everywhere: one label, colour and marker, told apart in grey as well."""

from dataclasses import dataclass

from fmq_theory.brief import brief_repr

__all__ = ["RUNG_STYLES", "SCHEME_STYLES", "RungStyle", "SchemeStyle", "style_of"]


@dataclass(frozen=True, slots=True)
class SchemeStyle:
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


SCHEME_STYLES = {
    "uniform": SchemeStyle("uniform (min–max)", "#0072B2", "s", "uniform"),
    "uniform_clipped": SchemeStyle("uniform (range searched)", "#56B4E9", "D", "range searched"),
    "equal_mass": SchemeStyle("equal mass (paper's OT)", "#D55E00", "o", "equal mass"),
    "pwl": SchemeStyle("PWL", "#E69F00", "v", "PWL"),
    "log2": SchemeStyle("log2", "#999999", "x", "log2"),
    "panter_dite": SchemeStyle("Panter–Dite", "#CC79A7", "P", "Panter–Dite"),
    "lloyd_max": SchemeStyle("Lloyd–Max (W2 optimum)", "#009E73", "^", "Lloyd–Max"),
    "ecq": SchemeStyle("entropy-constrained", "#6B4FA0", "*", "ECQ"),
    "nf4": SchemeStyle("NF4", "#7F5539", "h", "NF4"),
    "fp4": SchemeStyle("FP4", "#B08968", "p", "FP4"),
}


def style_of(scheme: str) -> SchemeStyle:
    """The style of a scheme; one that has none of its own (``power:0.5``) is black with its name.

    Args:
        scheme: the scheme's name, as ``get_scheme`` takes it.
    """
    return SCHEME_STYLES.get(scheme, SchemeStyle(scheme, "#000000", ".", scheme))


@dataclass(frozen=True, slots=True)
class RungStyle:
    """Label, colour and dashes of a curve of the ladder."""

    label: str
    colour: str
    dashes: tuple[float, ...]
    """Lengths of strokes and gaps in line widths; empty for a solid line."""


RUNG_STYLES = {
    "g0": RungStyle("g0 global", "#999999", (1, 1.5)),
    "g1": RungStyle("g1 L(t)", "#E69F00", (6, 1.5, 1, 1.5)),
    "g2": RungStyle("g2 μ₂(t)", "#0072B2", (5, 2)),
    "g4": RungStyle("g4 step", "#009E73", ()),
    "secant": RungStyle("secant", "#7F5539", (2, 2)),
    "g3": RungStyle("g3 linear response", "#D55E00", (2.5, 1.2)),
}
