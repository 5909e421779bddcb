"""The two figures of an audit as inline SVG: error against size, and the histogram of magnitudes.

They are drawn here and not by matplotlib because they are parts of a page: a mark says its scheme, bits, size
and error where a reader points at it (its ``title``, which matplotlib gives to no mark), a figure has the
title and the description that a screen reader asks for, its words are the page's font and ink, and all of it
takes 10 kB.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fmq_theory.checkpoint.audit.result import Audit, AuditCell
from fmq_theory.checkpoint.audit.tails import BINS_A_SIGMA
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.shown import counted, shown

__all__ = ["histogram_svg", "rate_distortion_svg"]

_WIDTH, _HEIGHT = 760, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 190, 14, 46
_INK, _PALE = "#222", "#ddd"
# The figure ends at so many effective bits beyond the largest min-max uniform: codebooks of short channels
# would push everything else into a corner.
_BEYOND = 2.0


@dataclass(frozen=True, slots=True)
class _Axis:
    """A scale from values to pixels; logarithmic for ``log``."""

    low: float
    high: float
    first: float
    last: float
    log: bool

    def at(self, value: float) -> float:
        low, high, x = self.low, self.high, value
        if self.log:
            low, high, x = math.log10(low), math.log10(high), math.log10(x)
        return self.first + (self.last - self.first) * (x - low) / (high - low)


def rate_distortion_svg(audit: Audit) -> Markup:
    """Relative error of the whole model against effective bits, a line a scheme."""
    cells = [cell for cell in audit.totals.cells if (cell.relative_error or 0.0) > 0.0]
    if not cells:
        return Markup("")
    uniform = [cell.effective_bits for cell in cells if cell.scheme == "uniform"]
    most = max(uniform or [max(cell.effective_bits for cell in cells)]) + _BEYOND
    shown = [cell for cell in cells if cell.effective_bits <= most]
    errors = [cell.relative_error or 0.0 for cell in shown]
    least = math.floor(min(cell.effective_bits for cell in shown))
    x = _Axis(least, math.ceil(most), _LEFT, _WIDTH - _RIGHT, log=False)
    y = _Axis(min(errors) / 1.3, max(errors) * 1.3, _HEIGHT - _BOTTOM, _TOP, log=True)
    parts = [_bits_ticks(x), _decade_ticks(y)]
    groups: dict[str, list[AuditCell]] = {}
    for cell in shown:
        groups.setdefault(cell.scheme, []).append(cell)
    for row, (scheme, group) in enumerate(groups.items()):
        points = [(x.at(cell.effective_bits), y.at(cell.relative_error or 1.0)) for cell in group]
        parts.append(_line(scheme, points, [_tooltip(cell) for cell in group]))
        parts.append(_legend(scheme, row))
    beyond = len(cells) - len(shown)
    note = f"{beyond} choices of more than {most:.1f} effective bits are not shown. " if beyond else ""
    description = f"Relative error of the whole model against effective bits, a line for each scheme. {note}"
    parts.append(_axis_words("effective bits a weight, codebooks counted", "relative error ‖W − Q‖ / ‖W‖"))
    return _svg("Rate and distortion", description, parts)


def histogram_svg(audit: Audit) -> Markup:
    """Share of the weights in each quarter of a sigma, for all tensors and the one of the heaviest tail."""
    heaviest = max(audit.tensors, key=lambda tensor: tensor.spread.max_over_sigma or 0.0)
    drawn: list[tuple[str, Sequence[int], str, str]] = [
        (f"all {counted(len(audit.tensors), 'tensor')}", audit.totals.histogram, "#0072B2", "")
    ]
    if len(audit.tensors) > 1:
        drawn.append((f"{_short(heaviest.name)}", heaviest.spread.histogram, "#D55E00", "6 3"))
    last = max(i for _, counts, _, _ in drawn for i, count in enumerate(counts) if count) + 1
    bins = max(last, 4 * BINS_A_SIGMA)
    floor = min(min(c for c in counts if c) / sum(counts) for _, counts, _, _ in drawn)
    x = _Axis(0.0, bins / BINS_A_SIGMA, _LEFT, _WIDTH - _RIGHT, log=False)
    y = _Axis(floor / 2.0, 0.6, _HEIGHT - _BOTTOM, _TOP, log=True)
    parts = [_sigma_ticks(x), _decade_ticks(y)]
    for row, (name, counts, colour, dashes) in enumerate(drawn):
        parts.append(_steps(counts, bins, x, y, colour, dashes))
        parts.append(_legend_line(name, row, colour, dashes))
    parts.append(_gaussian(bins, floor / 2.0, x, y))
    parts.append(_legend_line("Gaussian", len(drawn), "#777777", "2 3"))
    parts.append(_axis_words("|w − mean| / σ of the tensor", "share of the weights in a quarter of σ"))
    end = (
        ""
        if last < len(audit.totals.histogram)
        else f" The last step holds all beyond {(bins - 1) / BINS_A_SIGMA:g} σ."
    )
    description = f"Histogram of the magnitudes of the weights, with the Gaussian for comparison.{end}"
    return _svg("Tails", description, parts)


def _svg(title: str, description: str, parts: Sequence[Markup]) -> Markup:
    key = title.lower().replace(" ", "-")
    return Markup(
        '<figure><svg viewBox="0 0 {w} {h}" role="img" aria-labelledby="{key}-t {key}-d">'
        '<title id="{key}-t">{title}</title><desc id="{key}-d">{description}</desc>{body}</svg>'
        "<figcaption>{description}</figcaption></figure>"
    ).format(w=_WIDTH, h=_HEIGHT, key=key, title=title, description=description, body=Markup("").join(parts))


def _tick(x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<path d="M{:.1f} {:.1f}L{:.1f} {:.1f}" stroke="{}"/>').format(x1, y1, x2, y2, _PALE)


def _text(x: float, y: float, words: str, anchor: str = "middle", more: str | Markup = "") -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" {}>{}</text>').format(
        x, y, anchor, more, words
    )


def _bits_ticks(axis: _Axis) -> Markup:
    step = max(1, math.ceil((axis.high - axis.low) / 14))
    values = range(int(axis.low), int(axis.high) + 1, step)
    return _vertical_ticks(axis, [(float(value), str(value)) for value in values])


def _sigma_ticks(axis: _Axis) -> Markup:
    step = 1 if axis.high <= 10 else 2
    return _vertical_ticks(axis, [(float(v), str(v)) for v in range(0, int(axis.high) + 1, step)])


def _vertical_ticks(axis: _Axis, ticks: Sequence[tuple[float, str]]) -> Markup:
    bottom = _HEIGHT - _BOTTOM
    return Markup("").join(
        _tick(axis.at(value), _TOP, axis.at(value), bottom) + _text(axis.at(value), bottom + 16, words)
        for value, words in ticks
    )


def _decade_ticks(axis: _Axis) -> Markup:
    """1, 2 and 5 of each decade where these are few, else the decades."""
    decades = range(math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high)) + 1)
    mantissas = (1, 2, 5) if len(decades) <= 4 else (1,)
    values = [m * 10.0**d for d in decades for m in mantissas]
    return Markup("").join(
        _tick(_LEFT, axis.at(value), _WIDTH - _RIGHT, axis.at(value))
        + _text(_LEFT - 6, axis.at(value) + 4, _percent(value), "end")
        for value in values
        if axis.low <= value <= axis.high
    )


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %" if value >= 1e-5 else f"10^{math.log10(value):.0f}"


def _axis_words(below: str, left: str) -> Markup:
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    turn = Markup('transform="rotate(-90 14 {:.0f})"').format((_HEIGHT - _BOTTOM) / 2)
    return _text(middle, _HEIGHT - 8, below) + _text(14, (_HEIGHT - _BOTTOM) / 2, left, more=turn)


def _tooltip(cell: AuditCell) -> str:
    return (
        f"{style_of(cell.scheme).label}, {counted(cell.bits, 'bit')}: {cell.effective_bits:.2f} effective "
        f"bits, relative error {cell.relative_error or 0.0:.3%}"
    )


def _line(scheme: str, points: Sequence[tuple[float, float]], descriptions: Sequence[str]) -> Markup:
    style = style_of(scheme)
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    marks = [
        Markup('<g class="mark"><title>{}</title>{}</g>').format(
            words, _mark(style.marker, style.colour, *point)
        )
        for point, words in zip(points, descriptions, strict=True)
    ]
    return Markup('<path d="M{}" fill="none" stroke="{}" stroke-width="1.5"/>{}').format(
        path, style.colour, Markup("").join(marks)
    )


def _mark(marker: str, colour: str, x: float, y: float) -> Markup:
    """A marker as matplotlib names it, told apart in grey by its shape."""
    if marker == "o":
        return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4" fill="{}"/>').format(x, y, colour)
    corners = _SHAPES.get(marker, _SHAPES["."])
    path = "L".join(f"{x + dx:.1f} {y + dy:.1f}" for dx, dy in corners)
    if marker == "x":
        return Markup(
            '<path d="M{:.1f} {:.1f}l8 8m0 -8l-8 8" stroke="{}" stroke-width="2" fill="none"/>'
        ).format(x - 4, y - 4, colour)
    return Markup('<path d="M{}Z" fill="{}"/>').format(path, colour)


def _regular(corners: int, radius: float, turn: float = 0.0) -> list[tuple[float, float]]:
    angles = [turn + 2 * math.pi * i / corners - math.pi / 2 for i in range(corners)]
    return [(radius * math.cos(a), radius * math.sin(a)) for a in angles]


def _star() -> list[tuple[float, float]]:
    inner = _regular(5, 2.3, math.pi / 5)
    return [point for pair in zip(_regular(5, 5.5), inner, strict=True) for point in pair]


_PLUS = [(-1.5, -5), (1.5, -5), (1.5, -1.5), (5, -1.5), (5, 1.5), (1.5, 1.5)]
_SHAPES: dict[str, Sequence[tuple[float, float]]] = {
    "s": _regular(4, 5.2, math.pi / 4),
    "D": _regular(4, 5.2),
    "^": _regular(3, 5.5),
    "v": _regular(3, 5.5, math.pi),
    "P": [*_PLUS, *[(-dx, -dy) for dx, dy in _PLUS]],
    "*": _star(),
    "h": _regular(6, 5.0),
    "p": _regular(5, 5.0),
    ".": _regular(8, 3.0),
}


def _legend(scheme: str, row: int) -> Markup:
    style, x, y = style_of(scheme), _WIDTH - _RIGHT + 22, _TOP + 14 + 20 * row
    return _mark(style.marker, style.colour, x, y) + _text(x + 12, y + 4, style.label, "start")


def _legend_line(name: str, row: int, colour: str, dashes: str) -> Markup:
    x, y = _WIDTH - _RIGHT + 12, _TOP + 14 + 20 * row
    return Markup('<path d="M{:.0f} {:.0f}h22" stroke="{}" stroke-width="2" stroke-dasharray="{}"/>').format(
        x, y, colour, dashes
    ) + _text(x + 28, y + 4, name, "start")


def _steps(counts: Sequence[int], bins: int, x: _Axis, y: _Axis, colour: str, dashes: str) -> Markup:
    total = sum(counts)
    return _stairs(lambda i: counts[i] / total if i < len(counts) else 0.0, bins, x, y, colour, dashes)


def _gaussian(bins: int, floor: float, x: _Axis, y: _Axis) -> Markup:
    def share(i: int) -> float:
        a, b = i / BINS_A_SIGMA, (i + 1) / BINS_A_SIGMA
        value = math.erfc(a / math.sqrt(2.0)) - math.erfc(b / math.sqrt(2.0))
        return value if value > floor else 0.0

    return _stairs(share, bins, x, y, "#777777", "2 3")


def _stairs(share: Callable[[int], float], bins: int, x: _Axis, y: _Axis, colour: str, dashes: str) -> Markup:
    bottom, path = _HEIGHT - _BOTTOM, f"M{x.at(0.0):.1f} {_HEIGHT - _BOTTOM}"
    for i in range(bins):
        height = y.at(share(i)) if share(i) > y.low else bottom
        path += f"V{height:.1f}H{x.at((i + 1) / BINS_A_SIGMA):.1f}"
    return Markup(
        '<path d="{}V{}" fill="none" stroke="{}" stroke-width="1.6" stroke-dasharray="{}"/>'
    ).format(path, bottom, colour, dashes)


def _short(name: str) -> str:
    clean = shown(name)
    return clean if len(clean) <= 22 else "…" + clean[-21:]
