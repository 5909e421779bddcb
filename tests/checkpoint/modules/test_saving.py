"""Networks with packed layers on disk and in memory: what comes back is what was there, to the bit."""

# pyright: reportAttributeAccessIssue=false, reportIndexIssue=false, reportCallIssue=false, reportArgumentType=false
# torch types every attribute of a module as "Tensor | Module".

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import fmq_theory
from fmq_theory.checkpoint import QuantizedFile, load, read_state
from fmq_theory.checkpoint.modules.packed_layers import packed_weights
from fmq_theory.errors import CheckpointError, OutputError
from tests.corpus.tensors import same_states

ASKED: dict[str, dict[str, Any]] = {
    "lloyd": {"bits": 3},
    "spaced": {"scheme": "uniform", "bits": 5},
    "table": {"scheme": "nf4", "group_size": 16},
    "fp4": {"scheme": "fp4"},
    "progression": {"scheme": "log2", "bits": 4},
    "blocks": {"scheme": "block:lloyd_max:float8_e4m3:signed", "bits": 3, "group_size": 16},
    "tensor": {"bits": 4, "granularity": "tensor"},
    "budget": {"budget": 5.0},
}


class _Net(nn.Module):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embed = nn.Embedding(48, 32)
        self.norm = nn.BatchNorm1d(32)
        self.inner = nn.ModuleList([nn.Linear(32, 64), nn.Linear(64, 32)])
        self.head = nn.Linear(32, 48, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("steps", torch.arange(5))
        self.bare = nn.Parameter(torch.randn(3, 4))
        self.same = self.bare

    def forward(self, index: Tensor) -> Tensor:
        x = self.norm(self.embed(index))
        return self.head(self.inner[1](torch.relu(self.inner[0](x))))


INDEX = torch.tensor([1, 2, 47, 0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("asked", ASKED)
def test_a_network_comes_back_to_the_bit(asked: str, dtype: torch.dtype, tmp_path: Path) -> None:
    net = fmq_theory.quantize_module(_Net().to(dtype), **ASKED[asked]).eval()
    path = fmq_theory.save_packed(net, tmp_path / "q.safetensors")
    with torch.device("meta"):
        empty = _Net(1)
    wanted = net(INDEX)
    for fresh in (_Net(1).to(dtype), empty):
        again = fmq_theory.load_packed(fresh, path).eval()
        assert torch.equal(again(INDEX), wanted)
        assert same_states(again.state_dict(), net.state_dict())
        assert again.embed.packed_weight is again.head.packed_weight
    assert not torch.equal(_Net(1).to(dtype).eval()(INDEX), wanted)  # control
    plain = load(path)
    assert torch.equal(plain["embed.weight"], net.embed.weight)
    assert {name: t.dtype for name, t in plain.items()} == {
        n: t.dtype for n, t in _Net().to(dtype).state_dict().items()
    }
    assert same_states(read_state(path), plain)
    with QuantizedFile(path) as file:
        assert file.ties["head.weight"] == "embed.weight"
        assert file.ties["same"] == "bare"
        for name, weight in packed_weights(net).items():
            assert file.packed(name).mse == weight.mse


@pytest.mark.parametrize("asked", ["lloyd", "blocks"])
@pytest.mark.parametrize("steps", [("half",), ("half", "float"), ("bfloat16", "float"), ("double",)])
def test_a_network_that_changed_its_type_comes_back(
    steps: tuple[str, ...], asked: str, tmp_path: Path
) -> None:
    net = fmq_theory.quantize_module(_Net().half() if steps[0] == "double" else _Net(), **ASKED[asked]).eval()
    for step in steps:
        net = getattr(net, step)()
    path = fmq_theory.save_packed(net, tmp_path / "q.safetensors")
    again = fmq_theory.load_packed(_Net(1).to(net.bare.dtype), path).eval()
    assert torch.equal(again(INDEX), net(INDEX))


def test_a_folder_and_outputs_that_exist(tmp_path: Path) -> None:
    net = fmq_theory.quantize_module(_Net())
    file = fmq_theory.save_packed(net, tmp_path / "folder")
    assert file == tmp_path / "folder" / "model.safetensors"
    assert (tmp_path / "folder" / "config.json").is_file()
    with pytest.raises(OutputError, match="not empty"):
        fmq_theory.save_packed(net, tmp_path / "folder")
    one = fmq_theory.save_packed(net, tmp_path / "q.safetensors")
    with pytest.raises(OutputError, match="exists"):
        fmq_theory.save_packed(net, one)
    assert fmq_theory.save_packed(net, one, overwrite=True) == one
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "q.safetensors"]


def test_views_of_the_same_bytes_that_show_other_numbers_are_not_tied(tmp_path: Path) -> None:
    """As rotary embeddings and their conjugates, or the imaginary part of those."""
    net: Any = fmq_theory.quantize_module(nn.Linear(64, 64))
    turns = torch.polar(torch.ones(4, 2), torch.arange(8.0).reshape(4, 2))
    for name, buffer in {"turns": turns, "back": turns.conj(), "sine": turns.imag, "other": turns.conj().imag,
                         "again": turns}.items():  # fmt: skip
        net.register_buffer(name, buffer)
    path = fmq_theory.save_packed(net, tmp_path / "q.safetensors")
    plain = load(path)
    assert torch.equal(plain["back"], torch.polar(torch.ones(4, 2), -torch.arange(8.0).reshape(4, 2)))
    assert torch.equal(plain["other"], -plain["sine"])
    with QuantizedFile(path) as file:
        assert file.ties == {"again": "turns"}


class _WithExtra(nn.Linear):
    def get_extra_state(self) -> dict[str, int]:
        return {"steps": 3}

    def set_extra_state(self, state: object) -> None:
        del state


def test_what_cannot_be_saved_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is packed; call fmq_theory\.quantize_module"):
        fmq_theory.save_packed(_Net(), tmp_path / "q.safetensors")
    extra = fmq_theory.quantize_module(nn.Sequential(nn.Linear(64, 64), _WithExtra(3, 3)))
    with pytest.raises(CheckpointError, match=r"'1\._extra_state' of the module's state: it is of type dict"):
        fmq_theory.save_packed(extra, tmp_path / "q.safetensors")
    sparse = fmq_theory.quantize_module(nn.Sequential(nn.Linear(64, 64)))
    sparse.register_buffer("mask", torch.eye(3).to_sparse())
    with pytest.raises(CheckpointError, match=r"'mask'.*make it dense"):
        fmq_theory.save_packed(sparse, tmp_path / "q.safetensors")
    assert list(tmp_path.iterdir()) == []


# --- decoded once --------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ASKED)
def test_decoded_once_is_the_same_numbers_and_is_not_saved(asked: str, tmp_path: Path) -> None:
    each = fmq_theory.quantize_module(_Net(), **ASKED[asked]).eval()
    once = fmq_theory.quantize_module(_Net(), decode="once", **ASKED[asked]).eval()
    assert torch.equal(once(INDEX), each(INDEX))
    weight = once.inner[0].packed_weight
    if asked != "budget":
        assert once.inner[0].weight is once.inner[0].weight
        assert each.inner[0].weight is not each.inner[0].weight
        assert "decoded once" in repr(once)
        assert weight.num_bytes == each.inner[0].packed_weight.num_bytes < 64 * 32 * 4
    assert same_states(once.state_dict(), each.state_dict())
    assert len(pickle.dumps(once)) < len(pickle.dumps(each)) + 200
    for again in (copy.deepcopy(once), pickle.loads(pickle.dumps(once)), once.half().float()):
        assert torch.isfinite(again(INDEX)).all()
    path = fmq_theory.save_packed(each, tmp_path / "q.safetensors")
    loaded = fmq_theory.load_packed(_Net(1), path, decode="once").eval()
    assert torch.equal(loaded(INDEX), each(INDEX))


def test_decoded_weights_follow_the_state_and_the_type() -> None:
    once = fmq_theory.quantize_module(_Net(0), decode="once").eval()
    other = fmq_theory.quantize_module(_Net(5)).eval()
    assert not torch.equal(once(INDEX), other(INDEX))
    once.load_state_dict(other.state_dict())
    assert torch.equal(once(INDEX), other(INDEX))
    assert once.double().inner[0].weight.dtype == torch.float64
    once.inner[0].packed_weight.decode = "each_call"
    assert once.inner[0].packed_weight.decoded is None


# --- state ---------------------------------------------------------------------------------------------


def test_the_state_carries_the_unit_of_scales() -> None:
    """Scales in 8 bits are multiples of a unit, which depends on the weights."""

    def made(size: float) -> nn.Module:
        torch.manual_seed(3)
        layer = nn.Linear(64, 64)
        with torch.no_grad():
            layer.weight.mul_(size)
        return fmq_theory.quantize_module(nn.Sequential(layer), **ASKED["blocks"])

    small, large = made(1.0), made(1e4)
    assert not torch.equal(small[0].packed_weight.scale_unit, large[0].packed_weight.scale_unit)
    buffer = io.BytesIO()
    torch.save(large.state_dict(), buffer)
    buffer.seek(0)
    small.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(small[0].weight, large[0].weight)


def test_what_share_memory_and_to_empty_do() -> None:
    net = fmq_theory.quantize_module(nn.Sequential(nn.Linear(64, 64)))
    wanted = net[0].weight
    assert net.share_memory()[0].packed_weight.codes.is_shared()
    assert torch.equal(net[0].weight, wanted)
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    gone = copy.deepcopy(net).to("meta")
    assert gone[0].packed_weight.codes.device.type == "meta"
    back = gone.to_empty(device="cpu")
    back.load_state_dict(state)
    assert torch.equal(back[0].weight, wanted)
