"""A packed layer beside the dense one and the layers of other tools: ``python -m experiments.packed_speed``.

One linear layer at batch 64 on one thread. Time is that of the processor, in turn with the dense layer, so
that what else the machine does falls on both; the ratio is of medians. Error is that of the output, relative.
A tool that is not installed, or cannot do it here, says so.
"""

import argparse
import copy
import importlib
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from fmq_theory import quantize_module
from fmq_theory.checkpoint import packed_weights

__all__ = ["CONTENDERS", "main"]

BATCH = 64
Network = Callable[[Tensor], Tensor]


def _ours(**asked: Any) -> Callable[[nn.Module], nn.Module]:
    return lambda net: quantize_module(net, **asked)


def _tool(name: str) -> Any:
    """A package that need not be installed, by name: types then resolve without it."""
    return importlib.import_module(name)


def _torchao(bits: int) -> Callable[[nn.Module], nn.Module]:
    def made(net: nn.Module) -> nn.Module:
        tool = _tool("torchao.quantization")
        wanted = tool.Int8WeightOnlyConfig() if bits == 8 else tool.Int4WeightOnlyConfig(group_size=64)
        tool.quantize_(net, wanted)
        return net

    return made


def _torchao_any(net: nn.Module) -> nn.Module:
    tool, groups = _tool("torchao.quantization"), _tool("torchao.quantization.granularity").PerGroup(64)
    wanted = tool.IntxWeightOnlyConfig(weight_dtype=cast("Any", torch).int4, granularity=groups)
    tool.quantize_(net, wanted)
    return net


def _quanto(net: nn.Module) -> nn.Module:
    tool = _tool("optimum.quanto")
    tool.quantize(net, weights=tool.qint4)
    tool.freeze(net)
    return net


CONTENDERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "dense": lambda net: net,
    "lloyd_max, 4 bits": _ours(bits=4),
    "lloyd_max, 3 bits": _ours(bits=3),
    "nf4, groups of 64": _ours(scheme="nf4", group_size=64),
    "budget of 3.5 bits": _ours(budget=3.5),
    "lloyd_max, 4 bits, once": _ours(bits=4, decode="once"),
    "torchao int8": _torchao(8),
    "torchao int4": _torchao(4),
    "torchao intx, int4": _torchao_any,
    "optimum-quanto int4": _quanto,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m experiments.packed_speed", description=__doc__)
    parser.add_argument("--width", type=int, default=1024, help="inputs and outputs (default: 1024)")
    parser.add_argument("--calls", type=int, default=31, help="calls of each (default: 31)")
    parser.add_argument("--eager", action="store_true", help="leave torch.compile out")
    parser.add_argument("--only", action="append", default=[], help="a contender; may be repeated")
    asked = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dense, x = nn.Sequential(nn.Linear(asked.width, asked.width)).eval(), torch.randn(BATCH, asked.width)
    print(f"torch {torch.__version__}, linear {asked.width} x {asked.width}, batch {BATCH}, one thread")
    print(f"{'':24} {'error':>7} {'bytes':>10} {'eager, ms':>10} {'/ dense':>8} {'compiled / dense':>17}")
    with torch.no_grad():
        for name in asked.only or CONTENDERS:
            print(
                f"{name:24} {_row(CONTENDERS[name], dense, x, asked.calls, compiled=not asked.eager)}",
                flush=True,
            )
    return 0


def _row(
    make: Callable[[nn.Module], nn.Module], dense: nn.Module, x: Tensor, calls: int, *, compiled: bool
) -> str:
    try:
        net = make(copy.deepcopy(dense))
        found, wanted = net(x), dense(x)
        error = float((found - wanted).norm() / wanted.norm())
        size = sum(map(_bytes, _weights(net)))
        ours, theirs = _medians(net, dense, x, calls)
        row = f"{error:7.4f} {size:10,} {1e3 * ours:10.2f} {ours / theirs:8.2f}"
        if not compiled:
            return row
        torch.compiler.reset()
        quick = torch.compile(net, fullgraph=True)
        ours, theirs = _medians(quick, torch.compile(copy.deepcopy(dense), fullgraph=True), x, calls)
        return f"{row} {ours / theirs:17.2f}"
    except Exception as error:  # noqa: BLE001  whatever keeps a tool from running is what is reported
        first = (str(error).strip() or "no message").splitlines()[0]
        return f"does not run here: {type(error).__name__}: {first[:80]}"


def _medians(one: Network, other: Network, x: Tensor, calls: int) -> tuple[float, float]:
    """Processor seconds of a call of each, called in turn."""
    spent: tuple[list[float], list[float]] = ([], [])
    for call in range(calls + 2):
        for net, seconds in zip((one, other), spent, strict=True):
            begin = time.thread_time()
            net(x)
            if call >= 2:  # compiled, and in the caches
                seconds.append(time.thread_time() - begin)
    return statistics.median(spent[0]), statistics.median(spent[1])


def _weights(net: nn.Module) -> Iterator[Tensor]:
    """What stands for the weights in memory; biases are the same everywhere."""
    if packed := packed_weights(net):
        for weight in packed.values():
            yield from weight.buffers()
    else:
        yield from (tensor for name, tensor in net.named_parameters() if "bias" not in name)


def _bytes(tensor: Tensor) -> int:
    """Of a tensor, or of those that a tensor of another tool is made of."""
    if type(tensor) in (Tensor, nn.Parameter) and not hasattr(tensor, "__tensor_flatten__"):
        return tensor.nbytes
    names, _ = cast("Any", tensor).__tensor_flatten__()
    return sum(_bytes(getattr(tensor, name)) for name in names)


if __name__ == "__main__":
    sys.exit(main())
