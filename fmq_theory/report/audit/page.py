"""An audit as one self-contained page: tables to sort and filter, figures, a heat map; no network."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from fmq_theory.checkpoint.audit.result import Audit, AuditCell, AuditRatio, TensorAudit
from fmq_theory.checkpoint.plan import Plan, TensorPlan
from fmq_theory.report.audit.svg import histogram_svg, rate_distortion_svg
from fmq_theory.report.audit.words import (
    MIXED,
    audit_notes,
    best_single_words,
    crossover_cell,
    crossover_words,
    layer_notes,
    next_commands,
)
from fmq_theory.report.base.environment import environment
from fmq_theory.report.base.files import write_text_atomically
from fmq_theory.report.base.pages import filled_page
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.words import ABSENT, percent, size_of
from fmq_theory.shown import counted, plain_values, shown

__all__ = ["audit_html", "write_audit_html"]

_TEMPLATE = "audit.html.j2"
# Colours of the heat map at its ends: equal mass better, uniform better; both far lighter than the ink.
_COOL, _WARM = (122, 182, 224), (240, 160, 90)
_FULL_COLOUR = 3.0  # |log2 rho| at the end of the scale


def write_audit_html(
    audit: Audit,
    path: Path,
    plan: Plan | None = None,
    *,
    theory: bool = False,
    checkpoint: Path | str | None = None,
) -> None:
    """Writes the page, whole or not at all.

    Args:
        audit: see ``audit_html``, as for the other arguments.
        path: of the page.
        plan: shown beside the layers.
        theory: shows ratios and tails.
        checkpoint: its name in the commands.

    Raises:
        OutputError: the disk refused.
    """
    write_text_atomically(path, audit_html(audit, plan, theory=theory, checkpoint=checkpoint))


def audit_html(
    audit: Audit,
    plan: Plan | None = None,
    *,
    theory: bool = False,
    checkpoint: Path | str | None = None,
) -> str:
    """The page.

    Args:
        audit: what was found.
        plan: shown beside the layers if there is one.
        theory: whether the ratios to uniform, b*, high-rate laws and the tails are shown.
        checkpoint: as the user named it, for the commands that follow; None for the file that was read.
    """
    planned = {} if plan is None else {tensor.name: tensor for tensor in plan.tensors}
    schemes = list(dict.fromkeys(cell.scheme for cell in audit.totals.cells))
    return filled_page(
        "fmq_theory.report.audit",
        _TEMPLATE,
        {
            "percent": percent,
            "counted": counted,
            "choice": _choice,
            "number": _number,
            "label": _label,
            "breakable": _breakable,
            "crossover": crossover_cell,
            "size": size_of,
        },
        audit=audit,
        totals=audit.totals,
        title=Path(audit.path).name,
        bits=audit.config["bits"],
        schemes=schemes,
        model_rows=[
            (scheme, [audit.totals.cell(scheme, b) for b in audit.config["bits"]]) for scheme in schemes
        ],
        layers=[_layer(tensor, audit, planned.get(tensor.name)) for tensor in audit.tensors],
        plan=plan,
        planned=[] if plan is None else _treated_alike(plan),
        heat=[(tensor, [_heat(ratio, tensor) for ratio in tensor.ratios]) for tensor in audit.tensors],
        notes=[*audit_notes(audit, theory=theory), *layer_notes(audit)],
        theory=theory,
        mixed=MIXED,
        budgets=[(point, best_single_words(audit.totals, point)) for point in audit.budgets],
        commands=next_commands(audit, checkpoint),
        crossover=crossover_words(audit.totals),
        rate_distortion=rate_distortion_svg(audit),
        histogram=histogram_svg(audit),
        data=_embedded(_data(audit, schemes)),
        environment=environment(),
    )


def _number(value: float | None, places: int = 2) -> str:
    return ABSENT if value is None else f"{value:.{places}f}"


def _label(scheme: str) -> str:
    return style_of(scheme).label


def _breakable(name: str) -> Markup:
    """A name that may be broken after its dots and colons."""
    dotted = [Markup(":<wbr>").join(part.split(":")) for part in shown(name).split(".")]
    return Markup(".<wbr>").join(dotted)


def _layer(tensor: TensorAudit, audit: Audit, planned: TensorPlan | None) -> dict[str, Any]:
    """What a row of the layer table shows for the choice that is advised."""
    scheme, bits = audit.advice["scheme"], audit.advice["bits"]
    cell = None if scheme is None else tensor.cell(scheme, bits)
    total = None if scheme is None else audit.totals.cell(scheme, bits)
    share = cell.sse / total.sse if cell is not None and total is not None and total.sse > 0.0 else None
    ratio = next((ratio for ratio in tensor.ratios if ratio.bits == bits), None)
    times = share / (tensor.weights / audit.totals.weights) if share is not None else None
    return {"tensor": tensor, "cell": cell, "share": share, "times": times, "ratio": ratio, "plan": planned}


def _choice(planned: TensorPlan) -> str:
    size = f" {planned.group_size}" if planned.group_size else ""
    return f"{planned.scheme}, {planned.granularity}{size}"


def _treated_alike(plan: Plan) -> list[dict[str, Any]]:
    """The plan by its choices, those of the most weights first."""
    groups: dict[tuple[str, int], list[TensorPlan]] = {}
    for tensor in plan.tensors:
        groups.setdefault((_choice(tensor), tensor.bits), []).append(tensor)
    total = sum(tensor.weights for tensor in plan.tensors)
    found: list[dict[str, Any]] = []
    for (words, bits), tensors in groups.items():
        weights = sum(tensor.weights for tensor in tensors)
        cost = math.fsum(tensor.effective_bits * tensor.weights for tensor in tensors)
        found.append(
            {
                "words": words,
                "bits": bits,
                "tensors": len(tensors),
                "weights": weights,
                "share": weights / total,
                "effective_bits": cost / weights,
            }
        )
    return sorted(found, key=lambda group: -group["weights"])


def _heat(ratio: AuditRatio, tensor: TensorAudit) -> dict[str, str]:
    """Words and background of a ratio: the further from 1, the stronger."""
    rho = ratio.rho_em
    if rho is None:
        return {"words": ABSENT, "colour": "", "title": "no ratio", "kind": "none"}
    if tensor.weights_per_codebook <= 2**ratio.bits:
        return {"words": "exact", "colour": "", "title": "a level for every weight", "kind": "exact"}
    strength = 1.0 if rho == 0.0 else min(1.0, abs(math.log2(rho)) / _FULL_COLOUR)
    end = _COOL if rho <= 1.0 else _WARM
    colour = "#" + "".join(f"{round(255 + strength * (channel - 255)):02x}" for channel in end)
    kind, title = ("below", "equal mass better") if rho < 1.0 else ("above", "uniform better")
    return {
        "words": f"{rho:.2f}" if rho < 100 else f"{rho:.0f}",
        "colour": colour,
        "title": title,
        "kind": kind,
    }


def _data(audit: Audit, schemes: Sequence[str]) -> dict[str, Any]:
    """What the page's script needs to show another scheme or bit-width."""
    keys = [(scheme, b) for scheme in schemes for b in audit.config["bits"] if audit.totals.cell(scheme, b)]
    return {
        "choices": [[scheme, b] for scheme, b in keys],
        "weights": audit.totals.weights,
        "totals": [_short(audit.totals.cell(scheme, b)) for scheme, b in keys],
        "tensors": [[_short(tensor.cell(scheme, b)) for scheme, b in keys] for tensor in audit.tensors],
    }


def _short(cell: AuditCell | None) -> list[Any] | None:
    if cell is None:
        return None
    return [
        float(f"{cell.sse:.6g}"),
        None if cell.relative_error is None else float(f"{cell.relative_error:.4g}"),
        float(f"{cell.effective_bits:.5g}"),
        None
        if cell.high_rate_mse is None
        else float(f"{cell.high_rate_mse / cell.mse:.4g}")
        if cell.mse > 0.0
        else None,
    ]


def _embedded(data: object) -> Markup:
    """JSON that cannot end the script element that holds it."""
    text = json.dumps(plain_values(data), allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704
