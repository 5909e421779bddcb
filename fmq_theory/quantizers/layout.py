"""Which weights share a codebook: the whole tensor, a channel, or a group of a channel."""

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from fmq_theory.counts import whole_number
from fmq_theory.errors import SchemeError, WeightsError, argument

__all__ = ["Granularity", "Layout"]

Granularity = Literal["tensor", "channel", "group"]


@dataclass(frozen=True, slots=True)
class Layout:
    """A tensor as rows, one row a codebook.

    Attributes:
        shape: of the tensor.
        granularity: what was applied. A tensor with fewer than two dimensions has no channels and
            is one row, as in the published uniform, unless groups are asked for.
        axis: of the channels, >= 0; None where there are none.
        group_size: consecutive weights of a flattened channel that share a codebook; else None.
    """

    shape: tuple[int, ...]
    granularity: Granularity
    axis: int | None
    group_size: int | None

    @classmethod
    def of(cls, shape: tuple[int, ...], granularity: str, axis: int, group_size: int | None) -> "Layout":
        """The layout a user asks for.

        Raises:
            SchemeError: an unknown granularity, or a group size that is missing or out of place.
            WeightsError: an axis the tensor lacks, or groups that do not divide a channel.
        """
        if granularity not in get_args(Granularity):
            raise SchemeError(
                f"granularity {granularity!r}",
                "no such granularity",
                f"choose one of {', '.join(get_args(Granularity))}",
            )
        grouped = granularity == "group"
        if grouped != (group_size is not None):
            if grouped:
                remedy = ("pass for example ", argument("group_size", 64))
                raise SchemeError("granularity 'group'", "groups need a size", remedy)
            raise SchemeError(
                (argument("group_size", group_size),),
                f"granularity {granularity!r} has no groups",
                ("pass ", argument("granularity", "group"), ", or no size"),
            )
        channels = len(shape) >= 2 and granularity != "tensor"
        if (number := whole_number(axis)) is None:
            raise WeightsError(f"axis = {axis!r}", "an axis is a whole number", "pass for example axis=0")
        axis = number
        if channels and not -len(shape) <= axis < len(shape):
            raise WeightsError(
                f"axis {axis} of weights of shape {shape}",
                f"they have {len(shape)} dimensions",
                f"choose an axis from {-len(shape)} to {len(shape) - 1}",
            )
        applied = granularity if grouped or channels else "tensor"
        layout = cls(
            shape, cast(Granularity, applied), axis % len(shape) if channels else None, _positive(group_size)
        )
        layout._check_groups()
        return layout

    def _check_groups(self) -> None:
        size = self._channel_size
        if self.group_size is not None and size % self.group_size:
            raise WeightsError(
                f"group_size = {self.group_size} for weights of shape {self.shape}",
                f"it does not divide the {size} weights of a channel",
                "choose a divisor of it",
            )

    @property
    def _channel_size(self) -> int:
        size = int(np.prod(self.shape, dtype=np.int64))
        return size if self.axis is None else size // self.shape[self.axis]

    def rows(self, array: NDArray[Any]) -> NDArray[Any]:
        """``array`` of the tensor's shape as rows, shape ``[codebooks, weights per codebook]``."""
        if self.axis is not None:
            array = np.moveaxis(array, self.axis, 0)
        return array.reshape(-1, self.group_size or self._channel_size)

    def restore(self, rows: NDArray[Any]) -> NDArray[Any]:
        """The inverse of ``rows``."""
        if self.axis is None:
            return rows.reshape(self.shape)
        others = self.shape[: self.axis] + self.shape[self.axis + 1 :]
        return np.moveaxis(rows.reshape(self.shape[self.axis], *others), 0, self.axis)

    def row_name(self, row: int) -> str:
        """What error messages call a row."""
        if self.granularity == "tensor":
            return "weights"
        if self.group_size is None:
            return f"channel {row} (axis {self.axis}) of weights of shape {self.shape}"
        channel, group = divmod(row, self._channel_size // self.group_size)
        return f"group {group} of channel {channel} of weights of shape {self.shape}"


def _positive(group_size: int | None) -> int | None:
    if group_size is None:
        return None
    size = whole_number(group_size) or 0
    if size < 1:
        raise SchemeError(
            f"group_size = {group_size!r}", "it is not a positive integer", "pass for example 64"
        )
    return size
