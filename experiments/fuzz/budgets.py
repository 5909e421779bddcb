"""Checkpoints of hard weights through audit and plan: one number everywhere, and no budget is overdrawn."""

import itertools
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from experiments.fuzz.calls import weights
from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError
from fmq_theory.checkpoint import QuantizedFile, write_quantized
from fmq_theory.checkpoint.audit import audit
from fmq_theory.checkpoint.plan.budget import plan_for_budget, plan_from_options
from fmq_theory.checkpoint.plan.options import Search, TensorOptions, build_options
from fmq_theory.quantizers import quantize

__all__ = ["AUDITS", "BUDGETS"]

Arrays = dict[str, NDArray[np.floating]]
_SCHEMES = ("uniform", "uniform_clipped", "lloyd_max", "equal_mass", "pwl", "log2", "nf4", "panter_dite")


def _drawn(rng: np.random.Generator, most: int) -> tuple[str, Arrays]:
    """A checkpoint of a few tensors."""
    words, arrays = list[str](), Arrays()
    for number in range(int(rng.integers(1, most + 1))):
        word, array = weights(rng)
        words.append(word)
        arrays[f"{number}.weight"] = array
    return ", ".join(words), arrays


def _saved(arrays: Arrays, path: Path) -> Path:
    save_file({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
    return path


def _audits(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    while True:
        words, arrays = _drawn(rng, 2)
        schemes = [str(name) for name in rng.choice(_SCHEMES, 2, replace=False)]
        bits = [int(b) for b in np.sort(rng.choice(np.arange(1, 9), 2, replace=False))]
        granularity = ("channel", "tensor")[rng.integers(2)]
        what = f"{words}: {schemes}, {bits}, {granularity}"
        yield Trial(what, partial(_audited, arrays, schemes, bits, granularity, folder / "m.safetensors"))


def _audited(arrays: Arrays, schemes: list[str], bits: list[int], granularity: str, path: Path) -> None:
    """What audit says of a tensor is what quantize does to it."""
    found = audit(_saved(arrays, path), schemes, bits, granularity)
    for tensor in found.tensors:
        array = arrays[tensor.name]
        for cell in tensor.cells:
            wanted = quantize(array, cell.scheme, cell.bits, granularity, threads=1)
            with np.errstate(over="ignore"):
                last = float(np.float64(2.0**-50 * np.abs(array).max()) ** 2)  # of sums in another order
            if not math.isclose(cell.mse, wanted.mse, rel_tol=1e-12, abs_tol=last):
                raise WrongAnswerError(f"{cell.scheme}, {cell.bits} bits: {cell.mse!r}, not {wanted.mse!r}")
            if not math.isclose(cell.sse, cell.mse * array.size, rel_tol=1e-12, abs_tol=5e-324):
                raise WrongAnswerError(f"{cell.sse!r} is the sum of {array.size} errors of mean {cell.mse!r}")
            if not -1e-9 <= cell.entropy_bits <= cell.bits + 1e-9:
                raise WrongAnswerError(f"an entropy of {cell.entropy_bits!r} bits")


def _budgets(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    while True:
        words, arrays = _drawn(rng, 3)
        search = Search(
            schemes=[str(name) for name in rng.choice(("uniform", "lloyd_max", "uniform_clipped"), 1)],
            bits=[int(b) for b in np.sort(rng.choice(np.arange(1, 9), 3, replace=False))],
            granularities=("channel", "tensor"),
            group_sizes=(8,),
            block_schemes=("block:uniform",)[: rng.integers(2)],
        )
        budget = float(rng.choice([0.0, 16.0, 40.0, 100.0, 300.0, 1e3, 1e4, math.inf, math.nan, -1.0]))
        budget += float(rng.random() * 8.0)
        sensitivities = None
        if rng.random() < 0.5:
            values = [0.0, 1.0, float(math.exp(rng.uniform(-300.0, 300.0)))]
            sensitivities = {name: values[rng.integers(3)] for name in arrays}
        what = f"{words}: {search.schemes}, {search.bits}, {budget!r}, {sensitivities}"
        yield Trial(what, partial(_planned, arrays, search, budget, sensitivities, folder))


def _planned(
    arrays: Arrays, search: Search, budget: float, sensitivities: dict[str, float] | None, folder: Path
) -> None:
    """No choice of the options within the budget is better than the proof says; the file keeps the budget."""
    path = _saved(arrays, folder / "in.safetensors")
    options = build_options(path, search, threads=1)
    plan = plan_from_options(options, budget, sensitivities, keep=False)
    if plan.effective_bits > budget:
        raise WrongAnswerError(f"{plan.effective_bits!r} bits are planned, {budget!r} allowed")
    _no_better(options, budget, sensitivities or {}, plan.config["objective"], plan.optimality_gap)
    whole = plan_for_budget(path, budget, search=search, sensitivities=sensitivities, threads=1)
    if not whole.tensors:
        return
    out = folder / "out.safetensors"
    write_quantized(path, out, whole.tensors, overwrite=True, threads=1)
    with QuantizedFile(out) as file:
        stored = 8.0 * (file.config["num_bytes"] - file.config["kept_bytes"])
        kept = {name: array.size for name, array in arrays.items() if name not in file.quantized}
        stored += sum(whole.config["kept"][name] * size for name, size in kept.items())
        # Of so small files the header is the most.
        if stored > budget * sum(array.size for array in arrays.values()) + 8.0 * 4096:
            raise WrongAnswerError(f"{stored!r} bits are stored")
        for tensor in whole.tensors:
            array = arrays[tensor.name].astype(np.longdouble)
            error = np.square(array - file.dequantize(tensor.name).double().numpy()).sum()
            # The file's levels are rounded to the width of the weights or of float32, and of what was lost no
            # error is told as 0.
            last, energy = np.longdouble(2.0) ** -10, np.square(array).sum()
            rounding = (
                last**2 * energy
                + array.size * float(np.finfo(arrays[tensor.name].dtype).smallest_subnormal) ** 2
            )
            slack = 2 * np.sqrt(error * rounding) + rounding + 5e-324 * array.size
            if abs(error - tensor.sse) > slack:
                raise WrongAnswerError(f"{tensor.name}: an error of {error!r}, planned as {tensor.sse!r}")


def _no_better(
    options: list[TensorOptions], budget: float, weight: dict[str, float], objective: float, gap: float | None
) -> None:
    total = sum(tensor.weights for tensor in options)
    least = math.inf
    for chosen in itertools.product(*(tensor.options for tensor in options)):
        if sum(option.cost for option in chosen) <= budget * total:
            errors = (weight.get(t.name, 1.0) * o.sse for t, o in zip(options, chosen, strict=True))
            least = min(least, math.fsum(errors))
    if gap is None:
        return
    if objective > least * (1.0 + gap) * (1.0 + 1e-12) or objective < least * (1.0 - 1e-12):
        raise WrongAnswerError(f"{objective!r} with a gap of {gap!r}, and {least!r} is the least")


AUDITS = Campaign(
    "audits",
    "audit says of each tensor of hard weights what quantize does to it, to the bit",
    _audits,
    whole=1500,
)
BUDGETS = Campaign(
    "budgets",
    "a plan keeps its budget, no choice is better than its gap allows, and its file has its errors",
    _budgets,
    whole=1500,
)
