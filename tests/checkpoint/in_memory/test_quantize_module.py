"""A network in memory by one call: what is chosen, what is refused, and what the layers then compute."""

# pyright: reportAttributeAccessIssue=false, reportIndexIssue=false, reportCallIssue=false, reportArgumentType=false
# torch types every attribute of a module as "Tensor | Module".

import copy
import itertools
import math
import shutil
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fmq_theory
from fmq_theory.checkpoint import Choice, Recipe
from fmq_theory.checkpoint.in_memory import choices
from fmq_theory.checkpoint.modules.packed_layers import PackedMultiheadAttention, packed_weights
from fmq_theory.checkpoint.plan.options import Search
from fmq_theory.errors import CheckpointError, FmqError, SchemeError, SettingError, WeightsError
from fmq_theory.quantizers import quantize

FEW = Search(schemes=["lloyd_max"], bits=(1, 2, 4), granularities=["channel"], block_schemes=[])


def _net(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(48, 32), nn.GELU(), nn.Linear(32, 40), nn.Linear(40, 24))
    with torch.no_grad():
        net[2].weight.mul_(5.0)
    return net


def _error_and_bits(net: nn.Module, before: nn.Module) -> tuple[float, float]:
    """Sum of squared errors of the weights, and bits a weight of what is packed or kept."""
    packed = packed_weights(net)
    error = bits = weights = 0.0
    for name in ("0.weight", "2.weight", "3.weight"):
        layer, _, _ = name.partition(".")
        was = before.get_submodule(layer).weight.detach().double()
        now = net.get_submodule(layer).weight.detach().double()
        error += float((was - now).square().sum())
        bits += packed[name].num_bytes * 8 if name in packed else 32 * was.numel()
        weights += was.numel()
    return error, bits / weights


# --- a budget ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [4.5, 6.0, 9.0])
def test_a_budget_is_the_best_of_all_choices_tried_one_by_one(budget: float) -> None:
    net, before = _net(), _net()
    names = ("0.weight", "2.weight", "3.weight")
    packed = fmq_theory.quantize_module(
        net, budget=budget, search=FEW, sensitivities=dict.fromkeys(names, 1.0)
    )
    found, bits = _error_and_bits(packed, before)
    assert bits <= budget
    tried = []
    for bits_of in itertools.product((1, 2, 4, None), repeat=3):
        plan = [Recipe(n, Choice("lloyd_max", b)) for n, b in zip(names, bits_of, strict=True) if b]
        if plan:
            tried.append(_error_and_bits(fmq_theory.quantize_module(_net(), plan=plan), before))
    assert found == pytest.approx(min(error for error, bits in tried if bits <= budget), rel=1e-6)
    assert found > min(error for error, _ in tried) or budget > 6  # control: the budget forbids something


def test_sensitivities_move_bits_and_ends_have_four_without_them() -> None:
    search = Search(schemes=["lloyd_max"], granularities=["tensor"], block_schemes=[])

    def bits(**more: Any) -> list[int]:
        found = fmq_theory.quantize_module(_net(), budget=4.5, search=search, **more)
        return [weight.bits for weight in packed_weights(found).values()]

    plain = bits()
    assert plain[0] >= 4
    assert plain[2] >= 4
    first = bits(sensitivities={"0.weight": 1e6})
    assert first[0] > plain[0]
    assert first[1] < plain[1]  # which pays for it
    middle = bits(sensitivities={"2.weight": 1e6})
    assert middle[0] < 4
    assert middle[1] > plain[1]


def test_a_shared_weight_is_measured_once_and_stays_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []
    whole = choices.measured_options
    monkeypatch.setattr(
        choices, "measured_options", lambda name, *a: measured.append(name) or whole(name, *a)
    )
    net = nn.Sequential(nn.Embedding(40, 32), nn.Linear(32, 32), nn.Linear(32, 40, bias=False))
    net[2].weight = net[0].weight
    fmq_theory.quantize_module(net, budget=4.0, sensitivities={"2.weight": 2.0})
    assert measured == ["0.weight", "1.weight"]
    assert net[0].packed_weight is net[2].packed_weight


