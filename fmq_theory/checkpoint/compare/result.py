"""What a comparison found: a row a layer, the sums of them, and what to keep in 16 bits."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from fmq_theory.brief import brief_repr

__all__ = ["BestAtSize", "FileScore", "KeptLayer", "LayerScore", "Totals", "sqnr_of", "totals_of"]


@dataclass(frozen=True, slots=True)
class BestAtSize:
    """The least error of what ``fmq quantize`` chooses from, among that which is not larger.

    Attributes:
        choice: scheme, bits and granularity in words.
        effective_bits: bits a weight with all side information.
        sse: sum of squared errors.
    """

    choice: str
    effective_bits: float
    sse: float


@dataclass(frozen=True, slots=True)
class LayerScore:
    """One weight of the original and what the file made of it.

    Attributes:
        name: in the original.
        stored_name: in the file.
        shape: of the weights.
        weights: how many there are.
        format: of the file, in words.
        quantized: whether there are scales, tables or codes; else the numbers stand there themselves.
        num_bytes: of all that the file stores of the layer: codes, tables, scales, and what else is its own.
        effective_bits: 8 * num_bytes / weights.
        energy: sum of weight**2.
        sse: sum of (weight - stored weight)**2.
        relative_error: sqrt(sse / energy); None where all weights are 0.
        sqnr_db: 10 log10(energy / sse) decibels; inf where nothing is lost, None where all weights are 0.
        share_of_error: of the squared error of all layers; None where there is none.
        share_of_weights: of the weights of all layers.
        own_sse: the least sse of the layer's own format at its own sizes; None where it is not computed.
        own: how that optimum was found, or why it is not there.
        best: of the same size; None where it was not asked for or nothing of ours is so small or so large.
    """

    name: str
    stored_name: str
    shape: tuple[int, ...]
    weights: int
    format: str
    quantized: bool
    num_bytes: int
    effective_bits: float
    energy: float
    sse: float
    relative_error: float | None
    sqnr_db: float | None
    share_of_error: float | None
    share_of_weights: float
    own_sse: float | None
    own: str
    best: BestAtSize | None

    __repr__ = brief_repr

    @property
    def over_own(self) -> float | None:
        """The squared error over the optimum of the layer's own format; None where that is not known."""
        return _ratio(self.sse, self.own_sse)

    @property
    def over_best(self) -> float | None:
        """The squared error over the best of the same size; below 1 the file is better than all of ours."""
        return None if self.best is None else _ratio(self.sse, self.best.sse)

    @property
    def weight_of_error(self) -> float | None:
        """Share of the error over share of the weights: above 1 the layer is worse than the mean."""
        return None if self.share_of_error is None else self.share_of_error / self.share_of_weights


