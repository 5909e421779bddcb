"""Layers and tensors that are unlike others: each is packed right, or refused by name and left as it was."""

# pyright: reportAttributeAccessIssue=false, reportIndexIssue=false, reportCallIssue=false, reportArgumentType=false
# torch types every attribute of a module as "Tensor | Module".

import copy
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from fmq_theory.checkpoint import (
    QuantizedFile,
    load,
    load_into,
    load_packed,
    quantize_module,
    save_packed,
    write_quantized,
)
from fmq_theory.checkpoint.modules.packable import PACKABLE
from fmq_theory.checkpoint.modules.packed_layers import PACKED, PackedLinear
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe, recipes_for
from fmq_theory.errors import CheckpointError, FmqError, WeightsError
from fmq_theory.quantizers import quantize
from fmq_theory.quantizers.block_scaled import quantize_blocks
from fmq_theory.sources import Empirical


def _pruned(layer: nn.Module) -> nn.Module:
    prune.l1_unstructured(layer, "weight", 0.5)
    return layer


MADE: dict[str, Callable[[nn.Module], nn.Module]] = {
    "weight_norm": nn.utils.weight_norm,
    "spectral_norm": nn.utils.spectral_norm,
    "pruned": _pruned,
    "parametrized weight norm": parametrizations.weight_norm,
    "parametrized spectral norm": parametrizations.spectral_norm,
    "parametrized twice": lambda layer: parametrizations.spectral_norm(parametrizations.weight_norm(layer)),
    "parametrized bias": lambda layer: parametrizations.weight_norm(
        parametrizations.weight_norm(layer), "bias"
    ),
}


def _net() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 48), nn.GELU(), nn.Linear(48, 32))


def _weight(weight: Tensor) -> Any:
    layer = nn.Linear(8, 8)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return layer


def _quantized(net: nn.Module, folder: Path) -> Path:
    save_file(
        {name: tensor.contiguous() for name, tensor in net.state_dict().items()}, folder / "m.safetensors"
    )
    recipes, _ = recipes_for(folder / "m.safetensors", Choice("lloyd_max", 3, "channel"))
    write_quantized(folder / "m.safetensors", folder / "q.safetensors", recipes, overwrite=True)
    return folder / "q.safetensors"


def test_the_kinds_are_the_same_in_both_lists() -> None:
    assert tuple(PACKED) == tuple(PACKABLE)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("made", MADE)
def test_a_weight_that_is_made_of_others_is_packed_as_what_it_is(made: str, mode: bool) -> None:
    net = nn.Sequential(*_net(), MADE[made](nn.Linear(32, 48))).train(mode)
    x = torch.randn(2, 64)
    net.eval()(x)
    plain = nn.Linear(32, 48)
    with torch.no_grad():
        plain.weight.copy_(net[3].weight.clone())
        plain.bias.copy_(net[3].bias.clone())
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    layer, bad = net.train(mode)[3], net[2].weight.clone()
    with torch.no_grad():
        net[2].weight[0, 0] = math.nan
    with pytest.raises(WeightsError, match=r"'2\.weight'"):
        quantize_module(net)
    assert net[3] is layer  # a refusal leaves what the layer was
    with torch.no_grad():
        net[2].weight.copy_(bad)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    packed: Any = quantize_module(net, bits=3)[3]
    assert type(packed) is PackedLinear
    assert sorted(dict(packed.named_parameters())) == ["bias"]
    wanted = quantize_module(plain, bits=3)
    assert torch.equal(packed.weight, wanted.weight)
    assert torch.equal(packed(x[:, :32]), wanted(x[:, :32]))
    assert net(x).shape == (2, 48)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("made", MADE)
def test_a_made_weight_goes_through_a_file(made: str, tmp_path: Path) -> None:
    def build() -> nn.Module:
        return nn.Sequential(*_net(), MADE[made](nn.Linear(32, 48)))

    net, x = quantize_module(build(), "nf4"), torch.randn(2, 64)
    save_packed(net, tmp_path / "q.safetensors")
    again = load_packed(build(), tmp_path / "q.safetensors")
    assert torch.equal(again(x), net(x))
    assert not torch.equal(build()(x), net(x))  # control
    other = build()
    with pytest.raises(CheckpointError):
        load_packed(nn.Sequential(other, nn.Linear(3, 3)), tmp_path / "q.safetensors")
    assert type(other[3]) is not nn.Linear or "weight" not in dict(other[3].named_parameters())


def test_no_layer_is_packed_where_a_later_one_is_refused() -> None:
    net = _net()
    with torch.no_grad():
        net.get_parameter("2.weight")[0, 0] = math.inf
    with pytest.raises(WeightsError, match=r"'2\.weight'"):
        quantize_module(net)
    assert [type(layer) for layer in net] == [nn.Linear, nn.GELU, nn.Linear]


