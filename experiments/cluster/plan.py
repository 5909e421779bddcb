"""What a large checkpoint takes, from what slices took: a line through two of them, checked on a third."""

from dataclasses import dataclass

from experiments.cluster.measure import Spent
from experiments.cluster.slices import Slice

__all__ = ["Checkpoint", "CostModel"]


@dataclass(frozen=True, slots=True)
class CostModel:
    """Processor seconds = weights × per_weight_s + tensors × per_tensor_s.

    Attributes:
        per_weight_s: of large layers.
        per_tensor_s: of tensors, however small.
        base_bytes: what a worker holds before it has read a weight.
        bytes_a_byte: what it holds besides, over the bytes of the largest tensor.
    """

    per_weight_s: float
    per_tensor_s: float
    base_bytes: float
    bytes_a_byte: float

    @classmethod
    def of(cls, layers: Slice, by_layers: Spent, small: Slice, by_small: Spent, base: int) -> "CostModel":
        """From an audit of layers alone and one of small tensors alone.

        Args:
            layers: the slice of layers.
            by_layers: what it took.
            small: the slice of small tensors, each of few weights beside those of a layer.
            by_small: what it took.
            base: bytes that a worker held before.
        """
        # Two equations: a small tensor has weights too, and a layer is a tensor.
        det = layers.weights * small.tensors - small.weights * layers.tensors
        per_weight = (by_layers.workers_s * small.tensors - by_small.workers_s * layers.tensors) / det
        per_tensor = (by_small.workers_s * layers.weights - by_layers.workers_s * small.weights) / det
        held = (by_layers.peak_bytes - base) / layers.largest_bytes
        return cls(per_weight, per_tensor, base, held)

    def seconds(self, weights: float, tensors: float) -> float:
        """Processor seconds.

        Args:
            weights: how many.
            tensors: how many.
        """
        return self.per_weight_s * weights + self.per_tensor_s * tensors


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is planned for.

    Attributes:
        weights: in all.
        tensors: that are quantized.
        largest_bytes: of the largest one, as stored.
        price: of a core for an hour, in any currency.
    """

    weights: float
    tensors: int
    largest_bytes: float
    price: float

    def row(self, model: CostModel, workers: int, efficiency: float) -> dict[str, float | str]:
        """Hours, memory and cost.

        Args:
            model: of the costs.
            workers: processes, each with a core of its own.
            efficiency: share of the machine's own limit that workers reached; more than 1 counts as 1.
        """
        core_hours = model.seconds(self.weights, self.tensors) / 3600.0
        share = min(1.0, efficiency)
        return {
            "kind": "plan",
            "workers": workers,
            "weights": self.weights,
            "tensors": self.tensors,
            "largest_mb": self.largest_bytes / 1e6,
            "price": self.price,
            "core_hours": core_hours / share,
            "hours": core_hours / (workers * share),
            "worker_gb": (model.base_bytes + model.bytes_a_byte * self.largest_bytes) / 1e9,
            "cost": self.price * core_hours / share,
        }