@dataclass(frozen=True, slots=True)
class KeptLayer:
    """One step of keeping layers in 16 bits, those first that save most error a byte.

    Attributes:
        name: of the layer, in the original.
        added_bytes: what it takes more.
        error_left: share of the squared error that is left after this step and those before it.
        bytes_after: of all layers, after the same.
    """

    name: str
    added_bytes: int
    error_left: float
    bytes_after: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the layers.

    Attributes:
        layers: how many.
        weights: in them.
        num_bytes: of them in the file.
        effective_bits: 8 * num_bytes / weights.
        energy: sum of weight**2.
        sse: sum of (weight - stored weight)**2.
        relative_error: see ``LayerScore``.
        sqnr_db: see ``LayerScore``.
        over_own: squared error over the optimum of the format, of the quantized layers where that is known;
            of all layers where none is quantized.
        own_layers: how many these are.
        over_best: squared error over the best at the size of each layer, of the layers that have one.
        best_layers: how many these are.
    """

    layers: int
    weights: int
    num_bytes: int
    effective_bits: float
    energy: float
    sse: float
    relative_error: float | None
    sqnr_db: float | None
    over_own: float | None
    own_layers: int
    over_best: float | None
    best_layers: int


@dataclass(frozen=True, slots=True)
class FileScore:
    """Everything about one file beside its original.

    Attributes:
        original: the path of the original.
        path: of the file.
        formats: of its quantized layers, most weights first.
        file_bytes: of all its files: what is no layer is in it too.
        layers: in the order of the original.
        totals: sums of the layers.
        keep: what to keep in 16 bits, step by step.
        left_out: name, shape and reason of what was not scored.
        notes: what a reader of the numbers has to know.
    """

    original: str
    path: str
    formats: tuple[str, ...]
    file_bytes: int
    layers: tuple[LayerScore, ...]
    totals: Totals
    keep: tuple[KeptLayer, ...]
    left_out: tuple[tuple[str, tuple[int, ...], str], ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        totals = self.totals
        error = "nan" if totals.relative_error is None else f"{totals.relative_error:.4g}"
        return (
            f"FileScore({self.path[-60:]!r}, {totals.layers} layers, "
            f"{totals.effective_bits:.3f} effective bits, relative error {error}, "
            f"SQNR {decibels(totals.sqnr_db)})"
        )

    @property
    def worst(self) -> tuple[LayerScore, ...]:
        """The layers by share of error over share of weights, the worst first; those without error last."""
        return tuple(sorted(self.layers, key=lambda layer: -(layer.weight_of_error or 0.0)))

    def to_records(self) -> list[dict[str, Any]]:
        """A flat row a layer, as ``pandas.DataFrame`` takes it; an infinite SQNR is ``math.inf``."""
        return [_record(layer) for layer in self.layers]

    def as_json(self) -> dict[str, Any]:
        """Plain values; infinite numbers are left as they are, and ``json_text`` writes them as "inf"."""
        left_out = [{"name": n, "shape": list(s), "reason": r} for n, s, r in self.left_out]
        return {
            "format": "fmq-compare-1",
            "original": self.original,
            "path": self.path,
            "formats": list(self.formats),
            "file_bytes": self.file_bytes,
            "totals": asdict(self.totals),
            "keep_in_16_bits": [asdict(step) for step in self.keep],
            "layers": [
                {
                    **asdict(layer),
                    "over_own": layer.over_own,
                    "over_best": layer.over_best,
                    "weight_of_error": layer.weight_of_error,
                }
                for layer in self.layers
            ],
            "left_out": left_out,
            "notes": list(self.notes),
        }


def _record(layer: LayerScore) -> dict[str, Any]:
    plain = {f.name: getattr(layer, f.name) for f in fields(layer) if f.name != "best"}
    best = layer.best
    return {
        **plain,
        "over_own": layer.over_own,
        "over_best": layer.over_best,
        "weight_of_error": layer.weight_of_error,
        "best_choice": None if best is None else best.choice,
        "best_effective_bits": None if best is None else best.effective_bits,
        "best_sse": None if best is None else best.sse,
    }


def decibels(value: float | None) -> str:
    """An SQNR in words: "inf dB" where nothing is lost.

    Args:
        value: None where there is no ratio.
    """
    return "-" if value is None else f"{value:.2f} dB"


def sqnr_of(energy: float, sse: float) -> float | None:
    """10 log10(energy / sse); inf where sse is 0, None where energy is.

    Args:
        energy: sum of the squares of the weights.
        sse: sum of the squared errors.
    """
    if not energy > 0.0:
        return None
    return math.inf if sse == 0.0 else 10.0 * (math.log10(energy) - math.log10(sse))


_ROUNDING = 1e-9  # two sums of the same squares, each by another road


def _ratio(sse: float, least: float | None) -> float | None:
    if least is None:
        return None
    if least == 0.0:
        return 1.0 if sse == 0.0 else math.inf
    ratio = sse / least
    return 1.0 if abs(ratio - 1.0) < _ROUNDING else ratio


def totals_of(layers: Sequence[LayerScore]) -> Totals:
    """The sums.

    Args:
        layers: at least one.
    """
    weights, num_bytes = sum(layer.weights for layer in layers), sum(layer.num_bytes for layer in layers)
    energy, sse = math.fsum(layer.energy for layer in layers), math.fsum(layer.sse for layer in layers)
    judged = [layer for layer in layers if layer.quantized] or layers  # what was kept is trivially optimal
    own = [(layer.sse, layer.own_sse) for layer in judged if layer.own_sse is not None]
    best = [(layer.sse, layer.best.sse) for layer in layers if layer.best is not None]
    return Totals(
        layers=len(layers),
        weights=weights,
        num_bytes=num_bytes,
        effective_bits=8.0 * num_bytes / weights,
        energy=energy,
        sse=sse,
        relative_error=math.sqrt(sse / energy) if energy > 0.0 else None,
        sqnr_db=sqnr_of(energy, sse),
        over_own=_over(own),
        own_layers=len(own),
        over_best=_over(best),
        best_layers=len(best),
    )


def _over(pairs: Sequence[tuple[float, float]]) -> float | None:
    if not pairs:
        return None
    return _ratio(math.fsum(sse for sse, _ in pairs), math.fsum(least for _, least in pairs))
