"""SDNQ: its own layers, saved and read again to the bit."""

import importlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint.compare import compare
from fmq_theory.checkpoint.foreign.files import open_stored
from fmq_theory.checkpoint.foreign.sdnq_codes import unpacked
from fmq_theory.errors import CheckpointError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of SDNQ's own use of torch

LINEAR, CONV = (24, 64), (12, 32, 3, 3)


@pytest.fixture(scope="module")
def sdnq() -> Iterator[Any]:
    pytest.importorskip("sdnq")
    import warnings

    os.environ.setdefault("SDNQ_USE_TORCH_COMPILE", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield importlib.import_module("sdnq.quantizer")


def _written(sdnq: Any, folder: Path, layer: str, weights: torch.Tensor, **options: Any) -> torch.Tensor:
    """Saves one layer as SDNQ stores it; the numbers that SDNQ makes of it."""
    dequantizer, arrays = sdnq.sdnq_quantize_layer_weight(weights, layer, **options)
    saved = {f"m.{key}": value.contiguous() for key, value in arrays.items() if value is not None}
    save_file(saved, folder / "model.safetensors")
    config = {"quant_method": "sdnq", **options}
    (folder / "config.json").write_text(json.dumps({"quantization_config": config}), "utf-8")
    return dequantizer(**arrays, skip_compile=True)


CASES = [
    ("Linear", LINEAR, {"use_codebook": True, "group_size": -1}),
    ("Linear", LINEAR, {"use_codebook": True, "group_size": 16}),
    ("Linear", LINEAR, {"use_codebook": True, "group_size": -2}),
    ("Conv2d", CONV, {"use_codebook": True, "group_size": -1}),
    ("Conv2d", CONV, {"use_codebook": True, "group_size": 8}),
    ("Conv2d", CONV, {"use_codebook": True, "group_size": -2}),
    ("ConvTranspose2d", CONV, {"use_codebook": True, "group_size": -1}),
    ("Linear", LINEAR, {"group_size": -1}),
    ("Linear", LINEAR, {"group_size": 16}),
    ("Conv2d", CONV, {"group_size": 8}),
    ("ConvTranspose2d", CONV, {"group_size": -1}),
]


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize(("layer", "shape", "options"), CASES, ids=lambda value: str(value))
def test_numbers_of_the_package_to_the_bit(
    sdnq: Any, tmp_path: Path, layer: str, shape: tuple[int, ...], options: dict[str, Any], bits: int
) -> None:
    weights = torch.randn(shape, generator=torch.Generator().manual_seed(bits))
    kinds = [f"uint{bits}"] if options.get("use_codebook") else [f"uint{bits}", f"int{bits}"]
    for kind in kinds:
        theirs = _written(sdnq, tmp_path, layer, weights, weights_dtype=kind, **options)
        with open_stored(tmp_path) as found:
            (weight,) = found.weights
            decoded = weight.decoded(shape)
        assert torch.equal(decoded.weights, theirs), kind
        assert weight.count == weights.numel()
        if options.get("use_codebook"):
            assert decoded.tables is not None
            rows = decoded.tables.rows(theirs.numpy())
            assert max(len(np.unique(row)) for row in rows) <= 2**bits == decoded.tables.num_levels
            # The control: a row of the other axis meets more levels than a table has.
            if options["group_size"] == -1 and bits < 4:
                other = np.moveaxis(theirs.numpy(), 0 if layer != "ConvTranspose2d" else 1, -1)
                assert max(len(np.unique(row)) for row in other.reshape(-1, other.shape[-1])) > 2**bits


@pytest.mark.deep
def test_a_network_that_diffusers_saved(sdnq: Any, tmp_path: Path) -> None:
    """Each weight of a U-Net under tables, as SDNQ quantizes it and diffusers writes it, to the bit."""
    diffusers = pytest.importorskip("diffusers")
    net = diffusers.UNet2DModel(
        sample_size=8, block_out_channels=(32, 32), down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"), layers_per_block=1, norm_num_groups=8,
    )  # fmt: skip
    net.save_pretrained(tmp_path / "net")
    original = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    small = sdnq.sdnq_post_load_quant(
        net, weights_dtype="uint4", use_codebook=True, group_size=-1, quant_conv=True
    )
    small = small[0] if isinstance(small, tuple) else small
    small.save_pretrained(tmp_path / "small")
    modules = {f"{name}.weight": m for name, m in small.named_modules() if hasattr(m, "sdnq_dequantizer")}
    with open_stored(tmp_path / "small") as found:
        quantized = {weight.name: weight for weight in found.weights if not weight.plain}
        assert quantized.keys() == modules.keys()
        assert len(modules) >= 4
        for name, module in modules.items():
            theirs = module.sdnq_dequantizer(module.weight, module.scale, skip_compile=True)
            assert torch.equal(quantized[name].decoded(original[name]).weights, theirs), name
    score = compare(tmp_path / "net", tmp_path / "small", best=False)
    assert (score.totals.over_own or 0.0) > 1.1  # 24 Lloyd steps from equal steps
    assert score.totals.own_layers == len(modules)


def test_transposed_codes_of_a_quantized_product(sdnq: Any, tmp_path: Path) -> None:
    weights = torch.randn((48, 64), generator=torch.Generator().manual_seed(0))
    options = {"weights_dtype": "int8", "group_size": -1, "use_quantized_matmul": True}
    dequantizer, arrays = sdnq.sdnq_quantize_layer_weight(weights, "Linear", **options)
    if tuple(arrays["weight"].shape) != (64, 48):
        pytest.skip("this version does not transpose")
    theirs = _written(sdnq, tmp_path, "Linear", weights, **options)
    with open_stored(tmp_path) as found:
        ours = found.weights[0].decoded((48, 64)).weights
    direct = dequantizer(**arrays, skip_quantized_matmul=True, skip_compile=True)
    assert torch.equal(ours, direct)
    assert theirs.shape != ours.shape or torch.equal(theirs, ours) or torch.equal(theirs.t(), ours)


def test_float8_with_a_scale_a_row(sdnq: Any, tmp_path: Path) -> None:
    weights = torch.randn(LINEAR, generator=torch.Generator().manual_seed(0))
    theirs = _written(sdnq, tmp_path, "Linear", weights, weights_dtype="float8_e4m3fn", group_size=-1)
    with open_stored(tmp_path) as found:
        assert torch.equal(found.weights[0].decoded(LINEAR).weights, theirs)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights_dtype": "int4", "use_svd": True, "svd_rank": 4}, "svd_up"),
        ({"weights_dtype": "int4", "use_hadamard": True}, "rotated"),
        ({"weights_dtype": "float4_e2m1fn"}, "float4"),
    ],
    ids=["svd", "hadamard", "float"],
)
def test_kinds_that_are_not_read_are_named(
    sdnq: Any, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    weights = torch.randn(LINEAR, generator=torch.Generator().manual_seed(0))
    _written(sdnq, tmp_path, "Linear", weights, group_size=-1, **options)
    with pytest.raises(CheckpointError, match=words), open_stored(tmp_path):
        pass


def test_scales_that_belong_to_no_such_weights_are_refused(sdnq: Any, tmp_path: Path) -> None:
    weights = torch.randn(LINEAR, generator=torch.Generator().manual_seed(0))
    _written(sdnq, tmp_path, "Linear", weights, weights_dtype="uint4", use_codebook=True, group_size=-1)
    with open_stored(tmp_path) as found, pytest.raises(CheckpointError, match="do not belong"):
        found.weights[0].decoded((32, 48))


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7])
def test_codes_packed_by_hand(bits: int) -> None:
    """The low bits of a record's bytes are its first codes; together the codes are all bits of the record."""
    size = {3: 3, 5: 5, 6: 3, 7: 7}.get(bits, 1)
    data = torch.randint(0, 256, (40, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    codes = unpacked(data, bits, data.numel() * 8 // bits).reshape(40, -1)
    assert int(codes.max()) < 2**bits
    if size > 1:
        assert torch.equal(codes[:, :size], data & (2**bits - 1))
    ones = torch.stack([(data >> k) & 1 for k in range(8)]).sum()
    assert torch.stack([(codes >> k) & 1 for k in range(bits)]).sum() == ones
    with pytest.raises(CheckpointError, match="they are not"):
        unpacked(data, bits, 7)
