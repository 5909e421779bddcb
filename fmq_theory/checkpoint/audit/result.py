"""What an audit found: a row a tensor, scheme and bit-width, and the sums of them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fmq_theory.bounds import BAND, crossover_bits
from fmq_theory.brief import brief_repr
from fmq_theory.checkpoint.audit.tails import Spread

__all__ = [
    "Audit", "AuditCell", "AuditRatio", "AuditTotals", "BudgetPoint", "TensorAudit", "ratios_of", "totals_of",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class AuditCell:
    """One scheme at one bit-width, on a tensor or on all of them.

    Attributes:
        scheme: its name.
        bits: of a code.
        weights: how many were quantized.
        sse: sum of (weight - level)**2, measured.
        mse: sse / weights.
        relative_error: sqrt(sse / sum of weight**2); None where all weights are 0.
        high_rate_mse: what the high-rate law of the scheme says of mse; None where there is none.
        entropy_bits: mean index entropy, bits a weight under an ideal entropy coder.
        effective_bits: bits a weight with the numbers that the codebooks are rebuilt from.
        lossless: no codebook serves more weights than it has levels, so that some codebook loses nothing.
        upper_mse: proven upper bound of mse; None where there is none, or theory was not asked for, as the
            next three.
        order: p in mse = O(2^(-p b)), up to logarithms, for far more than 2^b weights a codebook; inf where
            each codebook serves equal weights.
        coded_mse: mse by another road: of every weight and the level of its code.
        w2_squared_pot: W2^2 between the weights of each codebook and the quantized ones, computed by POT; the
            mean over all weights. It is never above mse, and equals it where no larger weight has a smaller
            level.
    """

    scheme: str
    bits: int
    weights: int
    sse: float
    mse: float
    relative_error: float | None
    high_rate_mse: float | None
    entropy_bits: float
    effective_bits: float
    lossless: bool
    upper_mse: float | None = None
    order: float | None = None
    coded_mse: float | None = None
    w2_squared_pot: float | None = None


@dataclass(frozen=True, slots=True)
class AuditRatio:
    """Squared error of the W2 optimum (Lloyd-Max) and of equal mass over that of min-max uniform.

    Attributes:
        bits: of a code.
        rho_w2: None where a scheme was not asked for or uniform is exact.
        rho_w2_in_band: whether it is in the paper's band, ``bounds.BAND``.
        rho_em: see ``rho_w2``.
        rho_em_in_band: see ``rho_w2_in_band``.
    """

    bits: int
    rho_w2: float | None
    rho_w2_in_band: bool | None
    rho_em: float | None
    rho_em_in_band: bool | None


@dataclass(frozen=True, slots=True)
class BudgetPoint:
    """The best mix of the cells of an audit at one size.

    Attributes:
        budget_bits: bits a weight that were allowed.
        effective_bits: what the mix takes, codebooks counted.
        num_bytes: the same for all weights together; the head of a file and tensors left out are not in it.
        sse: sum of (weight - level)**2.
        relative_error: sqrt(sse / sum of weight**2); None where all weights are 0.
        optimality_gap: how far, relatively, sse may be above that of the best mix; None where no bound is
            known.
        choices: name, scheme and bits of each tensor.
    """

    budget_bits: float
    effective_bits: float
    num_bytes: int
    sse: float
    relative_error: float | None
    optimality_gap: float | None
    choices: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class TensorAudit:
    """One tensor.

    Attributes:
        name: in the state dict.
        shape: its shape.
        dtype: as stored.
        weights: how many there are.
        granularity: what was applied: a tensor of one dimension has no channels.
        codebooks: how many it needs.
        weights_per_codebook: of each.
        energy: sum of weight**2.
        spread: moments, extremes, tail.
        cells: by scheme, then bits.
        ratios: by bits.
        crossover_bits: b*, where rho_EM rises through 1; None if it does not within the bits.
        lossless_bits: the least bits at which a codebook can hold every weight it serves; None if none.
        seconds: what it took.
        refused: scheme, bits and reason where there are no codebooks of that size.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    weights: int
    granularity: str
    codebooks: int
    weights_per_codebook: int
    energy: float
    spread: Spread
    cells: tuple[AuditCell, ...]
    ratios: tuple[AuditRatio, ...]
    crossover_bits: float | None
    lossless_bits: int | None
    seconds: float
    refused: tuple[tuple[str, int, str], ...] = ()

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "TensorAudit":
        """The inverse of ``dataclasses.asdict`` after JSON."""
        fields: dict[str, Any] = dict(found)
        fields.update(
            shape=tuple(found["shape"]),
            spread=Spread.from_json(found["spread"]),
            cells=tuple(AuditCell(**cell) for cell in found["cells"]),
            ratios=tuple(AuditRatio(**ratio) for ratio in found["ratios"]),
            refused=tuple((scheme, bits, reason) for scheme, bits, reason in found["refused"]),
        )
        return cls(**fields)

    def cell(self, scheme: str, bits: int) -> AuditCell | None:
        """The row of one scheme and bit-width; None if there is none."""
        return _find(self.cells, scheme, bits)


