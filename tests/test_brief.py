"""The text of a value of any public class fits on a few lines, whatever it holds."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from fractions import Fraction
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import fmq_theory
from fmq_theory import checkpoint, codebook, quantizers, sources
from fmq_theory.brief import MOST_OF_A_REPR
from fmq_theory.checkpoint.compare.result import Totals
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe

_ROOMS = [m.name for m in pkgutil.iter_modules(fmq_theory.__path__) if m.ispkg and m.name != "cli"]
_PLAIN = (int, float, bool)


def public_classes() -> Iterator[type]:
    seen: set[type] = set()
    for name in ("fmq_theory", *(f"fmq_theory.{room}" for room in _ROOMS)):
        module = importlib.import_module(name)
        for entry in getattr(module, "__all__", []):
            found = getattr(module, entry)
            if inspect.isclass(found) and not issubclass(found, Exception) and found not in seen:
                seen.add(found)
                yield found


def _huge(kind: object, number: int) -> Any:
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    plain = [part for part in (kind, *get_args(kind)) if part in _PLAIN]
    if plain and get_origin(kind) in (None, Union, UnionType):
        return plain[0](0.123456789)
    if kind == tuple[int, ...]:
        return (3, 32, 32)  # a shape: at most 64 numbers, and 3 in practice
    choices = ["x" * 5000, tuple(f"layer.{i}.weight" for i in range(1000)), np.full(900, 1 / 3),
               Fraction(10**900 + 1, 3**1500), {f"name {i}": i for i in range(1000)}]  # fmt: skip
    return choices[number % len(choices)]


def _filled(kind: type, shift: int) -> object:
    """A value whose every part that may be long is long; what its constructor would say does not matter."""
    if not is_dataclass(kind):
        names, hints = kind._fields, get_type_hints(kind)  # type: ignore[attr-defined]
        return kind(*(_huge(hints.get(name), i + shift) for i, name in enumerate(names)))
    made = object.__new__(kind)
    hints = get_type_hints(kind, include_extras=False)
    for i, field in enumerate(fields(kind)):
        object.__setattr__(made, field.name, _huge(hints.get(field.name), i + shift))
    return made


CLASSES = [
    kind
    for kind in public_classes()
    if not inspect.isabstract(kind)
    and (is_dataclass(kind) or hasattr(kind, "_fields"))
    and kind is not sources.Empirical  # its own text counts its data; below
    and kind is not checkpoint.FileScore  # its own text sums its layers; below
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__qualname__)
def test_no_value_of_a_public_class_floods_the_terminal(kind: type) -> None:
    for shift in range(5):
        text = repr(_filled(kind, shift))
        assert len(text) <= MOST_OF_A_REPR, text[:600]
        assert text.startswith(kind.__qualname__)
        assert text.isprintable()


def test_there_are_classes_to_be_tested() -> None:
    assert len(CLASSES) > 40


def test_short_values_are_told_whole() -> None:
    assert repr(sources.Gaussian()) == "Gaussian(loc=0.0, scale=1.0)"
    book = codebook.Codebook.nearest(np.array([-1.0, 1.0]))
    assert repr(book) == "Codebook(levels=<float64 [2]>, thresholds=<float64 [1]>)"
    tensor = quantizers.quantize(np.linspace(-1.0, 1.0, 4096).reshape(64, 64), "lloyd_max", 4)
    assert "scheme='lloyd_max'" in repr(tensor)
    assert len(repr(sources.Empirical(np.linspace(-1.0, 1.0, 4096)))) <= MOST_OF_A_REPR
    assert len(repr(tensor)) <= MOST_OF_A_REPR
    assert len(repr(checkpoint.Plan((), 4.0, 0.0, None))) <= MOST_OF_A_REPR


def test_a_score_tells_its_sums() -> None:
    score = _filled(checkpoint.FileScore, 0)
    totals = Totals(10**12, 10**15, 10**15, 1e9 / 7, 1e300 / 7, 1e300 / 7, 1 / 7, 1e9 / 7, None, 0, None, 0)
    object.__setattr__(score, "totals", totals)
    object.__setattr__(score, "path", "deep/" * 1000)
    assert len(repr(score)) <= MOST_OF_A_REPR
    assert repr(score).startswith("FileScore(")


def test_an_open_file_tells_its_path_and_how_much_is_quantized(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    state = {"w": torch.from_numpy(rng.standard_normal((64, 64))), "b": torch.ones(64)}
    deep = tmp_path / ("deep" * 50)
    deep.mkdir()
    save_file(state, tmp_path / "m.safetensors")
    for folder in (tmp_path, deep):
        checkpoint.write_quantized(
            tmp_path / "m.safetensors",
            folder / "q.safetensors",
            [Recipe("w", Choice("uniform", 4, "tensor"))],
        )
        with checkpoint.QuantizedFile(folder / "q.safetensors") as file:
            text = repr(file)
        assert text.startswith("QuantizedFile('")
        assert text.endswith(", 1 of 2 tensors quantized)")
        assert len(text) <= MOST_OF_A_REPR
        assert repr(file).endswith("quantized, closed)")
