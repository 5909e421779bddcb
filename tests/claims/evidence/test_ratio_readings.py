"""How "at some bit-width" is measured, and which bit-widths count."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fmq_theory.claims.engine.claim import Inputs
from fmq_theory.claims.evidence import measured_ratios
from fmq_theory.claims.evidence.measured_ratios import bits_of, nearest_to_band, ratios
from fmq_theory.metrics import Estimate


def _layers(monkeypatch: pytest.MonkeyPatch, by_bits: list[list[float]]) -> Estimate:
    """The estimate for one made-up layer, whose draws have these ratios by bit-width."""
    known = SimpleNamespace(layer_ratios=tuple((tuple(ratios), tuple(ratios)) for ratios in by_bits))
    monkeypatch.setattr(measured_ratios, "LAYERS", {"a": ("gaussian", {}, 4096)})
    monkeypatch.setattr(measured_ratios, "comparison", lambda _layer: known)
    (found,) = nearest_to_band("rho_em", Inputs()).values()
    assert isinstance(found, Estimate)
    return found


def test_each_layer_has_its_own_bit_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even draws are in the band at the first bit-width, odd ones at the second: all are somewhere."""
    count = 24
    first = [0.30 if index % 2 else 0.10 for index in range(count)]
    second = [0.90 if index % 2 else 0.35 for index in range(count)]
    found = _layers(monkeypatch, [first, second])
    assert found.low is not None
    assert found.high is not None
    assert 0.25 <= found.low <= found.high <= 0.40


def test_a_band_that_is_stepped_over_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below it or above it, half of the draws each: an average would lie in the band, no layer does."""
    count = 24
    first = [0.24 if index % 2 else 0.10 for index in range(count)]
    second = [0.90 if index % 2 else 0.42 for index in range(count)]
    found = _layers(monkeypatch, [first, second])
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.25
    assert found.high > 0.40


def test_a_ratio_of_zero_is_never_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _layers(monkeypatch, [[0.0] * 24, [0.01] * 24])
    assert found.value == pytest.approx(0.01)


def test_bit_widths_with_few_weights_a_level_are_left_out() -> None:
    assert bits_of("gaussian n = 256") == (2, 3, 4, 5, 6)
    assert bits_of("gaussian n = 1024")[-1] == 8
    assert math.isinf(measured_ratios._outside(0.0))


def test_patterns_choose_the_tensors_of_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_ratios, "LAYERS", {})  # what is drawn is another matter
    path = tmp_path / "c.pt"
    normal = torch.randn(4, 512, generator=torch.Generator().manual_seed(0))
    torch.save({"model": {"w": normal}, "ema": {"w": normal.pow(3)}}, path)
    model, average = Inputs(path), Inputs(path, include=("ema.*",))
    assert ratios("rho_em", model).keys() == {f"c.pt, b = {bits}" for bits in range(2, 9)}
    assert ratios("rho_em", model) != ratios("rho_em", average)
    assert nearest_to_band("rho_em", model) != nearest_to_band("rho_em", average)
    assert ratios("rho_em", model) == ratios("rho_em", Inputs(path, include=("w",)))