# --- one choice ----------------------------------------------------------------------------------------


def test_defaults_and_what_a_group_size_alone_means() -> None:
    one = packed_weights(fmq_theory.quantize_module(_net()))["0.weight"]
    assert (one.scheme, one.bits, one.extra_repr().rsplit(" ", 1)[1]) == ("lloyd_max", 4, "channel")
    two = packed_weights(fmq_theory.quantize_module(_net(), "nf4", group_size=8))["0.weight"]
    assert two.extra_repr().endswith("group")
    wanted = quantize(_net()[0].weight, "nf4", 4, "group", group_size=8)
    assert two.mse == pytest.approx(wanted.mse)
    assert two.effective_bits == pytest.approx(wanted.effective_bits)


def test_a_weight_that_would_not_become_smaller_stays() -> None:
    net = nn.Sequential(nn.Conv2d(8, 8, 3, groups=8), nn.Linear(64, 64))
    fmq_theory.quantize_module(net)
    assert list(packed_weights(net)) == ["1.weight"]
    alone = nn.Sequential(nn.Conv2d(8, 8, 3, groups=8))
    with pytest.raises(CheckpointError, match=r"'0\.weight' of shape \[8, 1, 3, 3\].*smaller; choose"):
        fmq_theory.quantize_module(alone)
    forced = fmq_theory.quantize_module(alone, plan=[Recipe("0.weight", Choice())])  # a plan is followed
    assert list(packed_weights(forced)) == ["0.weight"]


def test_a_budget_of_numpy_is_a_number() -> None:
    float_of_numpy: Any = np.float32(5.5)
    plain, single = (
        fmq_theory.quantize_module(_net(), budget=budget, search=FEW) for budget in (5.5, float_of_numpy)
    )
    assert {n: w.extra_repr() for n, w in packed_weights(single).items()} == {
        n: w.extra_repr() for n, w in packed_weights(plain).items()
    }


def test_include_and_exclude() -> None:
    net = fmq_theory.quantize_module(_net(), include=["0.*", "2.*"], exclude=["2.weight"])
    assert list(packed_weights(net)) == ["0.weight"]


# --- refusals ------------------------------------------------------------------------------------------

