"""Whatever holds weights, as an array of floats."""

from typing import Any, Literal, cast, overload

import numpy as np
from numpy.typing import NDArray

from fmq_theory.errors import WeightsError
from fmq_theory.kernels.runtime.threads import run_blocks

__all__ = ["as_weights", "dense", "type_name"]


@overload
def as_weights(
    array: object, name: str = ..., *, narrow: Literal[False] = ..., threads: int = ...
) -> NDArray[np.float64]: ...


@overload
def as_weights(
    array: object, name: str = ..., *, narrow: bool, threads: int = ...
) -> NDArray[np.floating]: ...


def as_weights(
    array: object, name: str = "weights", *, narrow: bool = False, threads: int = 1
) -> NDArray[np.floating]:
    """A finite, non-empty float64 array with the values and the shape of ``array``.

    Takes array-likes of floating point or integer type, and torch tensors of every real type
    without importing torch. An input of the resulting type comes back as it is, not copied.

    Args:
        array: the weights.
        name: what error messages call them.
        narrow: give float32 where float32 holds every number of the input's type.
        threads: at most so many look at the entries.

    Raises:
        WeightsError: empty, nan or infinite entries, or not real numbers.
    """
    if hasattr(array, "detach"):
        array = _from_torch(dense(array, name), narrow=narrow)
    try:
        values = np.asarray(array)
    except (TypeError, ValueError) as error:
        raise WeightsError(name, f"no array ({error})", "pass an array of real numbers") from error
    if np.ma.is_masked(array):
        raise WeightsError(name, "entries are masked", "pass the entries to keep, with .compressed()")
    if values.dtype.kind not in "fiu":
        raise WeightsError(
            name, f"type {values.dtype} does not hold real numbers", "pass floating point numbers or integers"
        )
    if values.size == 0:
        raise WeightsError(name, f"the array is empty (shape {values.shape})", "pass at least one weight")
    with np.errstate(over="ignore"):  # a long double may overflow, and is then reported below
        wanted = np.float32 if narrow and np.can_cast(values.dtype, np.float32) else np.float64
        values = values.astype(wanted, copy=False)
    if not _all_finite(values, threads):
        num_nan = int(np.isnan(values).sum())
        num_inf = int(np.isinf(values).sum())
        raise WeightsError(
            name,
            f"{num_nan} nan and {num_inf} infinite of {values.size} entries",
            "remove or replace the entries that are not finite",
        )
    return values


def _all_finite(values: NDArray[np.floating], threads: int) -> bool:
    if not (values.flags.c_contiguous or values.flags.f_contiguous):
        return bool(np.isfinite(values).all())
    flat = values.ravel(order="K")
    return all(run_blocks(lambda a, b: bool(np.isfinite(flat[a:b]).all()), flat.size, threads))


def type_name(array: object) -> str:
    """What the type of the entries of a numpy array or torch tensor is called, without its byte order."""
    dtype = getattr(array, "dtype", None)
    return str(getattr(dtype, "name", dtype)).removeprefix("torch.")


def dense(tensor: object, name: str = "weights") -> Any:
    """A torch tensor with a number for each index, on the CPU, signs applied.

    Raises:
        WeightsError: it holds no real numbers, or has no number for each index.
    """
    given = cast(Any, tensor)
    if given.device.type == "meta":
        raise WeightsError(name, "the tensor is on the meta device and has no numbers", "load it first")
    if given.is_nested or given.is_quantized or str(given.layout) != "torch.strided":
        raise WeightsError(
            name,
            "the tensor is sparse, nested or already quantized",
            "pass a dense one, with .to_dense(), .to_padded_tensor(0.0) or .dequantize()",
        )
    if given.is_complex():
        raise WeightsError(
            name,
            f"type {type_name(given)} does not hold real numbers",
            "pass floating point numbers or integers",
        )
    return given.detach().cpu().resolve_neg()


def _from_torch(tensor: Any, *, narrow: bool) -> object:
    """The tensor as a numpy array; bfloat16 and float8, which numpy lacks, are widened exactly."""
    if not tensor.is_floating_point():
        return tensor.numpy()
    return (tensor.float() if narrow and tensor.dtype.itemsize <= 4 else tensor.double()).numpy()
