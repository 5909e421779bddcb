"""Layers whose weights stay packed: they compute what dequantized layers compute, in less memory."""

# pyright: reportAttributeAccessIssue=false, reportIndexIssue=false, reportCallIssue=false, reportArgumentType=false
# torch types every attribute of a module as "Tensor | Module".

import copy
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from fmq_theory.checkpoint import (
    QuantizedFile,
    load,
    load_field,
    load_packed,
    quantize_module,
    write_quantized,
)
from fmq_theory.checkpoint.io.packed.tensor import pack
from fmq_theory.checkpoint.modules.decoding import decode_rows, decode_with_torch
from fmq_theory.checkpoint.modules.packed_layers import PACKED, PackedEmbedding, PackedLinear
from fmq_theory.checkpoint.modules.packed_weight import PackedWeight
from fmq_theory.checkpoint.modules.torch_levels import LevelRule
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe, recipes_for
from fmq_theory.errors import CheckpointError, WeightsError
from fmq_theory.flow import TorchField, build_model, load_digits, quantize_field, sample
from fmq_theory.quantizers import quantize
from fmq_theory.quantizers.block_scaled import quantize_blocks
from tests.corpus.tensors import same_states

LAYERS = {
    "linear": (lambda: nn.Linear(48, 24), (5, 48)),
    "without bias": (lambda: nn.Linear(48, 24, bias=False), (5, 48)),
    "conv1d": (lambda: nn.Conv1d(8, 8, 3, padding=1, padding_mode="circular"), (2, 8, 9)),
    "conv2d": (lambda: nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=2), (2, 8, 9, 9)),
    "conv3d": (lambda: nn.Conv3d(2, 4, 3, dilation=2), (1, 2, 7, 7, 7)),
    "transposed1d": (lambda: nn.ConvTranspose1d(4, 8, 3, stride=2, output_padding=1), (2, 4, 9)),
    "transposed2d": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2), (2, 4, 9, 9)),
    "transposed3d": (lambda: nn.ConvTranspose3d(2, 4, 3), (1, 2, 5, 5, 5)),
}
RECIPES = [
    ("lloyd_max", 4, "channel", None),
    ("lloyd_max", 3, "tensor", None),
    ("uniform", 5, "channel", None),
    ("nf4", 4, "group", 6),
    ("log2", 4, "channel", None),
    ("block:lloyd_max:float8_e4m3", 3, "group", 6),
    ("block:lloyd_max", 4, "group", 3),
]


def resident_bytes(module: nn.Module) -> int:
    """Bytes of all parameters and buffers, each counted once."""
    tensors = {id(t): t for t in (*module.parameters(), *module.buffers())}
    return sum(tensor.nbytes for tensor in tensors.values())


def _net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Embedding(30, 24),
        nn.Linear(24, 48),
        nn.LayerNorm(48),
        nn.Sequential(nn.GELU(), nn.Linear(48, 36, bias=False)),
    )


def _dequantized(layer: nn.Module, recipe: tuple[str, int, str, int | None]) -> Tensor:
    scheme, bits, granularity, group_size = recipe
    weight = layer.get_parameter("weight").detach()
    if scheme.startswith("block:"):
        found = quantize_blocks(weight, scheme, bits, group_size=group_size or 0)
    else:
        found = quantize(weight, scheme, bits, granularity, group_size=group_size)
    return torch.from_numpy(np.array(found.dequantize()))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r[0]}-{r[1]}-{r[2]}")
