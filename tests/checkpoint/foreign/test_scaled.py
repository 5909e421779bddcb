"""fp8 and int8 with scales beside them, MXFP4 and NVFP4: by hand, in rational steps."""

from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint.foreign.files import open_stored
from fmq_theory.checkpoint.foreign.nibbles import E2M1
from fmq_theory.checkpoint.foreign.stored import StoredWeight
from fmq_theory.errors import CheckpointError
from tests.checkpoint.made_tensors import drawn

FP8 = torch.float8_e4m3fn


def _read(tmp_path: Path, arrays: dict[str, torch.Tensor]) -> tuple[StoredWeight, torch.Tensor]:
    save_file(arrays, tmp_path / "x.safetensors")
    with open_stored(tmp_path / "x.safetensors") as found:
        assert len(found.weights) == 1
        return found.weights[0], found.weights[0].decoded().weights


@pytest.mark.parametrize("dtype", [FP8, torch.float8_e5m2, torch.int8], ids=str)
@pytest.mark.parametrize(
    ("scale", "words"),
    [((), "a tensor"), ((1,), "a tensor"), ((6,), "a row"), ((6, 1), "a row"), ((6, 4), "8 weights")],
    ids=str,
)
@pytest.mark.parametrize("key", ["m.weight_scale", "m.scale_weight"])
def test_numbers_times_scales(
    tmp_path: Path, dtype: torch.dtype, scale: tuple[int, ...], words: str, key: str
) -> None:
    numbers, factors = (20 * drawn(6, 32)).to(dtype), drawn(*scale, seed=1).abs()
    marker = torch.ones(1)
    weight, found = _read(tmp_path, {"m.weight": numbers, key: factors, "m.input_scale": marker})
    each = factors.reshape(-1, 1).expand(-1, 192 // factors.numel()).reshape(6, 32)
    assert torch.equal(found, numbers.float() * each)
    assert weight.format.endswith(words)
    assert weight.num_bytes == 6 * 32 + 4 * factors.numel() + 4


def test_squares_of_deepseek(tmp_path: Path) -> None:
    numbers, factors = drawn(200, 260).to(FP8), drawn(2, 3, seed=1).abs()
    _, found = _read(tmp_path, {"m.weight": numbers, "m.weight_scale_inv": factors})
    for i, j in [(0, 0), (127, 128), (128, 127), (199, 259), (130, 256)]:
        assert found[i, j] == numbers[i, j].float() * factors[i // 128, j // 128]


def test_quanto(tmp_path: Path) -> None:
    numbers, factors = (9 * drawn(6, 8)).to(torch.int8), drawn(6, 1, seed=1)
    weight, found = _read(tmp_path, {"m.weight._data": numbers, "m.weight._scale": factors})
    assert weight.name == "m.weight"
    assert torch.equal(found, numbers.float() * factors)


def test_scales_that_do_not_fit(tmp_path: Path) -> None:
    arrays = {"m.weight": drawn(6, 8).to(FP8), "m.weight_scale": torch.ones(6, 3)}
    with pytest.raises(CheckpointError, match="do not fit"):
        _read(tmp_path, arrays)


def _by_hand(data: torch.Tensor, scales: list[list[Fraction]], size: int) -> list[list[float]]:
    """Each number and its scale as rationals: exact, as the product is in float32."""
    found: list[list[float]] = []
    for row, factors in zip(data.tolist(), scales, strict=True):
        codes = [half for byte in row for half in (byte & 15, byte >> 4)]
        found.append(
            [float(Fraction(E2M1[code]) * factors[place // size]) for place, code in enumerate(codes)]
        )
    return found


def test_the_table_is_that_of_its_bits() -> None:
    """Sign, two bits of exponent with bias 1, one of mantissa; exponent 0 is subnormal."""
    for code, value in enumerate(E2M1):
        exponent, mantissa = code >> 1 & 3, code & 1
        size = mantissa / 2 if exponent == 0 else (1 + mantissa / 2) * 2 ** (exponent - 1)
        assert abs(value) == size
        assert str(value).startswith("-") == bool(code & 8)


@pytest.mark.parametrize("style", ["gpt-oss", "compressed-tensors"])
def test_mxfp4(tmp_path: Path, style: str) -> None:
    data = torch.randint(0, 256, (3, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    powers = torch.tensor([[127, 120], [1, 200], [126, 128]], dtype=torch.uint8)
    keys = ("w_blocks", "w_scales") if style == "gpt-oss" else ("m.weight_packed", "m.weight_scale")
    stored = data.reshape(3, 2, 16) if style == "gpt-oss" else data
    weight, found = _read(tmp_path, dict(zip(keys, (stored, powers), strict=True)))
    scales = [[Fraction(2) ** (power - 127) for power in row] for row in powers.tolist()]
    assert found.tolist() == _by_hand(data, scales, 32)
    assert weight.effective_bits == 4.25


@pytest.mark.parametrize("style", ["modelopt", "compressed-tensors"])
def test_nvfp4(tmp_path: Path, style: str) -> None:
    data = torch.randint(0, 256, (3, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    scales, whole = (100 * drawn(3, 2, seed=1).abs()).to(FP8), torch.tensor([0.25])
    if style == "modelopt":
        arrays = {"m.weight": data, "m.weight_scale": scales, "m.weight_scale_2": whole}
    else:
        arrays = {"m.weight_packed": data, "m.weight_scale": scales, "m.weight_global_scale": 1 / whole}
    weight, found = _read(tmp_path, arrays)
    exact = [[Fraction(scale) / 4 for scale in row] for row in scales.float().tolist()]
    assert found.tolist() == _by_hand(data, exact, 16)
    assert weight.num_bytes == 48 + 6 + 4


def test_a_scale_that_is_nan_gives_nan(tmp_path: Path) -> None:
    powers = torch.tensor([[255]], dtype=torch.uint8)
    _, found = _read(tmp_path, {"w_blocks": torch.ones(1, 1, 16, dtype=torch.uint8), "w_scales": powers})
    assert bool(found.isnan().all())


def test_blocks_that_do_not_fit(tmp_path: Path) -> None:
    arrays = {"m.weight_packed": torch.ones(4, 32, dtype=torch.uint8)}
    with pytest.raises(CheckpointError, match="do not fit"):
        _read(tmp_path, {**arrays, "m.weight_scale": torch.ones(4, 3, dtype=torch.uint8)})


@pytest.mark.parametrize(
    ("keys", "words"),
    [(("m.qweight", "m.qzeros"), "GPTQ"), (("m.weight_packed", "m.weight_scale"), "compressed-tensors")],
    ids=["gptq", "packed"],
)
def test_formats_that_are_not_read_are_named_with_those_that_are(
    tmp_path: Path, keys: tuple[str, ...], words: str
) -> None:
    arrays = {key: torch.ones(4, 4, dtype=torch.int32) for key in keys}
    with pytest.raises(CheckpointError, match=f"{words}.*formats read: fmq, bitsandbytes"):
        _read(tmp_path, arrays)
