"""Numbers of 8 bits with scales beside them, as most tools write fp8 and int8.

    weight = number * scale, in float32

| keys of a weight ``m.weight`` | who writes them | scale |
|---|---|---|
| ``m.weight_scale`` | compressed-tensors, ModelOpt, vLLM | of the tensor, of a row, or of a group of a row |
| ``m.scale_weight`` | ComfyUI ("scaled fp8") | of the tensor, or of a row |
| ``m.weight_scale_inv`` | DeepSeek, Qwen | of a square of 128 x 128; multiplied in spite of its name |
| ``m.weight._scale`` beside ``m.weight._data`` | optimum-quanto | of a row |

Zero points, where there are any, must be zero: these formats are symmetric.
"""

import math

import torch

from fmq_theory.checkpoint.foreign.stored import Decoded, StoredWeight, Unclaimed, bytes_in
from fmq_theory.checkpoint.io.tensors import StoredTensor

__all__ = ["find_scaled"]

NUMBERS = {
    torch.float8_e4m3fn: "fp8 e4m3",
    torch.float8_e5m2: "fp8 e5m2",
    torch.float8_e4m3fnuz: "fp8 e4m3fnuz",
    torch.float8_e5m2fnuz: "fp8 e5m2fnuz",
    torch.int8: "int8",
}
# Behind the name of a module: the weight, the scale, and what else belongs to the layer.
_KEYS = (
    (
        ".weight",
        ".weight_scale",
        (".input_scale", ".weight_zero_point", ".input_zero_point", ".weight_shape"),
    ),
    (".weight", ".scale_weight", (".scale_input", ".input_scale")),
    (".weight", ".weight_scale_inv", (".activation_scale",)),
    (".weight._data", ".weight._scale", (".input_scale", ".output_scale")),
)
_SQUARE = 128  # sides, where the sizes do not tell it


def find_scaled(stored: Unclaimed) -> list[StoredWeight]:
    """The weights of this format, which are claimed.

    Args:
        stored: the tensors that nobody has claimed.
    """
    found: list[StoredWeight] = []
    for weight, scale, others in _KEYS:
        for name in stored.ending(scale):
            if stored.has(name + weight, *NUMBERS) and stored.has(name + scale):
                beside = [name + other for other in others]
                parts = stored.take(name + weight, name + scale, *beside)
                found.append(_weight(f"{name}.weight", parts, inverse=scale == ".weight_scale_inv"))
    return found


def _weight(name: str, parts: list[StoredTensor], *, inverse: bool) -> StoredWeight:
    numbers, scale = parts[0], parts[1]
    per = _per(numbers.shape, scale.shape, squares=inverse)

    def load(asked: tuple[int, ...]) -> Decoded:
        return Decoded(_product(found, parts, squares=inverse).reshape(asked))

    found = StoredWeight(
        name,
        numbers.shape,
        math.prod(numbers.shape),
        f"{NUMBERS[numbers.dtype]}, a scale {per}",
        bytes_in(parts),
        load,
    )
    return found


def _per(shape: tuple[int, ...], scale: tuple[int, ...], *, squares: bool) -> str:
    count = math.prod(scale)
    if count == 1:
        return "a tensor"
    if squares:
        return "a square"
    if count == (shape[0] if shape else 1):
        return "a row"
    return f"{max(1, math.prod(shape) // count)} weights"


def _product(weight: StoredWeight, parts: list[StoredTensor], *, squares: bool) -> torch.Tensor:
    numbers, scale = parts[0].load().float(), parts[1].load().float()
    shape = numbers.shape
    if not shape:
        raise weight.damaged("it is a single number")
    if scale.numel() == 1:
        return numbers * scale.reshape(())
    if scale.ndim == 2 == numbers.ndim and squares:
        tall, wide = (
            _SQUARE if size > _SQUARE or count > 1 else size
            for size, count in zip(shape, scale.shape, strict=True)
        )
        each = scale.repeat_interleave(tall, 0)[: shape[0]].repeat_interleave(wide, 1)[:, : shape[1]]
        if each.shape == shape and scale.shape == (-(-shape[0] // tall), -(-shape[1] // wide)):
            return numbers * each
    elif scale.numel() == shape[0]:
        return numbers * scale.reshape(-1, *(1 for _ in shape[1:]))
    elif scale.ndim == 2 == numbers.ndim and scale.shape[0] == shape[0] and shape[1] % scale.shape[1] == 0:
        groups = numbers.reshape(shape[0], scale.shape[1], -1)
        return (groups * scale[:, :, None]).reshape(shape)
    raise weight.damaged(f"scales of shape {tuple(scale.shape)} do not fit numbers of shape {tuple(shape)}")
