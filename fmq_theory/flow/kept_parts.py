"""The parts of a report that are no cells, as plain JSON values: what a run that is resumed need not redo."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, cast

from fmq_theory.flow.cell import LatentValues
from fmq_theory.flow.discretisation import Convergence
from fmq_theory.flow.flow_report import FlowReport, FullPrecision
from fmq_theory.flow.layers import LayerShare
from fmq_theory.storage.lines import digest_of

__all__ = ["full_from_json", "layers_from_json", "part_as_json", "report_digest"]


def part_as_json(part: FullPrecision | Sequence[LayerShare]) -> Any:
    """Plain JSON values; infinite numbers and nan as Python reads them again.

    Args:
        part: the full-precision side, or the table layer by layer.
    """
    if isinstance(part, FullPrecision):
        return dataclasses.asdict(part)
    return [dataclasses.asdict(share) for share in part]


def full_from_json(found: Any) -> FullPrecision | None:
    """What ``part_as_json`` made; None for anything else, which is then worked out again."""
    try:
        kept = dict(cast("Mapping[str, Any]", found))
        latent, convergence = kept["latent"], kept["convergence"]
        if latent is not None:
            values = cast("dict[str, Any]", latent)
            lists: dict[str, Any] = {key: tuple(values[key]) for key in ("mean", "std", "collapsed")}
            kept["latent"] = LatentValues(**(values | lists))
        if convergence is not None:
            kept["convergence"] = Convergence(**convergence)
        return FullPrecision(**kept)
    except (KeyError, TypeError, ValueError):
        return None


def layers_from_json(found: Any) -> tuple[LayerShare, ...] | None:
    """What ``part_as_json`` made; None for anything else, which is then worked out again."""
    try:
        return tuple(LayerShare(**share) for share in cast("Sequence[dict[str, Any]]", found))
    except TypeError:
        return None


def report_digest(report: FlowReport) -> str:
    """A name of what a report says, equal for equal reports only, whether its cells were measured or kept.

    Args:
        report: of a run.
    """
    cells = [cell.to_json() for cell in report.cells]
    parts = [part_as_json(report.full), part_as_json(report.layers)]
    return digest_of([report.subject, report.measure, report.config, cells, *parts])
