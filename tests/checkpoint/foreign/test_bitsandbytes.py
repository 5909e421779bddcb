"""NF4, FP4 and int8 of bitsandbytes, written by the package itself where it is installed."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint.foreign.files import open_stored
from fmq_theory.errors import CheckpointError
from fmq_theory.quantizers.nf4 import NF4
from fmq_theory.sources import Empirical

SHAPE = (24, 72)  # 1728 weights: 27 blocks of 64, 3.4 of 512


def _weights(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _state(shape: tuple[int, ...], blocksize: int, **more: object) -> torch.Tensor:
    said = {"quant_type": "nf4", "blocksize": blocksize, "dtype": "float32", "shape": list(shape)}
    return torch.tensor(list(json.dumps({**said, **more}).encode()), dtype=torch.uint8)


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
@pytest.mark.parametrize("double", [False, True], ids=["plain", "double"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_numbers_of_the_package_to_the_bit(
    tmp_path: Path, kind: str, double: bool, dtype: torch.dtype
) -> None:
    functional = pytest.importorskip("bitsandbytes.functional")
    original = _weights().to(dtype)
    codes, state = functional.quantize_4bit(
        original, blocksize=64, quant_type=kind, compress_statistics=double
    )
    arrays = {"m.weight": codes} | {f"m.weight.{key}": v for key, v in state.as_dict(packed=True).items()}
    save_file({key: value.contiguous() for key, value in arrays.items()}, tmp_path / "x.safetensors")
    with open_stored(tmp_path / "x.safetensors") as found:
        (weight,) = found.weights
        numbers = weight.decoded().weights
    assert numbers.dtype == dtype
    assert torch.equal(numbers, functional.dequantize_4bit(codes, state))
    assert weight.num_bytes == sum(value.nbytes for value in arrays.values())
    assert weight.format.startswith(kind.upper())
    assert weight.format.endswith("absmax in 8 bits") == double


def test_int8_of_the_package_to_the_bit(tmp_path: Path) -> None:
    functional = pytest.importorskip("bitsandbytes.functional")
    codes, scales, _ = functional.int8_vectorwise_quant(_weights().half())
    save_file({"m.weight": codes, "m.SCB": scales, "m.bias": torch.zeros(24)}, tmp_path / "x.safetensors")
    with open_stored(tmp_path / "x.safetensors") as found:
        weights = {weight.name: weight for weight in found.weights}
        numbers = weights["m.weight"].decoded().weights
    assert torch.equal(numbers, functional.int8_vectorwise_dequant(codes, scales))
    assert weights["m.weight"].effective_bits == 8 + 32 / 72
    assert weights["m.bias"].plain


def test_a_file_by_hand_of_an_odd_number_of_weights(tmp_path: Path) -> None:
    """3 x 3 weights in blocks of 4: the last block has one, the last byte a half that means nothing."""
    codebook = NF4().design(Empirical(torch.linspace(-1, 1, 99).numpy()), 16)
    table = torch.tensor(codebook.levels, dtype=torch.float32)
    codes = [0, 15, 7, 3, 9, 1, 2, 4, 11]
    absmax = torch.tensor([2.0, 0.5, 8.0])
    data = [high << 4 | low for high, low in zip(codes[::2], [*codes[1::2], 0], strict=True)]
    arrays = {
        "w": torch.tensor(data, dtype=torch.uint8)[:, None],
        "w.absmax": absmax,
        "w.quant_map": table,
        "w.quant_state.bitsandbytes__nf4": _state((3, 3), 4),
    }
    save_file(arrays, tmp_path / "x.safetensors")
    with open_stored(tmp_path / "x.safetensors") as found:
        numbers = found.weights[0].decoded().weights
    by_hand = [float(table[code]) * float(absmax[place // 4]) for place, code in enumerate(codes)]
    assert numbers.reshape(-1).tolist() == pytest.approx(by_hand, rel=1e-7)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"w.absmax": None}, "lacks 'w.absmax'"),
        ({"w.quant_map": torch.zeros(15)}, "do not fit its shape"),
        ({"w.quant_state.bitsandbytes__nf4": torch.tensor([1, 2], dtype=torch.uint8)}, "no state"),
        ({"w.quant_state.bitsandbytes__nf4": _state((3, 0), 4)}, "no state"),
        ({"w.quant_state.bitsandbytes__nf4": _state((3, 3), 0)}, "no state"),
        ({"w.quant_state.bitsandbytes__nf4": _state((3, 3), 4, nested_offset="x")}, "no state"),
        ({"w.quant_state.bitsandbytes__nf4": _state((30, 3), 4)}, "do not fit its shape"),
    ],
    ids=["no absmax", "table", "no json", "empty", "no blocks", "offset", "shape"],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, arrays: dict[str, torch.Tensor | None], words: str
) -> None:
    whole: dict[str, torch.Tensor | None] = {
        "w": torch.zeros(5, 1, dtype=torch.uint8),
        "w.absmax": torch.ones(3),
        "w.quant_map": torch.zeros(16),
        "w.quant_state.bitsandbytes__nf4": _state((3, 3), 4),
    }
    saved = {key: value for key, value in (whole | arrays).items() if value is not None}
    save_file(saved, tmp_path / "x.safetensors")
    with (
        pytest.raises(CheckpointError, match=words),
        open_stored(tmp_path / "x.safetensors") as found,
    ):
        found.weights[0].decoded()
