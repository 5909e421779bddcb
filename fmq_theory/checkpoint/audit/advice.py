"""What follows from an audit's numbers, in one or two sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

from fmq_theory.checkpoint.audit.result import AuditCell, AuditTotals, TensorAudit
from fmq_theory.shown import counted, shown

__all__ = ["Advice", "WorstLayer", "advise", "frontier", "worst_layers"]

# Relative errors that are asked for, sqrt(sse / energy).
_TARGETS = (0.10, 0.03, 0.01)
_USUAL_BITS = 4
_LEAST_SHARE = 0.01
_MANY_TIMES = 4.0  # a layer whose share of the error is so many times its share of the weights is named


@dataclass(frozen=True, slots=True)
class WorstLayer:
    """A tensor by its part in the squared error of the choice that the advice is about.

    Attributes:
        name: of the tensor.
        share_of_error: of the whole squared error.
        share_of_weights: of all weights.
        relative_error: its own, sqrt(sse / energy).
    """

    name: str
    share_of_error: float
    share_of_weights: float
    relative_error: float | None


@dataclass(frozen=True, slots=True)
class Advice:
    """A choice for the whole model and the sentences about it.

    Attributes:
        text: one or two sentences.
        scheme: of the choice; None where nothing can be advised.
        bits: of the choice.
        targets: (relative error asked for, scheme, bits, effective bits, relative error) of the smallest
            choice that meets each.
        worst: layers by their share of the error of the choice over their share of the weights, the largest
            first; see ``worst_layers``.
    """

    text: str
    scheme: str | None
    bits: int | None
    targets: tuple[tuple[float, str, int, float, float], ...]
    worst: tuple[WorstLayer, ...]


def frontier(cells: Sequence[AuditCell]) -> list[AuditCell]:
    """The rows that no other one beats in both effective bits and error, by rising bits."""
    kept: list[AuditCell] = []
    for cell in sorted(cells, key=lambda cell: (cell.effective_bits, cell.sse)):
        if not kept or cell.sse < kept[-1].sse:
            kept.append(cell)
    return kept


def worst_layers(
    tensors: Sequence[TensorAudit], scheme: str, bits: int, most: int = 5
) -> tuple[WorstLayer, ...]:
    """The tensors whose share of the squared error is the largest multiple of their share of the weights.

    More bits help most there. Tensors that make up less than a hundredth of the error are left to the end:
    whatever is done to them, the whole hardly changes.

    Args:
        tensors: of an audit.
        scheme: the choice.
        bits: of the choice.
        most: how many are told.
    """
    found = [(tensor, cell) for tensor in tensors if (cell := tensor.cell(scheme, bits)) is not None]
    total = sum(cell.sse for _, cell in found)
    weights = sum(tensor.weights for tensor in tensors)
    if not total > 0.0:
        return ()
    found.sort(key=lambda pair: (pair[1].sse < _LEAST_SHARE * total, -pair[1].sse / pair[1].weights))
    return tuple(
        WorstLayer(tensor.name, cell.sse / total, tensor.weights / weights, cell.relative_error)
        for tensor, cell in found[:most]
    )


def advise(tensors: Sequence[TensorAudit], totals: AuditTotals) -> Advice:
    """The smallest choices for a few errors, and the best one near four effective bits.

    The choice is one scheme and one bit-width for all tensors: the one of least squared error among those
    of at most the effective bits of min-max uniform at 4 bits (at the least bits that were asked for, if that
    is more). Sizes count the codebooks, so that a codebook of its own for each short channel weighs what it
    weighs.
    """
    best = [cell for cell in frontier(totals.cells) if cell.relative_error is not None]
    if not best:
        return Advice(f"{_why_none(totals)}: nothing to choose.", None, None, (), ())
    targets = tuple(
        (target, cell.scheme, cell.bits, cell.effective_bits, float(cell.relative_error or 0.0))
        for target in _TARGETS
        if (cell := next((c for c in best if (c.relative_error or 0.0) <= target), None)) is not None
    )
    limit = _budget(totals)
    choice = max((cell for cell in best if cell.effective_bits <= limit), key=_by_size, default=best[0])
    worst = worst_layers(tensors, choice.scheme, choice.bits)
    sentences = [_choice_words(choice, totals)]
    if targets:
        met = "; ".join(
            f"{target:.0%} with {scheme} at {counted(bits, 'bit')} ({effective:.2f} effective)"
            for target, scheme, bits, effective, _ in targets
        )
        sentences.append(f"The smallest choices for a relative error of at most: {met}.")
    else:
        sentences.append(f"No choice here comes below a relative error of {_TARGETS[0]:.0%}.")
    if worst and worst[0].share_of_error > _MANY_TIMES * worst[0].share_of_weights:
        first = worst[0]
        sentences[0] = sentences[0].removesuffix(".") + (
            f"; {shown(first.name)} has {first.share_of_error:.0%} of that squared error with "
            f"{first.share_of_weights:.2%} of the weights."
        )
    return Advice(" ".join(sentences), choice.scheme, choice.bits, targets, worst)


def _why_none(totals: AuditTotals) -> str:
    """Why no choice has a relative error."""
    if not totals.cells:
        return "No scheme has codebooks of these bits for every tensor"
    if totals.energy == 0.0:
        return "Every weight is zero"
    return "The squares of these weights leave float64"


def _by_size(cell: AuditCell) -> float:
    return cell.effective_bits


def _budget(totals: AuditTotals) -> float:
    usual = [cell for cell in totals.cells if cell.scheme == "uniform" and cell.bits == _USUAL_BITS]
    least = min(cell.effective_bits for cell in totals.cells)
    return max(least, usual[0].effective_bits if usual else _USUAL_BITS + 0.5)


def _choice_words(choice: AuditCell, totals: AuditTotals) -> str:
    words = (
        f"Within {_budget(totals):.2f} effective bits a weight {choice.scheme} at "
        f"{counted(choice.bits, 'bit')} is best: relative error {choice.relative_error or 0.0:.2%} "
        f"(mean squared error {choice.mse:.4g})"
    )
    uniform = totals.cell("uniform", choice.bits)
    if uniform is not None and choice.scheme != "uniform" and uniform.sse > 0.0:
        words += f", {choice.sse / uniform.sse:.2f} of the squared error of min-max uniform at the same bits"
    return words + "."
