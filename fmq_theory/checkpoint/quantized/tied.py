"""Two tensors that show the same numbers."""

import torch

__all__ = ["tied_axes"]


def tied_axes(first: torch.Tensor, second: torch.Tensor) -> tuple[int, ...] | None:
    """The order of axes that makes ``second`` of ``first``; None where no order does.

    Both show the same numbers of one storage, from the same place on.
    """
    if first.ndim != second.ndim:
        return None
    left = list(range(first.ndim))
    axes: list[int] = []
    for size, stride in zip(second.shape, second.stride(), strict=True):
        # The stride of an axis of one index says nothing.
        fits = (a for a in left if first.shape[a] == size and (size == 1 or first.stride(a) == stride))
        axis = next(fits, None)
        if axis is None:
            return None
        left.remove(axis)
        axes.append(axis)
    return tuple(axes)
