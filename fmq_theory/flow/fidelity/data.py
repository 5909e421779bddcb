"""Samples of the data, read from a file or made by a function that the user names."""

import zlib
from pathlib import Path
from struct import error as struct_error
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fmq_theory.errors import FlowError
from fmq_theory.flow.factories import made_by
from fmq_theory.flow.fidelity.idx_file import is_idx, read_idx

__all__ = ["read_array", "read_samples"]


def read_samples(name: str) -> Tensor:
    """``[n, ...]`` in the model's space, from .npy, .npz with one array, or ``package.module:function``.

    Raises:
        FlowError: there is no such file or function, or it gives something else.
    """
    if name.endswith((".npy", ".npz")):
        return _checked(torch.as_tensor(read_array(Path(name))), name)
    if ":" not in name:
        raise FlowError(
            f"data {name!r}",
            "it is neither a file nor a function",
            "pass .npy, .npz or package.module:function",
        )
    made = made_by(f"data {name!r}", name)
    if not isinstance(made, Tensor):
        raise FlowError(f"data {name!r}", f"it returned {type(made).__name__}", "return a torch.Tensor")
    return _checked(made, name)


def read_array(path: Path, thing: str = "data") -> NDArray[np.generic]:
    """The one array of a file: .npy, .npz, or bytes in the idx format.

    Args:
        path: of the file.
        thing: what messages call it.

    Raises:
        FlowError: it cannot be read, or holds several arrays.
    """
    try:
        if is_idx(path):
            return read_idx(path)
        read = cast("object", np.load(path, allow_pickle=False))
        if isinstance(read, np.ndarray):
            return cast("NDArray[np.generic]", read)
        archive = cast("np.lib.npyio.NpzFile", read)
        with archive:
            if len(archive.files) != 1:
                raise FlowError(
                    f"{thing} {path}", f"it holds {len(archive.files)} arrays", "pass a file with one"
                )
            return archive[archive.files[0]]
    except (OSError, EOFError, ValueError, struct_error, zlib.error) as error:
        if isinstance(error, FlowError):
            raise
        raise FlowError(
            f"{thing} {path}", f"it cannot be read ({error})", "pass .npy, .npz or idx (.gz too)"
        ) from error


def _checked(data: Tensor, name: str) -> Tensor:
    if data.ndim < 2 or not data.is_floating_point() or not bool(torch.isfinite(data).all()):
        raise FlowError(
            f"data {name!r}",
            f"{data.dtype} of shape {tuple(data.shape)} is no batch of finite floating point samples",
            "scale the data to the model's space first, such as [-1, 1]",
        )
    return data