NUMBERS = torch.randn(8, 8, generator=torch.Generator().manual_seed(1))
TWO_BITS = [Recipe("weight", Choice("lloyd_max", 2))]  # a plan is followed where nothing becomes smaller
REFUSED: dict[str, Callable[[], Tensor]] = {
    "sparse": NUMBERS.to_sparse,
    "csr": NUMBERS.to_sparse_csr,
    "quantized": lambda: torch.quantize_per_tensor(NUMBERS, 0.1, 0, torch.qint8),
    "meta": lambda: NUMBERS.to("meta"),
    "complex": lambda: NUMBERS.to(torch.complex64),
    "conjugate": lambda: NUMBERS.to(torch.complex64).conj(),
    "nested": lambda: torch.nested.nested_tensor([NUMBERS, NUMBERS]),
    "empty": lambda: NUMBERS[:0],
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", REFUSED)
def test_tensors_without_real_numbers_are_refused_by_every_call(kind: str) -> None:
    tensor = REFUSED[kind]()
    layer = _weight(tensor)
    for call in (
        lambda: quantize(tensor),
        lambda: quantize(tensor, "uniform", 2, "tensor"),
        lambda: quantize_blocks(tensor, group_size=4),
        lambda: Empirical(tensor),
        lambda: quantize_module(layer),
    ):
        with pytest.raises(FmqError, match=r"^(weights|tensor 'weight')"):
            call()
    assert type(layer) is nn.Linear


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("size", [8, 256])
def test_a_negated_view_is_its_numbers(dtype: torch.dtype, size: int) -> None:
    plain = torch.randn(size, size, generator=torch.Generator().manual_seed(2)).to(dtype)
    lazy = cast("Any", torch)._neg_view(plain)  # what z.conj().imag is
    for granularity in ("channel", "tensor"):
        assert (
            quantize(lazy, "uniform", 3, granularity).dequantize()
            == quantize(-plain, "uniform", 3, granularity).dequantize()
        ).all()
    left: Any = quantize_module(_weight(lazy), plan=TWO_BITS)
    right: Any = quantize_module(_weight(-plain), plan=TWO_BITS)
    assert torch.equal(left.weight, right.weight)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16, torch.float64])
def test_narrow_and_wide_types_are_packed_and_keep_their_type(dtype: torch.dtype) -> None:
    packed: Any = quantize_module(_weight(NUMBERS.to(dtype)), plan=TWO_BITS)
    assert packed.weight.dtype == dtype
    assert all(len(set(row)) <= 4 for row in packed.weight.double().tolist())