@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_computes_what_the_dequantized_layer_does(kind: str, recipe) -> None:
    make, shape = LAYERS[kind]
    torch.manual_seed(1)
    layer = make()
    plain = copy.deepcopy(layer)
    with torch.no_grad():
        plain.get_parameter("weight").copy_(_dequantized(layer, recipe))
    x = torch.randn(*shape)
    before = layer(x)
    packed = quantize_module(layer, recipe[0], recipe[1], recipe[2], recipe[3])
    assert isinstance(packed, type(layer))
    assert type(packed) is PACKED[type(layer)]
    assert torch.equal(packed(x), plain(x))
    assert not torch.equal(packed(x), before)  # control: quantizing changed something


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r[0]}-{r[1]}-{r[2]}")
def test_an_embedding_dequantizes_only_the_rows_it_needs(recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    layer = nn.Embedding(50, 36, padding_idx=3)
    wanted = _dequantized(layer, recipe)
    packed = quantize_module(layer, recipe[0], recipe[1], recipe[2], recipe[3])
    index = torch.tensor([[3, 0, 49], [7, 7, 3]])
    assert isinstance(packed, PackedEmbedding)
    assert torch.equal(packed(index), functional.embedding(index, wanted))
    assert torch.equal(packed.weight, wanted)
    assert packed(index[:0]).shape == (0, 3, 36)
    if recipe[2] != "tensor":
        monkeypatch.setattr(PackedWeight, "dequantize", None)
        assert torch.equal(packed(index), functional.embedding(index, wanted))
    with pytest.raises((IndexError, RuntimeError)):
        packed(torch.tensor([50]))


def test_a_whole_network_by_one_scheme_and_by_a_plan() -> None:
    x = torch.tensor([[1, 2], [29, 0]])
    plan = [
        Recipe("0.weight", Choice("nf4", 4, "group", 12)),
        Recipe("3.1.weight", Choice("uniform", 6, "channel")),
    ]
    net, same = _net(), _net()
    by_plan = quantize_module(net, plan=plan)
    assert by_plan is net
    with torch.no_grad():
        for name, recipe in (("0", ("nf4", 4, "group", 12)), ("3.1", ("uniform", 6, "channel", None))):
            layer = same.get_submodule(name)
            layer.get_parameter("weight").copy_(_dequantized(layer, recipe))
    assert torch.equal(net(x), same(x))
    assert type(net.get_submodule("1")) is nn.Linear  # not in the plan
    everything = quantize_module(_net(), exclude=["0.*"])
    assert type(everything.get_submodule("0")) is nn.Embedding
    assert type(everything.get_submodule("3.1")) is PackedLinear
    assert not everything.get_submodule("3.1").state_dict().keys() & {"weight"}


def test_what_reads_the_weight_goes_on_working() -> None:
    packed = quantize_module(nn.Linear(48, 24))
    assert packed.weight.shape == (24, 48)
    assert packed.weight.dtype == torch.float32
    assert "24, 48" in repr(packed)
    assert "lloyd_max" in repr(packed)
    weight = torch.as_tensor(packed.weight)
    assert torch.equal(functional.linear(torch.eye(48), weight), weight.t())


def test_a_shared_weight_stays_shared() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(40, 24)
            self.head = nn.Linear(24, 40, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.embed(x))

    net = Tied()
    before = resident_bytes(net)
    quantize_module(net, "nf4")
    assert net.embed.get_submodule("packed_weight") is net.head.get_submodule("packed_weight")
    assert resident_bytes(net) < before / 2
    assert torch.equal(net.embed.weight, net.head.weight)


# --- round trips ---------------------------------------------------------------------------------------


def test_state_dict_round_trip() -> None:
    net, x = quantize_module(_net(0)), torch.tensor([[1, 2, 3]])
    state = net.state_dict()
    assert {"1.weight.codes", "1.weight.codebook", "1.bias"} <= state.keys()
    other = quantize_module(_net(5))
    assert not torch.equal(other(x), net(x))
    other.load_state_dict(state)
    assert torch.equal(other(x), net(x))
    for key in ("1.weight.codes", "1.bias"):
        with pytest.raises(RuntimeError, match="Missing key"):
            other.load_state_dict({k: v for k, v in state.items() if k != key})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        other.load_state_dict(state | {"1.weight": torch.ones(2)})
    called = torch.func.functional_call(net, dict(other.named_buffers()), (x,))
    assert torch.equal(called, net(x))
    buffer = io.BytesIO()
    torch.save(net, buffer)
    buffer.seek(0)
    again = torch.load(buffer, weights_only=False)
    assert torch.equal(again(x), net(x))
    assert torch.equal(copy.deepcopy(net)(x), net(x))


def _files(folder: Path, seed: int = 0) -> Path:
    net = _net(seed)
    save_file(net.state_dict(), folder / "in.safetensors")
    plan = [
        Recipe("0.weight", Choice("lloyd_max", 3, "channel")),
        Recipe("1.weight", Choice("nf4", 4, "group", 12)),
        Recipe("3.1.weight", Choice("block:lloyd_max", 4, "group", 24)),
    ]
    write_quantized(folder / "in.safetensors", folder / "q.safetensors", plan)
    return folder / "q.safetensors"


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_quantized_file_into_packed_layers(tmp_path: Path, device: str) -> None:
    path, plain, x = _files(tmp_path), _net(3), torch.tensor([[1, 2, 3]])
    plain.load_state_dict(load(path))
    with torch.device(device):
        net = _net(7)
    packed = load_packed(net, path)
    assert torch.equal(packed(x), plain(x))
    # Its state is what the file holds, array by array.
    state = packed.state_dict()
    with QuantizedFile(path) as file:
        stored = {name: file.dequantize(name) for name in file.names if name not in file.quantized}
        for name in file.quantized:
            found = file.packed(name)
            stored[f"{name}.codes"] = torch.from_numpy(np.array(found.codes))
            stored[f"{name}.codebook"] = torch.from_numpy(found.codebook)
            if found.scales is not None:
                stored[f"{name}.scales"] = found.scales.numbers
                stored[f"{name}.scale_unit"] = torch.tensor(found.scales.unit)
    assert same_states(state, stored)


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = _files(tmp_path)
    with pytest.raises(CheckpointError, match="lacks 5 of its own"):
        load_packed(nn.Sequential(nn.Embedding(30, 24)), path)
    wide = _net()
    wide[1] = nn.Linear(24, 49)  # type: ignore[operator]
    with pytest.raises(CheckpointError, match=r"'1\.weight'.*\[48, 24\].*\[49, 24\]"):
        load_packed(wide, path)
    only = load_packed(nn.Sequential(nn.Embedding(30, 24)), path, strict=False)
    assert torch.equal(only(torch.tensor([4]))[0], load(path)["0.weight"][4])


def test_refusals() -> None:
    with pytest.raises(CheckpointError, match=r"no layer .* has a weight of that name"):
        quantize_module(_net(), plan=[Recipe("2.weight", Choice("nf4", 4, "tensor"))])
    with pytest.raises(CheckpointError, match="no weight that is quantized"):
        quantize_module(nn.LayerNorm(3))
    with pytest.raises(WeightsError, match=r"group size 7: it does not divide .*'0\.weight' has 24"):
        quantize_module(_net(), "nf4", group_size=7, granularity="group")
    bad = nn.Linear(20, 20)
    with torch.no_grad():
        bad.weight[0, 0] = float("nan")
    with pytest.raises(WeightsError, match="'weight': 1 of its numbers are nan and 0 are infinite"):
        quantize_module(bad)
    with pytest.raises(CheckpointError):  # max_norm changes the weight on use: left as it is
        quantize_module(nn.Embedding(30, 24, max_norm=1.0))


@pytest.mark.deep
def test_the_same_pictures_as_from_the_dequantized_model(tmp_path: Path) -> None:
    """The bundled digits at 4 bits: in memory, from the file by any reader, and packed."""
    model, factory = load_digits(), "fmq_theory.flow.digits:build"
    save_file(model.module.state_dict(), tmp_path / "digits.safetensors")
    recipes, _ = recipes_for(tmp_path / "digits.safetensors", Choice("lloyd_max", 4, "tensor"))
    write_quantized(tmp_path / "digits.safetensors", tmp_path / "q", recipes)
    names = {recipe.name for recipe in recipes}

    def pictures(field: TorchField) -> Tensor:
        return sample(field, model.noise(4, torch.Generator().manual_seed(2)), 3, "euler").end

    whole = model.field(4, torch.Generator().manual_seed(1))
    wanted = pictures(
        quantize_field(whole, "lloyd_max", 4, "tensor", include=lambda name, _: name in names).field
    )
    again = load_field(tmp_path / "q", factory, 4, seed=1)
    assert torch.equal(pictures(again), wanted)
    packed = load_packed(build_model(factory).module, tmp_path / "q")
    assert torch.equal(pictures(TorchField.of(packed, (1, 8, 8), whole.condition)), wanted)
    assert not torch.equal(pictures(whole), wanted)  # control


# --- types and devices ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_conversion_changes_the_type_of_the_weights_and_not_what_is_stored(dtype: torch.dtype) -> None:
    net = quantize_module(nn.Linear(48, 24), "block:lloyd_max", 4, "group", 24)
    plain = nn.Linear(48, 24)
    plain.load_state_dict({"weight": net.weight, "bias": net.bias})
    stored = {k: v.clone() for k, v in net.state_dict().items() if k != "bias"}
    net.to(dtype)
    plain.to(dtype)
    x = torch.randn(3, 48, dtype=dtype)
    assert net(x).dtype == dtype
    assert torch.equal(net(x), plain(x))
    assert all(torch.equal(net.state_dict()[k], v) for k, v in stored.items())


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("shape", [(5, 7), (3, 4, 5), (11,)])
def test_the_decoder_of_other_devices_agrees(bits: int, shape: tuple[int, ...]) -> None:
    weights = torch.randn(*shape, generator=torch.Generator().manual_seed(bits))
    packed = pack(quantize(weights, "lloyd_max", bits, axis=-1 if len(shape) == 3 else 0), "F32")
    wanted = torch.from_numpy(packed.layout.rows(packed.dequantize().numpy()))
    codes, levels = torch.from_numpy(packed.codes), torch.from_numpy(packed.levels())
    rule = LevelRule.named("levels", bits)
    for decode in (decode_with_torch, decode_rows):
        assert torch.equal(decode(codes, levels, None, rule, packed.columns), wanted)
        if bits > 1:
            changed = codes.clone()
            changed[0, 0] ^= 1
            assert not torch.equal(decode(changed, levels, None, rule, packed.columns), wanted)  # control


def test_the_decoder_of_other_devices_agrees_with_scales() -> None:
    weights = torch.randn(6, 48, generator=torch.Generator().manual_seed(1))
    packed = pack(quantize_blocks(weights, bits=3, group_size=12), "F32")
    codes, levels = torch.from_numpy(packed.codes), torch.tensor(packed.codebook)
    rule = LevelRule.named("levels", 3)
    assert packed.scales is not None
    scales = torch.from_numpy(packed.scales.values()[:, 0])
    for decode in (decode_with_torch, decode_rows):
        found = decode(codes, levels, scales, rule, 12)
        assert torch.equal(found.reshape(6, 48), packed.dequantize())
        assert not torch.equal(decode(codes, levels, -scales, rule, 12).reshape(6, 48), found)  # control


# --- memory --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "most"), [(4, 0.14), (2, 0.075)])
def test_parameters_and_buffers_take_what_the_codes_take(bits: int, most: float) -> None:
    net = nn.Sequential(*(nn.Linear(512, 512) for _ in range(3)))
    before = resident_bytes(net)
    assert before == 3 * 4 * (512 * 512 + 512)
    quantize_module(net, "nf4" if bits == 4 else "uniform", bits)
    assert resident_bytes(net) < most * before


_RSS = """
import ctypes, gc, sys, torch
from torch import nn
from fmq_theory.checkpoint import load_into, load_packed, quantize_module
def rss():
    gc.collect(); ctypes.CDLL("libc.so.6").malloc_trim(0)
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmRSS")) / 1024
def net(device):
    with torch.device(device):
        return nn.Sequential(*(nn.Linear(2048, 2048, bias=False) for _ in range(16)))
path, way = sys.argv[1:]
x = torch.ones(1, 2048)
net("cpu")[:1](x)
quantize_module(nn.Linear(64, 64), "nf4")(torch.ones(1, 64))
start = rss()
model = load_packed(net("meta"), path) if way == "packed" else net("cpu")
if way != "packed":
    load_into(model, path)
y = model(x)
print(rss() - start, float(y.double().sum()))
"""


@pytest.mark.deep
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_resident_memory_really_falls(tmp_path: Path) -> None:
    """256 MiB of weights in float32 are 32 MiB of codes; the process is that much smaller."""
    torch.manual_seed(0)
    state = {f"{i}.weight": torch.randn(2048, 2048) / 45 for i in range(16)}
    save_file(state, tmp_path / "in.safetensors")
    plan = [Recipe(name, Choice("nf4", 4, "channel")) for name in state]
    write_quantized(tmp_path / "in.safetensors", tmp_path / "q.safetensors", plan)
    found = {}
    for way in ("packed", "whole"):
        command = [sys.executable, "-c", _RSS, str(tmp_path / "q.safetensors"), way]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
        found[way] = [float(word) for word in done.stdout.split()]
    assert found["packed"][1] == found["whole"][1]
    assert found["whole"][0] > 250
    assert found["packed"][0] < 32 + 40  # and a layer or two that were dequantized last
