"""Every type of weights, type of codebooks, scheme and layout, there and back: nothing is lost."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from fmq_theory.checkpoint import QuantizedFile, load, write_quantized
from fmq_theory.checkpoint.io.packed.tensor import CodebookType
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.plain_file import dequantize_file
from fmq_theory.checkpoint.quantized.recipe import Recipe
from fmq_theory.cli.main import main
from fmq_theory.errors import FmqError, WeightsError
from fmq_theory.quantizers import SCHEMES, quantize

TYPES = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
)
CODEBOOK_TYPES: tuple[CodebookType | None, ...] = (None, "float32", "float16")
LAYOUTS = (("channel", None), ("tensor", None), ("group", 8))
ROWS = (*SCHEMES, "power:0.5", "ecq:0.1", "published:pwl")
BLOCKS = (
    "block:lloyd_max",
    "block:lloyd_max:float32",
    "block:nf4:float16",
    "block:fp4:float8_e4m3",
    "block:uniform",
    "block:equal_mass",
)
RECIPES = [
    *(Recipe(f"{s}/{g}", Choice(s, 4, g, size)) for s in ROWS for g, size in LAYOUTS),
    *(Recipe(f"{s}/group", Choice(s, 4, "group", 8)) for s in BLOCKS),
]


def _weights(dtype: torch.dtype, shape: tuple[int, ...] = (4, 2, 16)) -> torch.Tensor:
    g = torch.Generator().manual_seed(5)
    return torch.randn(shape, generator=g, dtype=torch.float64).to(dtype)


def _largest(dtype: torch.dtype) -> torch.Tensor:
    """Up to the ends of the type, but for float64, whose ends float32 scales do not reach."""
    g = torch.Generator().manual_seed(6)
    numbers = 2.0 * torch.rand((4, 32), generator=g, dtype=torch.float64) - 1.0
    numbers[:, :2] = torch.tensor([-1.0, 1.0])
    return (numbers * (1e30 if dtype == torch.float64 else torch.finfo(dtype).max)).to(dtype)


@pytest.mark.deep
@pytest.mark.parametrize(
    ("codebook_type", "coded"), [*((kind, False) for kind in CODEBOOK_TYPES), ("float16", True)]
)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_there_and_back(
    dtype: torch.dtype, codebook_type: CodebookType | None, coded: bool, tmp_path: Path
) -> None:
    weights = _weights(dtype)
    path, small = tmp_path / "model.safetensors", tmp_path / "small.safetensors"
    save_file({recipe.name: weights.clone() for recipe in RECIPES}, path)
    write_quantized(path, small, RECIPES, codebook_type=codebook_type, entropy_coding=coded, threads=1)
    dequantize_file(small, tmp_path / "plain.safetensors")
    state, plain = load(small), load_file(tmp_path / "plain.safetensors")
    with QuantizedFile(small) as file:
        assert set(file.quantized) == {recipe.name for recipe in RECIPES}
        for recipe in RECIPES:
            file.verify(recipe.name)
            levels, codes = file.codebook(recipe.name), file.codes(recipe.name)
            rows = codes.reshape(len(levels), -1)
            if recipe.name.startswith("block"):
                rows = codes.reshape(-1, recipe.choice.group_size or 1)
            decoded = np.take_along_axis(levels, rows.astype(np.intp), axis=1).reshape(codes.shape)
            as_stored = torch.from_numpy(decoded).to(dtype)
            for found in (file.dequantize(recipe.name), state[recipe.name], plain[recipe.name]):
                assert found.dtype == dtype
                assert torch.equal(found.double(), as_stored.double()), recipe.name
            mse = float(np.square(weights.double().numpy() - decoded.astype(np.float64)).mean())
            assert file.packed(recipe.name).mse == pytest.approx(mse, rel=1e-5, abs=1e-12), recipe.name
            assert mse < 0.3, recipe.name  # of weights whose mean square is 1


@pytest.mark.deep
@pytest.mark.parametrize("codebook_type", [None, "float16"])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_largest_numbers_of_a_type_stay_finite(
    dtype: torch.dtype, codebook_type: CodebookType | None, tmp_path: Path
) -> None:
    """A range searched beyond the weights, or a rounded scale, passes the end of float16."""
    weights = _largest(dtype)
    path, small = tmp_path / "model.safetensors", tmp_path / "small.safetensors"
    for recipe in RECIPES:
        save_file({recipe.name: weights}, path)
        try:
            write_quantized(path, small, [recipe], codebook_type=codebook_type, overwrite=True, threads=1)
        except WeightsError as error:
            largest = float(weights.double().abs().max())
            if recipe.name.startswith("block"):
                assert largest > 3e38
                assert "scales in float32 do not suit" in str(error)
            else:
                assert codebook_type == "float16"
                assert largest > 57000.0
                assert "exceeds float16" in str(error)
            continue
        found = load(small)[recipe.name].double()
        assert bool(torch.isfinite(found).all()), recipe.name
        scale = float(weights.double().abs().max())
        assert float(((found - weights.double()) / scale).square().mean()) < 0.1, recipe.name


@pytest.mark.parametrize("codebook_type", ["float32", "float16"])
def test_a_tensor_does_not_vanish_in_the_type_of_its_codebooks(
    codebook_type: CodebookType, tmp_path: Path
) -> None:
    dtype = torch.float64 if codebook_type == "float32" else torch.float32
    tiny = _weights(dtype, (4, 64)) * (1e-50 if codebook_type == "float32" else 1e-9)
    path, small = tmp_path / "model.safetensors", tmp_path / "small.safetensors"
    save_file({"weight": tiny}, path)
    with pytest.raises(WeightsError, match=f"'weight'.*{codebook_type} loses digits; leave out the type"):
        write_quantized(
            path, small, [Recipe("weight", Choice("uniform", 4, "channel"))], codebook_type=codebook_type
        )
    assert not small.exists()
    # Controls: their own type loses nothing, and one row may vanish beside others.
    write_quantized(path, small, [Recipe("weight", Choice("uniform", 4, "channel"))])
    assert float((load(small)["weight"] - tiny).abs().max()) < 0.2 * float(tiny.abs().max())
    for beside in (torch.ones(1, 64, dtype=dtype), torch.zeros(1, 64, dtype=dtype)):
        rows = torch.cat((beside, tiny[:1] if beside.any() else beside))
        save_file({"weight": rows}, path)
        recipe = Recipe("weight", Choice("uniform", 4, "channel"))
        write_quantized(path, small, [recipe], codebook_type=codebook_type, overwrite=True, threads=1)
        assert torch.equal(load(small)["weight"][0], rows[0])


def test_a_published_rule_refuses_weights_that_are_zero_in_its_type() -> None:
    with pytest.raises(FmqError, match="every weight is 0 in float32"):
        quantize(_weights(torch.float64) * 1e-100, "published:pwl", 4)
    assert quantize(torch.zeros(4, 8, dtype=torch.float64), "published:pwl", 4).mse == 0.0


@pytest.mark.parametrize("codebook_type", ["float16", "float32"])
def test_the_command(codebook_type: str, tmp_path: Path) -> None:
    path, small = tmp_path / "m.pt", tmp_path / "q.safetensors"
    torch.save({"weight": _weights(torch.float16, (8, 64))}, path)
    out = CliRunner().invoke(
        main, ["quantize", str(path), "-o", str(small), "--codebook-dtype", codebook_type]
    )
    assert out.exit_code == 0, out.output
    assert load(small)["weight"].dtype == torch.float16