@pytest.mark.parametrize("index", [[-1], [0, -30], [30], [0, 1, 2**40]])
def test_an_embedding_refuses_what_torch_refuses(index: list[int]) -> None:
    layer = nn.Embedding(30, 24)
    packed: Any = quantize_module(copy.deepcopy(layer), bits=2)
    for each in (layer, packed):
        with pytest.raises(IndexError):
            each(torch.tensor(index))
    assert packed(torch.tensor([0, 29], dtype=torch.int32)).shape == (2, 24)  # control
    with pytest.raises(RuntimeError):
        packed(torch.tensor([0.0]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_module_keeps_its_type(dtype: torch.dtype, tmp_path: Path) -> None:
    path, x = _quantized(_net(), tmp_path), torch.randn(2, 64).to(dtype)
    plain, packed = _net().to(dtype), _net().to(dtype)
    load_into(plain, path)
    load_packed(packed, path)
    assert isinstance(packed[0], PackedLinear)
    assert packed[0].weight.dtype == dtype
    assert torch.equal(packed(x), plain(x))
    with torch.device("meta"):
        empty = _net()
    filled: Any = load_packed(empty, path)
    assert filled[0].weight.dtype == torch.float32  # control: no numbers, the file's type


def _wrapped(net: nn.Module) -> Any:
    outer = nn.Module()
    outer.module = net
    return outer


class _Compiled(nn.Module):
    """What torch.compile returns, as far as names go."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self._orig_mod = net


@pytest.mark.parametrize("read", [load_into, load_packed])
@pytest.mark.parametrize(
    "of_file",
    [lambda n: n, _wrapped, _Compiled, lambda n: _Compiled(_wrapped(n)), lambda n: nn.ModuleDict({"net": n})],
)
@pytest.mark.parametrize("of_module", [lambda n: n, _wrapped, lambda n: _wrapped(_Compiled(n))])
def test_prefixes_of_wrappers(read, of_file, of_module, tmp_path: Path) -> None:
    path = _quantized(of_file(_net()), tmp_path)
    with torch.no_grad():
        inner = _net()
        for parameter in inner.parameters():
            parameter.zero_()
    report = read(of_module(inner), path)
    wanted = load(path)
    assert torch.equal(inner[0].bias, next(t for n, t in wanted.items() if n.endswith("0.bias")))
    assert torch.equal(inner[2].weight, next(t for n, t in wanted.items() if n.endswith("2.weight")))
    if read is load_into:
        same = list(of_file(_net()).state_dict()) == list(of_module(_net()).state_dict())
        assert bool(report.renamed) != same


def test_prefixes_do_not_hide_what_is_missing(tmp_path: Path) -> None:
    path = _quantized(_wrapped(_net()), tmp_path)
    short = nn.Sequential(nn.Linear(64, 48))
    for strict in (True, False):
        with pytest.raises(CheckpointError, match=r"begin with 'module\.'") as refused:
            load_into(short, path, strict=strict)
        assert "strict=False" not in str(refused.value)
    other = nn.Sequential(nn.Linear(64, 48))
    save_file({"0.weight": torch.ones(48, 64), "x": torch.ones(3)}, tmp_path / "m.safetensors")
    write_quantized(
        tmp_path / "m.safetensors", path, [Recipe("0.weight", Choice("nf4", 4, "tensor"))], overwrite=True
    )
    with pytest.raises(CheckpointError, match="strict=False"):
        load_into(other, path)
    assert load_into(other, path, strict=False).unexpected == ("x",)  # control


@pytest.mark.parametrize("read", [load_into, load_packed])
def test_nothing_is_copied_from_a_file_that_is_damaged_behind(read, tmp_path: Path) -> None:
    path = _quantized(_net(), tmp_path)
    net = _net()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.5)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # the last tensor
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="not those that were written"):
        read(net, path)
    assert [type(layer) for layer in net] == [nn.Linear, nn.GELU, nn.Linear]
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_load_into_refuses_modules_that_cannot_hold_the_numbers(tmp_path: Path) -> None:
    path = _quantized(_net(), tmp_path)
    with torch.device("meta"):
        empty = _net()
    with pytest.raises(CheckpointError, match=r"'0\.weight' of the module.*meta.*load_packed"):
        load_into(empty, path)
    spread = _net()
    spread[2].bias = nn.Parameter(torch.zeros(1).expand(32), requires_grad=False)
    with pytest.raises(CheckpointError, match="share memory"):
        load_into(spread, path)
    whole = _net()
    whole[2].bias = nn.Parameter(torch.zeros(32, dtype=torch.int32), requires_grad=False)
    with pytest.raises(CheckpointError, match="float32 and the module's int32"):
        load_into(whole, path)


def test_a_layer_that_is_there_twice_stays_one() -> None:
    layer = nn.Linear(64, 64)
    net: Any = quantize_module(nn.Sequential(layer, nn.ReLU(), layer))
    assert net[0] is net[2]
    assert isinstance(net[0], PackedLinear)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of what is not traced
def test_packed_modules_are_copied_moved_pickled_hooked_and_compiled() -> None:
    net = _net()
    seen: list[int] = []
    net[0].register_forward_hook(lambda *_: seen.append(1))
    x = torch.randn(3, 64)
    packed: Any = quantize_module(net, bits=3)
    wanted = packed(x)
    assert len(seen) == 1
    assert torch.equal(copy.deepcopy(packed)(x), wanted)
    del packed[0]._forward_hooks  # a lambda cannot be pickled
    packed[0]._forward_hooks = {}
    buffer = io.BytesIO()
    torch.save(packed, buffer)
    buffer.seek(0)
    assert torch.equal(torch.load(buffer, weights_only=False)(x), wanted)
    assert copy.deepcopy(packed).half()(x.half()).dtype == torch.float16
    assert torch.equal(packed.train().eval().to("cpu")(x), wanted)
    assert packed.train().training
    assert torch.equal(torch.compile(packed, backend="eager")(x), wanted)


def test_transformers_and_recurrent_layers_run_after_packing() -> None:
    torch.manual_seed(3)
    for net, x in (
        (nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), torch.randn(2, 5, 32)),
        (nn.Sequential(nn.Linear(32, 32), nn.LSTM(32, 16)), torch.randn(5, 2, 32)),
    ):
        packed: Any = quantize_module(net.eval())
        with torch.no_grad():
            found = packed(x)
        assert torch.isfinite(found[0] if isinstance(found, tuple) else found).all()
    with pytest.raises(CheckpointError, match="no layer of the module"):
        quantize_module(
            nn.Sequential(nn.Linear(32, 32), nn.LSTM(8, 8)),
            plan=[Recipe("weight_ih_l0", Choice("nf4", 4, "tensor"))],
        )


def test_a_plan_fits_a_wrapped_module() -> None:
    plan = [Recipe("0.weight", Choice("nf4", 4, "tensor"))]
    net = _wrapped(_net())
    quantize_module(net, plan=plan)
    assert isinstance(net.get_submodule("module.0"), PackedLinear)


def test_the_file_is_closed_after_a_refusal(tmp_path: Path) -> None:
    path = _quantized(_net(), tmp_path)
    with pytest.raises(CheckpointError):
        load_packed(nn.Linear(2, 2), path)
    with QuantizedFile(path) as file:  # control: it is sound
        assert file.names
