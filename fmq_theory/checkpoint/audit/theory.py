"""What theory says of the codebooks of an audit, and two other roads to the error that it measures."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fmq_theory.bounds import predict
from fmq_theory.kernels.squared_error import squared_error_rows
from fmq_theory.metrics import rowwise_w2_squared_pot
from fmq_theory.quantizers import GridCell, get_scheme

__all__ = ["TheorySums"]


@dataclass(slots=True)
class TheorySums:
    """The optional columns of ``AuditCell`` of one scheme and bit-width, over the parts of a tensor.

    A bound that one codebook lacks is lacking for the tensor, and the slowest order decides. Rows of equal
    weights are exact at every K, so they have no say in the order.
    """

    upper: list[float] | None = field(default_factory=list[float])
    order: float | None = math.inf
    coded: list[float] = field(default_factory=list[float])
    w2_squared: list[float] = field(default_factory=list[float])

    def add(self, cell: GridCell, part: NDArray[np.floating]) -> None:
        """Adds some rows of the tensor.

        Args:
            cell: their codebooks.
            part: the rows as they are in the tensor, shape ``[R, C]``.
        """
        size = part.shape[1]
        for index in range(len(part)):
            source = cell.rows.row(index)
            prediction = predict(cell.scheme, source, 2**cell.bits, size)
            upper = prediction.own.upper
            if upper is None:
                self.upper = None
            elif self.upper is not None:
                self.upper.append(size * upper.value)
            if source.support[0] != source.support[1] and self.order is not None:
                self.order = None if prediction.order is None else min(self.order, prediction.order)
        codes = get_scheme(cell.scheme).encode_rows(cell.codebooks, part, cell.rows.threads)
        self.coded += squared_error_rows(part, codes, cell.levels, None, cell.rows.threads).tolist()
        quantized = np.take_along_axis(cell.levels, codes.astype(np.intp), axis=1)
        self.w2_squared += (size * rowwise_w2_squared_pot(part, quantized)).tolist()

    def columns(self, weights: int) -> dict[str, float | None]:
        """The means over all weights, by the names of ``AuditCell``.

        Args:
            weights: of the tensor.
        """
        return {
            "upper_mse": None if self.upper is None else math.fsum(self.upper) / weights,
            "order": self.order,
            "coded_mse": math.fsum(self.coded) / weights,
            "w2_squared_pot": math.fsum(self.w2_squared) / weights,
        }