RECIPE = Recipe("0.weight", Choice())
REFUSED: dict[str, tuple[dict[str, Any], type[FmqError], str]] = {
    "unknown scheme": ({"scheme": "lloyd_maxx"}, SchemeError, r"'lloyd_maxx'.*lloyd_max"),
    "no name": ({"scheme": 4}, SchemeError, r"scheme of type int: it is no name; pass a plan as plan="),
    "bits": ({"bits": 9}, SchemeError, r"bits"),
    "include": ({"include": ["9.*"]}, CheckpointError, r"include '9\.\*': it fits no tensor; .*'0\.weight'"),
    "exclude": ({"exclude": ["x"]}, CheckpointError, r"exclude 'x': it fits no tensor"),
    "all excluded": ({"exclude": ["*"]}, CheckpointError, r"of its 3 weights exclude leaves none"),
    "text": ({"include": "0.*"}, SchemeError, r"include='0\.\*': it is one text; pass a list"),
    "low budget": (
        {"budget": 0.7},
        FmqError,
        r"budget=0\.7: by the sizes alone.*1\.0\d+ bits.*raise",
    ),
    "budget and bits": (
        {"budget": 3.5, "bits": 4, "scheme": "nf4"},
        FmqError,
        r"budget=3\.5 with scheme='nf4', bits=4: a budget chooses",
    ),
    "plan of nothing": ({"plan": []}, SchemeError, r"plan of type list: .*; pass the tensors of a Plan"),
    "plan of text": ({"plan": "plan.json"}, SchemeError, r"plan of type str: .*; pass the tensors of a Plan"),
    "plan of no list": ({"plan": Choice()}, SchemeError, r"plan of type Choice: .*; pass the tensors of a"),
    "budget and plan": ({"budget": 3.5, "plan": [RECIPE]}, FmqError, r"budget=3\.5 with plan="),
    "budget of nothing": ({"budget": -1.0}, FmqError, r"budget=-1\.0: it is no positive number"),
    "budget nan": ({"budget": math.nan}, FmqError, r"budget=nan: it is no positive number"),
    "budget beyond float64": ({"budget": 1e308, "search": FEW}, FmqError, r"it allows every weight to stay"),
    "budget text": ({"budget": "3.5"}, FmqError, r"budget='3\.5': it is no positive number"),
    "budget of all": ({"budget": 40.0}, FmqError, r"budget=40: it allows every weight to stay"),
    "sensitivities": ({"sensitivities": {"0.weight": 1.0}}, FmqError, r"sensitivities=.*only a budget"),
    "sensitivity of none": (
        {"budget": 6.0, "search": FEW, "sensitivities": {"9.weight": 1.0}},
        FmqError,
        r"sensitivity of '9\.weight'",
    ),
    "search": ({"search": FEW}, FmqError, r"search=.*only a budget"),
    "plan and bits": ({"plan": [RECIPE], "bits": 4}, FmqError, r"plan=\.\.\. with bits=4"),
    "plan and include": ({"plan": [RECIPE], "include": ["*"]}, FmqError, r"plan=\.\.\. with include or"),
    "decode": ({"decode": "twice"}, SettingError, r"decode 'twice'.*'each_call'.*'once'"),
    "groups": (
        {"group_size": 7},
        WeightsError,
        r"group size 7: it does not divide.*exclude for them, or gran",
    ),
    "granularity": ({"granularity": "row"}, SchemeError, r"granularity 'row'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_thing_cause_and_remedy_and_come_before_any_work(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, kind, words = REFUSED[case]
    if case not in (
        "budget of all",
        "budget beyond float64",
        "sensitivity of none",
    ):  # known when all is measured
        monkeypatch.setattr(choices, "measured_options", None)
        monkeypatch.setattr(Choice, "quantize", None)
    net = _net()
    before = list(net)
    with pytest.raises(kind, match=words):
        fmq_theory.quantize_module(net, **arguments)
    assert list(net) == before


def test_modules_without_weights_and_packed_ones_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"module LayerNorm: it has no weight that is quantized"):
        fmq_theory.quantize_module(nn.LayerNorm(3), budget=3.5)
    net = fmq_theory.quantize_module(_net())
    with pytest.raises(CheckpointError, match=r"packed already; call dequantize_module"):
        fmq_theory.quantize_module(net)
    with pytest.raises(CheckpointError, match=r"none of its layers is packed"):
        fmq_theory.dequantize_module(_net())
    with torch.no_grad():
        (bad := _net())[0].weight[0, 0] = math.nan
    with pytest.raises(WeightsError, match=r"'0\.weight': 1 of its numbers are nan"):
        fmq_theory.quantize_module(bad, budget=5.0, search=FEW)


def test_a_lazy_layer_is_refused() -> None:
    with pytest.raises(FmqError):
        fmq_theory.quantize_module(nn.Sequential(nn.LazyLinear(32)))


# --- what the layers compute ---------------------------------------------------------------------------


def test_gradients_of_inputs_and_biases_are_those_of_the_dense_layer() -> None:
    net = fmq_theory.quantize_module(_net(), bits=3)
    plain = fmq_theory.dequantize_module(copy.deepcopy(net))
    left, right = (torch.randn(5, 48, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    for module, x in ((net, left), (plain, right)):
        x.requires_grad_(True)
        module(x).square().sum().backward()
    assert left.grad is not None
    assert torch.equal(left.grad, right.grad)
    found = dict(net.named_parameters())
    assert sorted(found) == ["0.bias", "2.bias", "3.bias"]
    assert all(torch.equal(p.grad, plain.get_parameter(n).grad) for n, p in found.items())
    assert plain[0].weight.grad is not None  # it can be trained again


@pytest.mark.parametrize("widths", [{}, {"kdim": 20, "vdim": 24}], ids=["one", "three"])
def test_attention_is_packed(widths: dict[str, int]) -> None:
    torch.manual_seed(1)
    net = nn.MultiheadAttention(32, 4, batch_first=True, **widths)
    packed = fmq_theory.quantize_module(copy.deepcopy(net))
    assert type(packed) is PackedMultiheadAttention
    inputs = {"in_proj_weight"} if not widths else {"q_proj_weight", "k_proj_weight", "v_proj_weight"}
    assert set(packed_weights(packed)) == inputs | {"out_proj.weight"}
    plain = fmq_theory.dequantize_module(copy.deepcopy(packed))
    assert type(plain) is nn.MultiheadAttention
    assert list(plain.state_dict()) == list(net.state_dict())
    q, k, v = (
        torch.randn(2, 5, 32),
        torch.randn(2, 6, widths.get("kdim", 32)),
        torch.randn(2, 6, widths.get("vdim", 32)),
    )
    with torch.no_grad():
        for mode in (True, False):
            found, wanted = packed.train(mode)(q, k, v)[0], plain.train(mode)(q, k, v)[0]
            torch.testing.assert_close(found, wanted)
            assert not torch.allclose(found, net(q, k, v)[0])  # control
    only = fmq_theory.quantize_module(copy.deepcopy(net), include=["out_proj.weight"])
    assert set(packed_weights(only)) == {"out_proj.weight"}
    other = fmq_theory.quantize_module(nn.MultiheadAttention(32, 4, batch_first=True, **widths))
    other.load_state_dict(packed.state_dict())
    with torch.no_grad():
        assert torch.equal(other.eval()(q, k, v)[0], packed.eval()(q, k, v)[0])


def test_transposed_convolutions_and_shared_layers_go_back() -> None:
    layer = nn.Linear(32, 32)
    net = nn.Sequential(layer, nn.ReLU(), layer, nn.Linear(32, 32))
    net[3].weight = layer.weight
    fmq_theory.quantize_module(net)
    x = torch.randn(2, 32)
    wanted = net(x)
    plain = fmq_theory.dequantize_module(net)
    assert plain is net
    assert plain[0] is plain[2]
    assert plain[3].weight is plain[0].weight
    assert [type(plain[index]) for index in range(4)] == [nn.Linear, nn.ReLU, nn.Linear, nn.Linear]
    assert torch.equal(plain(x), wanted)


class _Flow(nn.Module):
    """Every kind that is packed, in one network."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(30, 32)
        self.conv = nn.Conv1d(32, 32, 3, padding=1)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.up = nn.ConvTranspose1d(32, 32, 2, stride=2)
        self.head = nn.Linear(32, 30)

    def forward(self, index: Tensor) -> Tensor:
        x = self.conv(self.embed(index).transpose(1, 2)).transpose(1, 2)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.head(self.up(x.transpose(1, 2)).transpose(1, 2))


ASKED = {
    "lloyd": {"bits": 3},
    "spaced": {"scheme": "uniform_clipped", "bits": 4},
    "table": {"scheme": "nf4", "group_size": 16},
    "blocks": {"scheme": "block:lloyd_max:float8_e4m3:signed", "bits": 4, "group_size": 32},
    "once": {"bits": 3, "decode": "once"},
}


WITH_COMPILER = [pytest.mark.deep, pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler's own files
@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=WITH_COMPILER)])
@pytest.mark.parametrize("asked", ASKED)
def test_a_compiler_sees_one_graph(asked: str, backend: str) -> None:
    torch.manual_seed(2)
    net = fmq_theory.quantize_module(_Flow().eval(), **ASKED[asked])
    assert len(packed_weights(net)) == 6
    torch.compiler.reset()
    compiled = torch.compile(net, fullgraph=True, backend=backend)
    index = torch.randint(0, 30, (2, 7))
    with torch.no_grad():
        torch.testing.assert_close(compiled(index), net(index))
        plain = fmq_theory.dequantize_module(copy.deepcopy(net))
        torch.testing.assert_close(net(index), plain(index))
        assert not torch.allclose(net(index), net(index.flip(1)))  # control
    graphs = torch._dynamo.explain(net)(index)
    assert graphs.graph_break_count == 0