@dataclass(frozen=True, slots=True)
class AuditTotals:
    """Sums over all tensors.

    Attributes:
        tensors: how many.
        weights: in them.
        energy: sum of weight**2.
        cells: by scheme, then bits; only what every tensor has.
        ratios: of the sums.
        crossover_bits: of these ratios.
        histogram: |w - mean| in steps of sigma / 4, each tensor by its own mean and sigma.
    """

    tensors: int
    weights: int
    energy: float
    cells: tuple[AuditCell, ...]
    ratios: tuple[AuditRatio, ...]
    crossover_bits: float | None
    histogram: tuple[int, ...]

    def cell(self, scheme: str, bits: int) -> AuditCell | None:
        """The row of one scheme and bit-width; None if there is none."""
        return _find(self.cells, scheme, bits)


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything about one checkpoint.

    Attributes:
        path: of the file that was read: of a folder, the one in it.
        config: what was asked for, plain JSON.
        tensors: in the order of the file.
        skipped: name, shape and reason of every other tensor.
        totals: sums of the tensors.
        advice: see ``advice.Advice``; plain JSON.
        reused: tensors that an earlier run had finished.
        budgets: the best mixes, by rising size.
    """

    path: str
    config: dict[str, Any]
    tensors: tuple[TensorAudit, ...]
    skipped: tuple[tuple[str, tuple[int, ...], str], ...]
    totals: AuditTotals
    advice: dict[str, Any]
    reused: int
    budgets: tuple[BudgetPoint, ...] = ()

    __repr__ = brief_repr

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        skipped = [{"name": n, "shape": list(shape), "reason": reason} for n, shape, reason in self.skipped]
        return {
            "format": "fmq-audit-1",
            "path": self.path,
            "config": self.config,
            "totals": asdict(self.totals),
            "advice": self.advice,
            "budgets": [asdict(point) for point in self.budgets],
            "tensors": [asdict(tensor) for tensor in self.tensors],
            "skipped": skipped,
        }


def _find(cells: Iterable[AuditCell], scheme: str, bits: int) -> AuditCell | None:
    return next((cell for cell in cells if cell.scheme == scheme and cell.bits == bits), None)


def ratios_of(cells: Sequence[AuditCell], bits: Sequence[int]) -> tuple[tuple[AuditRatio, ...], float | None]:
    """The ratios to uniform at each bit-width, and the crossover b*."""
    sse = {(cell.scheme, cell.bits): cell.sse for cell in cells}

    def ratio(scheme: str, b: int) -> float | None:
        uniform, other = sse.get(("uniform", b)), sse.get((scheme, b))
        return None if other is None or not uniform else other / uniform

    found: list[AuditRatio] = []
    for b in bits:
        w2, em = ratio("lloyd_max", b), ratio("equal_mass", b)
        found.append(AuditRatio(b, w2, _in_band(w2), em, _in_band(em)))
    # Bit-widths at which equal mass is exact, because it has a level for each weight, say nothing about b*.
    known = [row for row in found if row.rho_em]
    return tuple(found), crossover_bits([row.bits for row in known], [row.rho_em for row in known])


def _in_band(value: float | None) -> bool | None:
    return None if value is None else BAND[0] <= value <= BAND[1]


def totals_of(tensors: Sequence[TensorAudit], bits: Sequence[int]) -> AuditTotals:
    """Sums over the tensors.

    Args:
        tensors: at least one, of the same schemes and bits.
        bits: rising.
    """
    weights = sum(tensor.weights for tensor in tensors)
    energy = math.fsum(tensor.energy for tensor in tensors)
    groups: dict[tuple[str, int], list[AuditCell]] = {}
    for tensor in tensors:
        for cell in tensor.cells:
            groups.setdefault((cell.scheme, cell.bits), []).append(cell)
    cells = tuple(_sum(group, energy) for group in groups.values() if len(group) == len(tensors))
    ratios, crossover = ratios_of(cells, bits)
    columns = zip(*(tensor.spread.histogram for tensor in tensors), strict=True)
    return AuditTotals(
        len(tensors), weights, energy, cells, ratios, crossover, tuple(sum(column) for column in columns)
    )


def _sum(cells: Sequence[AuditCell], energy: float) -> AuditCell:
    weights = sum(cell.weights for cell in cells)
    sse = math.fsum(cell.sse for cell in cells)
    orders = [cell.order for cell in cells if cell.order is not None]
    return AuditCell(
        scheme=cells[0].scheme,
        bits=cells[0].bits,
        weights=weights,
        sse=sse,
        mse=sse / weights,
        relative_error=math.sqrt(sse / energy) if energy > 0.0 else None,
        high_rate_mse=_mean(cells, [cell.high_rate_mse for cell in cells]),
        entropy_bits=math.fsum(cell.entropy_bits * cell.weights for cell in cells) / weights,
        effective_bits=math.fsum(cell.effective_bits * cell.weights for cell in cells) / weights,
        lossless=all(cell.lossless for cell in cells),
        upper_mse=_mean(cells, [cell.upper_mse for cell in cells]),
        order=min(orders) if len(orders) == len(cells) else None,
        coded_mse=_mean(cells, [cell.coded_mse for cell in cells]),
        w2_squared_pot=_mean(cells, [cell.w2_squared_pot for cell in cells]),
    )


def _mean(cells: Sequence[AuditCell], values: Sequence[float | None]) -> float | None:
    """Over all weights; None where a tensor lacks it."""
    known = [value * cell.weights for cell, value in zip(cells, values, strict=True) if value is not None]
    return math.fsum(known) / sum(cell.weights for cell in cells) if len(known) == len(cells) else None
