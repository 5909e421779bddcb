"""What an audit's own measurements reach at a given size: a scheme and a bit-width for each tensor."""

import math
from collections.abc import Sequence

from fmq_theory.checkpoint.allocation.knapsack import allocate
from fmq_theory.checkpoint.audit.result import AuditCell, AuditTotals, BudgetPoint, TensorAudit
from fmq_theory.errors import FmqError

__all__ = ["BUDGETS", "BudgetListError", "best_at", "budget_points", "checked_budgets"]

BUDGETS = (2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0)
"""Bits a weight for which the best mix is told."""
_MOST_STATES = 20_000
_ROUNDING = 1e-12


class BudgetListError(FmqError, ValueError):
    """Budgets that are no positive numbers."""


def checked_budgets(budgets: Sequence[float]) -> tuple[float, ...]:
    """Rising, each once.

    Args:
        budgets: bits a weight.

    Raises:
        BudgetListError: one of them is no positive number.
    """
    for budget in budgets:
        if not (math.isfinite(budget) and budget > 0.0):
            raise BudgetListError(
                f"budget of {budget!r} bits a weight", "it is no positive number", "pass for example 3.5"
            )
    return tuple(sorted({float(budget) for budget in budgets}))


def best_at(totals: AuditTotals, bits: float) -> AuditCell | None:
    """The scheme and bit-width, the same for all tensors, of least error within a size; None if none fits.

    Args:
        totals: of an audit.
        bits: effective bits a weight.
    """
    fitting = [cell for cell in totals.cells if _bits_of(cell) <= _room(bits, cell.weights)]
    return min(fitting, key=lambda cell: cell.sse, default=None)


def budget_points(
    tensors: Sequence[TensorAudit], totals: AuditTotals, budgets: Sequence[float]
) -> tuple[BudgetPoint, ...]:
    """min sum_l SSE_l(cell_l) where sum_l bits_l(cell_l) <= budget * weights, over the cells of an audit.

    ``fmq quantize --budget`` chooses among more (groups, block scales, tensors kept as they are), and may
    reach less error at the same size.

    Args:
        tensors: of the audit.
        totals: their sums.
        budgets: bits a weight, rising. One below the least size of the cells has no point, nor has one at
            which no more is gained than at the one before. There is none at all where a tensor has no cell,
            as with NF4 at 3 bits, or where sums of squared errors leave float64.
    """
    if not all(tensor.cells for tensor in tensors):
        return ()
    costs = [[_bits_of(cell) for cell in tensor.cells] for tensor in tensors]
    errors = [[cell.sse for cell in tensor.cells] for tensor in tensors]
    if not math.isfinite(sum(map(max, errors))):
        return ()
    least, most = sum(map(min, costs)), sum(map(max, costs))
    points: list[BudgetPoint] = []
    for budget in budgets:
        room = min(_room(budget, totals.weights), most)
        if room < least:
            continue
        found = allocate(costs, errors, room, _MOST_STATES)
        if points and found.error >= points[-1].sse:
            continue
        chosen = [tensor.cells[j] for tensor, j in zip(tensors, found.choice, strict=True)]
        sse = math.fsum(cell.sse for cell in chosen)
        points.append(
            BudgetPoint(
                budget_bits=budget,
                effective_bits=found.cost / totals.weights,
                num_bytes=-(-found.cost // 8),
                sse=sse,
                relative_error=math.sqrt(sse / totals.energy) if totals.energy > 0.0 else None,
                optimality_gap=found.gap if math.isfinite(found.gap) else None,
                choices=tuple(
                    (tensor.name, cell.scheme, cell.bits)
                    for tensor, cell in zip(tensors, chosen, strict=True)
                ),
            )
        )
    return tuple(points)


def _room(budget: float, weights: int) -> int:
    """The most bits that all weights may take.

    A size that was told, 4.133333333333333 for 868 bits of 210 weights, is rounded, and is to fit itself.
    """
    return math.floor(min(budget * weights * (1.0 + _ROUNDING), 2.0**62))


def _bits_of(cell: AuditCell) -> int:
    """Bits of the whole tensor; an effective size is a whole number of them over the weights."""
    return round(cell.effective_bits * cell.weights)
