"""SDNQ folders: loaded by diffusers with SDNQ, equal to the bit, sampled once, below SDNQ's own error."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from fmq_theory.checkpoint.exports import export_sdnq
from fmq_theory.checkpoint.exports.architecture import Architecture
from fmq_theory.checkpoint.exports.sdnq_packing import codes_of_a_record, packed
from fmq_theory.checkpoint.foreign.files import open_stored
from fmq_theory.checkpoint.foreign.sdnq_codes import unpacked
from fmq_theory.cli.main import main
from fmq_theory.errors import CheckpointError, OutputError, SchemeError, WeightsError

pytestmark = pytest.mark.filterwarnings("ignore")  # of diffusers' and SDNQ's own use of torch
os.environ.setdefault("SDNQ_USE_TORCH_COMPILE", "0")

NAME = "diffusion_pytorch_model.safetensors"


@pytest.mark.parametrize("bits", range(1, 9))
def test_packing_is_the_inverse_of_the_reader_and_equal_to_the_packages(bits: int) -> None:
    codes = np.random.default_rng(bits).integers(0, 2**bits, (5, 8, 3), dtype=np.uint8)
    assert codes.size % codes_of_a_record(bits) == 0
    if bits == 8:
        assert np.array_equal(packed(codes, bits), codes)
        return
    stored = packed(codes, bits)
    assert np.array_equal(unpacked(torch.from_numpy(stored), bits, codes.size).numpy(), codes.ravel())
    sdnq = pytest.importorskip("sdnq.packed_int", reason="sdnq is not installed")
    theirs = sdnq.pack_int(torch.from_numpy(codes), f"uint{bits}").numpy()
    assert stored.shape == theirs.shape
    assert np.array_equal(stored, theirs)


def unet() -> Any:
    diffusers = pytest.importorskip(
        "diffusers", reason="diffusers, which builds the models, is not installed"
    )
    torch.manual_seed(0)
    return diffusers.UNet2DModel(
        sample_size=8, block_out_channels=(32, 64), down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"), layers_per_block=1, norm_num_groups=8,
    )  # fmt: skip


def dit() -> Any:
    diffusers = pytest.importorskip(
        "diffusers", reason="diffusers, which builds the models, is not installed"
    )
    torch.manual_seed(0)
    return diffusers.DiTTransformer2DModel(
        num_attention_heads=4, attention_head_dim=16, in_channels=4, out_channels=4, num_layers=2,
        sample_size=8, patch_size=2, num_embeds_ada_norm=10,
    )  # fmt: skip


def saved(net: Any, folder: Path) -> dict[str, Any]:
    net.save_pretrained(folder)
    return json.loads((folder / "config.json").read_text("utf-8"))


CASES = [(4, "tensor"), (3, "tensor"), (2, "channel"), (8, "tensor"), (1, "channel")]


@pytest.mark.parametrize("make", [unet, dit])
@pytest.mark.parametrize(("bits", "granularity"), CASES)
def test_diffusers_loads_it_and_has_our_numbers(
    make: Any, tmp_path: Path, bits: int, granularity: str
) -> None:
    pytest.importorskip("sdnq", reason="sdnq, which diffusers loads it with, is not installed")
    net = make()
    config = saved(net, tmp_path / "net")
    out = export_sdnq(tmp_path / "net", tmp_path / "out", config, bits=bits, granularity=granularity)
    original = {name: tensor.detach() for name, tensor in net.state_dict().items()}
    loaded = type(net).from_pretrained(tmp_path / "out")
    modules = {f"{n}.weight": m for n, m in loaded.named_modules() if hasattr(m, "sdnq_dequantizer")}
    assert modules.keys() == set(out.quantized)
    assert len(modules) > 10
    error = energy = 0.0
    stored = load_file(tmp_path / "out" / NAME)
    with open_stored(tmp_path / "out") as found:
        ours = {weight.name: weight for weight in found.weights if not weight.plain}
        for name, module in modules.items():
            theirs = module.sdnq_dequantizer(module.weight, module.scale, skip_compile=True)
            assert torch.equal(ours[name].decoded(tuple(original[name].shape)).weights, theirs), name
            error += float((theirs.double() - original[name].double()).square().sum())
            energy += float(original[name].double().square().sum())
    assert error / energy == pytest.approx(out.relative_error, rel=1e-9)
    for name, tensor in original.items():
        if name not in modules:
            assert torch.equal(stored[name], tensor), name
    size = sum(
        8 * stored[n].numel() + 32 * stored[n.removesuffix("weight") + "scale"].numel() for n in modules
    )
    assert size / sum(original[n].numel() for n in modules) == pytest.approx(out.bits_per_weight, rel=1e-12)
    assert out.num_bytes == (tmp_path / "out" / NAME).stat().st_size < out.original_bytes
    sample = torch.randn((1, net.config.in_channels, 8, 8), generator=torch.Generator().manual_seed(1))
    step = torch.tensor([3])
    labels = {"class_labels": torch.tensor([1])} if make is dit else {}
    dense = make()
    dense.load_state_dict(original)
    with torch.no_grad():
        for name, module in modules.items():
            dense.get_parameter(name).copy_(
                module.sdnq_dequantizer(module.weight, module.scale, skip_compile=True)
            )
        expected = dense.eval()(sample, step, **labels).sample
        result = loaded.eval()(sample, step, **labels).sample
        control = net.eval()(sample, step, **labels).sample
    assert torch.allclose(result, expected, rtol=1e-4, atol=1e-5)
    assert bits == 8 or not torch.allclose(control, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_error_is_below_that_of_sdnq_at_the_same_layout(tmp_path: Path, bits: int) -> None:
    """A table a tensor, whose optimum is proven: 24 Lloyd steps from equal steps are never better."""
    sdnq = pytest.importorskip("sdnq.quantizer", reason="sdnq, with which it is compared, is not installed")

    net = dit()
    config = saved(net, tmp_path / "net")
    out = export_sdnq(tmp_path / "net", tmp_path / "out", config, bits=bits, granularity="tensor")
    for name in out.quantized:
        weights = net.get_parameter(name).detach()
        kind = type(net.get_submodule(name.removesuffix(".weight"))).__name__
        dequantizer, arrays = sdnq.sdnq_quantize_layer_weight(
            weights, kind, weights_dtype=f"uint{bits}", use_codebook=True, group_size=-2
        )
        theirs = (dequantizer(**arrays, skip_compile=True) - weights).double().square().sum()
        with open_stored(tmp_path / "out") as found:
            (ours,) = [weight for weight in found.weights if weight.name == name]
            error = (ours.decoded(tuple(weights.shape)).weights - weights).double().square().sum()
        assert error <= theirs * (1 + 1e-6), name


def test_tables_that_cost_more_than_a_bit_are_one(tmp_path: Path) -> None:
    config = saved(dit(), tmp_path / "net")
    out = export_sdnq(tmp_path / "net", tmp_path / "out", config, bits=4)
    assert out.one_table  # rows of 64 weights: 8 bits a weight for tables
    assert "transformer_blocks.0.attn1.to_q.weight" in out.one_table
    two = export_sdnq(tmp_path / "net", tmp_path / "two", config, bits=1)
    assert "transformer_blocks.0.attn1.to_q.weight" not in two.one_table
    assert two.bits_per_weight <= 1 + 1.0


def test_what_the_format_cannot_hold_is_refused_before_writing(tmp_path: Path) -> None:
    config = saved(dit(), tmp_path / "net")
    net, out = tmp_path / "net", tmp_path / "out"
    with pytest.raises(SchemeError, match="choose channel or tensor"):
        export_sdnq(net, out, config, granularity="group")
    with pytest.raises(SchemeError, match="1 to 8"):
        export_sdnq(net, out, config, bits=9)
    with pytest.raises(SchemeError, match="scale for each block"):
        export_sdnq(net, out, config, scheme="block:lloyd_max")
    with pytest.raises(CheckpointError, match="did you mean 'DiTTransformer2DModel'"):
        export_sdnq(net, out, config | {"_class_name": "DiTTransformer2DModle"})
    with pytest.raises(CheckpointError, match="_class_name"):
        export_sdnq(net, out, {})
    with pytest.raises(CheckpointError, match="quantized already"):
        export_sdnq(net, out, config | {"quantization_config": {}})
    with pytest.raises(CheckpointError, match=r"config\.json is that of another model"):
        export_sdnq(net, out, config | {"num_layers": 3})
    with pytest.raises(CheckpointError, match=r"and config\.json says"):
        export_sdnq(net, out, config | {"out_channels": 8})
    with pytest.raises(OutputError, match="name of a file"):
        export_sdnq(net, tmp_path / "out.safetensors", config)
    broken = load_file(net / NAME)
    broken["transformer_blocks.0.attn1.to_q.weight"][0, 0] = float("nan")
    save_file(broken, tmp_path / "broken.safetensors")
    with pytest.raises(WeightsError, match=r"attn1\.to_q"):
        export_sdnq(tmp_path / "broken.safetensors", out, config)
    assert not out.exists()
    assert export_sdnq(net, out, config).path == out / NAME
    with pytest.raises(OutputError, match="not empty"):
        export_sdnq(net, out, config)


def test_names_that_collide_are_refused_before_any_weight_is_quantized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model with a parameter called scale beside a weight: the codebooks would go under its name."""

    class Odd(torch.nn.Linear):
        def __init__(self) -> None:
            super().__init__(64, 64)
            self.scale = torch.nn.Parameter(torch.ones(3))

    Odd.__name__ = "Linear"
    net = torch.nn.Sequential(Odd())
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    found = Architecture({"0.weight": "Linear"}, shapes)
    monkeypatch.setattr("fmq_theory.checkpoint.exports.sdnq.model_of", lambda *_: found)
    monkeypatch.setattr("fmq_theory.checkpoint.exports.sdnq.quantize", pytest.fail)
    with pytest.raises(
        CheckpointError, match=r"'0\.scale'.*tables of '0\.weight' go under its name.*exclude"
    ):
        export_sdnq(tmp_path / "net.safetensors", tmp_path / "out", {"_class_name": "x"})
    assert not (tmp_path / "out").exists()


def test_command(tmp_path: Path) -> None:
    saved(dit(), tmp_path / "net")
    net, out = str(tmp_path / "net"), tmp_path / "out"
    refused = CliRunner().invoke(main, ["export", net, "-o", str(out), "--bits", "3"])
    assert refused.exit_code == 2
    assert "--bits is for --format sdnq" in refused.stderr
    assert not out.exists()
    options = ["--format", "sdnq", "--bits", "3", "--include", "*.attn1.*"]
    done = CliRunner().invoke(main, ["export", net, "-o", str(out), *options])
    assert done.exit_code == 0, done.output
    assert "8 tensors quantized" in done.output
    assert re.search(r"Kept: \S+, \S+, \S+ and \d+ more \(not asked for\)", done.output), done.output
    config = json.loads((out / "config.json").read_text("utf-8"))["quantization_config"]
    assert config["weights_dtype"] == "uint3"
    again = CliRunner().invoke(main, ["export", str(out), "-o", str(tmp_path / "two"), "--format", "sdnq"])
    assert again.exit_code == 2
    assert "it is quantized already; export the original" in again.stderr
