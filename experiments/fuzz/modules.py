"""Odd modules packed in memory and from a file: they compute what their decoded weights compute."""

import copy
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, prune

from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError
from fmq_theory.checkpoint import (
    Recipe,
    dequantize_module,
    load,
    load_packed,
    quantize_module,
    save_packed,
    write_quantized,
)
from fmq_theory.checkpoint.io.shards import find_checkpoint
from fmq_theory.checkpoint.modules.packable import packable_places
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.errors import FmqError
from tests.corpus.tensors import same_states

__all__ = ["MODULES"]

_TYPES = (torch.float32, torch.float32, torch.float64, torch.bfloat16, torch.float16)
_SCHEMES = ("uniform", "lloyd_max", "nf4", "equal_mass", "block:lloyd_max", "block:nf4:float8_e4m3")


class _Own(nn.Linear):
    """A layer that does with its weight what it likes."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        return super().forward(input) + self.weight.sum()


def _channels_last() -> nn.Module:
    layer = nn.Conv2d(4, 4, 3)
    layer.weight = nn.Parameter(layer.weight.detach().contiguous(memory_format=torch.channels_last))
    return layer


def _shared() -> nn.Module:
    layer = nn.Linear(8, 8)
    return nn.Sequential(layer, nn.ReLU(), layer)


def _tied() -> nn.Module:
    module = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8, bias=False))
    module[1].weight = module[0].weight
    return module


def _views() -> nn.Module:
    module = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    module[1].weight = nn.Parameter(module[0].get_parameter("weight").detach().T)
    return module


def _frozen() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 4)).requires_grad_(False)


def _pruned() -> nn.Module:
    module = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 4))
    prune.l1_unstructured(module[0], "weight", 0.5)
    return module


class _Wrapper(nn.Module):
    """Names its only layer as torch.compile does."""

    _orig_mod: nn.Linear

    def __init__(self) -> None:
        super().__init__()
        self._orig_mod = nn.Linear(8, 4)

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        return self._orig_mod(input)


_MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "a layer": (lambda: nn.Linear(8, 4), (3, 8)),
    "a wide layer": (lambda: nn.Linear(97, 1, bias=False), (2, 97)),
    "one weight": (lambda: nn.Linear(1, 1), (2, 1)),
    "no outputs": (lambda: nn.Linear(8, 0), (3, 8)),
    "no inputs": (lambda: nn.Linear(0, 4), (3, 0)),
    "convolution": (lambda: nn.Conv2d(3, 6, 3, groups=3, padding=1, padding_mode="circular"), (1, 3, 5, 5)),
    "one dimension": (lambda: nn.Conv1d(2, 4, 3, dilation=2), (1, 2, 9)),
    "three dimensions": (lambda: nn.Conv3d(1, 2, 2), (1, 1, 3, 3, 3)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2, output_padding=1), (1, 4, 4, 4)),
    "channels last": (_channels_last, (1, 4, 5, 5)),
    "no layer": (lambda: nn.Sequential(nn.ReLU(), nn.LayerNorm(8)), (2, 8)),
    "nothing": (nn.Identity, (2, 2)),
    "shared": (_shared, (2, 8)),
    "tied": (_tied, (2, 8)),
    "views": (_views, (2, 8)),
    "frozen": (_frozen, (2, 8)),
    "a class of its own": (lambda: nn.Sequential(_Own(8, 8), nn.Linear(8, 2)), (2, 8)),
    "weight norm": (lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(8, 4))), (2, 8)),
    "pruned": (_pruned, (2, 8)),
    "lazy": (lambda: nn.Sequential(nn.LazyLinear(4)), (2, 8)),
    "a wrapper's name": (_Wrapper, (2, 8)),
    "statistics": (lambda: nn.Sequential(nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4)), (2, 2, 3, 3)),
    "bilinear": (lambda: nn.ModuleList([nn.Bilinear(3, 3, 2), nn.Linear(3, 3)]), (2, 3)),
}
_NUMBERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "as made": lambda w: w,
    "zero": torch.zeros_like,
    "one number": lambda w: torch.full_like(w, 0.37),
    "large": lambda w: w * 1e4,
    "small": lambda w: w * 1e-4,
    "one is nan": lambda w: torch.where(torch.arange(w.numel()).reshape(w.shape) == 0, torch.nan, w),
    "one is infinite": lambda w: torch.where(torch.arange(w.numel()).reshape(w.shape) == 0, torch.inf, w),
}


def _trials(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    while True:
        name = list(_MODULES)[rng.integers(len(_MODULES))]
        numbers = list(_NUMBERS)[rng.integers(len(_NUMBERS))] if rng.random() < 0.5 else "as made"
        dtype = _TYPES[rng.integers(len(_TYPES))]
        scheme = _SCHEMES[rng.integers(len(_SCHEMES))]
        bits = 4 if "nf4" in scheme else int(rng.integers(1, 9))
        if scheme.startswith("block") or rng.random() < 0.2:
            choice = Choice(scheme, bits, "group", int(rng.choice([1, 3, 8, 32])))
        else:
            choice = Choice(scheme, bits, ("channel", "tensor")[rng.integers(2)])
        seed = int(rng.integers(2**31))
        what = f"{name}, {numbers}, {dtype}, {choice}, seed {seed}"
        yield Trial(what, partial(_packed, name, numbers, dtype, choice, folder, seed))


def _fresh(name: str, dtype: torch.dtype, seed: int) -> nn.Module:
    """The module with the numbers that torch gives it."""
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a layer of no weights has nothing to begin with
        return _MODULES[name][0]().to(dtype).eval()


def _made(name: str, numbers: str, dtype: torch.dtype, seed: int) -> nn.Module:
    module = _fresh(name, dtype, seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if not nn.parameter.is_lazy(parameter) and parameter.numel():
                parameter.copy_(_NUMBERS[numbers](parameter))
    return module


def _packed(name: str, numbers: str, dtype: torch.dtype, choice: Choice, folder: Path, seed: int) -> None:
    """In memory, and by way of a file; a refusal leaves the module as it was."""
    module = _made(name, numbers, dtype, seed)
    before = {} if name == "lazy" else copy.deepcopy(module.state_dict())
    try:
        # A plan is followed where a weight does not become smaller, as few of these do.
        plan = [Recipe(place, choice) for place in packable_places(module)]
        found = quantize_module(module, plan=plan) if plan else quantize_module(module)
    except FmqError:
        if before and not same_states(module.state_dict(), before):
            raise WrongAnswerError("it is refused, and the module is no longer what it was") from None
        raise
    plain = dequantize_module(copy.deepcopy(found))
    x = torch.randn(_MODULES[name][1]).to(dtype)
    if name != "bilinear":
        _same(found(x), plain(x), "packed in memory")
        saved = save_packed(found, folder / "saved.safetensors", overwrite=True)
        _same(load_packed(_fresh(name, dtype, seed + 1), saved)(x), found(x), "saved and loaded")
    _through_a_file(name, dtype, choice, folder, seed, before)


def _through_a_file(
    name: str, dtype: torch.dtype, choice: Choice, folder: Path, seed: int, state: dict[str, torch.Tensor]
) -> None:
    names = [key for key, tensor in state.items() if tensor.ndim > 1 and tensor.numel()]
    if not names:
        return
    plain, out = folder / "in.safetensors", folder / "out.safetensors"
    save_file({key: tensor.clone().contiguous() for key, tensor in state.items()}, plain)
    write_quantized(plain, out, [Recipe(key, choice) for key in names], overwrite=True)
    one, other = _fresh(name, dtype, seed), _fresh(name, dtype, seed + 1)
    packed = load_packed(one, find_checkpoint(out))
    other.load_state_dict({key: tensor.contiguous() for key, tensor in load(out).items()}, assign=True)
    if name != "bilinear":
        x = torch.randn(_MODULES[name][1]).to(dtype)
        _same(packed(x), other(x), "packed from a file")


def _same(one: torch.Tensor, other: torch.Tensor, what: str) -> None:
    if one.dtype != other.dtype or not torch.equal(one.nan_to_num(), other.nan_to_num()):
        raise WrongAnswerError(f"{what}: another answer than that of the decoded weights")


MODULES = Campaign(
    "modules",
    "a packed module answers as its decoded weights do, to the bit; what is refused stays as it was",
    _trials,
    whole=4000,
)
