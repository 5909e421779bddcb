"""Which layers to keep in 16 bits: those that take away most of the error a byte."""

import math
from collections.abc import Sequence

from fmq_theory.checkpoint.compare.result import KeptLayer, LayerScore

__all__ = ["keep_in_16_bits"]

MOST_GROWTH = 0.1
"""Of the bytes of all layers: what keeping may add to them."""
_MOST_STEPS = 12
_WIDE = 2  # bytes


def keep_in_16_bits(layers: Sequence[LayerScore]) -> tuple[KeptLayer, ...]:
    """Layers to keep, in the order of squared error over bytes added, as long as the file grows by a tenth.

    The error of 16 bits themselves is not counted: it is a thousandth of the weights.

    Args:
        layers: of one file.
    """
    total = math.fsum(layer.sse for layer in layers)
    size = sum(layer.num_bytes for layer in layers)
    room = MOST_GROWTH * size
    wanted = [layer for layer in layers if layer.sse > 0.0 and _added(layer) > 0]
    steps: list[KeptLayer] = []
    left = total
    for layer in sorted(wanted, key=lambda layer: -layer.sse / _added(layer)):
        added = _added(layer)
        # What gains less than its share of the bytes is not worth a line.
        if len(steps) == _MOST_STEPS or layer.sse / total < layer.num_bytes / size:
            break
        if added > room:
            continue
        room -= added
        left -= layer.sse
        before = steps[-1].bytes_after if steps else size
        steps.append(KeptLayer(layer.name, added, max(0.0, left / total), before + added))
    return tuple(steps)


def _added(layer: LayerScore) -> int:
    return _WIDE * layer.weights - layer.num_bytes
