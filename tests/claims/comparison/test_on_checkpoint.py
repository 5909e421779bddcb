"""The comparison on real weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fmq_theory.claims.comparison.on_checkpoint import compare_checkpoint
from fmq_theory.errors import CheckpointError, WeightsError


@pytest.fixture
def small(tmp_path: Path) -> Path:
    generator = torch.Generator().manual_seed(3)
    path = tmp_path / "small.pt"
    torch.save(
        {
            "a.weight": torch.randn(4, 300, generator=generator),
            "b.weight": 1e-3 * torch.randn(3, 8, 3, 3, generator=generator),
            "b.bias": torch.zeros(3),
        },
        path,
    )
    return path


def _by_hand(weights: np.ndarray, num_levels: int) -> float:
    """Equal mass by channel, summed squared error: the published rule, written out."""
    total = 0.0
    for channel in weights.reshape(weights.shape[0], -1).astype(np.float64):
        for cell in np.array_split(np.sort(channel), min(num_levels, channel.size)):
            total += float(np.sum((cell - cell.mean()) ** 2))
    return total


def test_totals_are_weighted_by_the_number_of_weights(small: Path) -> None:
    found = compare_checkpoint(small, bits=(2, 3), schemes=("equal_mass",))
    state = torch.load(small, weights_only=True)
    tensors = [state["a.weight"].numpy(), state["b.weight"].numpy()]
    for row in found.rows:
        expected = sum(_by_hand(tensor, row.num_levels) for tensor in tensors) / sum(t.size for t in tensors)
        assert row.own_hat == pytest.approx(expected, rel=1e-12)
        assert row.own_exact == pytest.approx(expected, rel=1e-9)
        assert row.w2_squared_pot == pytest.approx(expected, rel=1e-7)
        assert row.own_lo == row.own_hat == row.own_hi


def test_biases_are_left_out_with_the_reason(small: Path) -> None:
    found = compare_checkpoint(small, bits=(2,), schemes=("uniform",))
    assert [row.name for row in found.tensors] == ["a.weight", "b.weight"]
    assert [name for name, _ in found.skipped] == ["b.bias"]


def test_granularity_changes_the_error(small: Path) -> None:
    channel = compare_checkpoint(small, bits=(3,), schemes=("lloyd_max",), granularity="channel").rows[0]
    tensor = compare_checkpoint(small, bits=(3,), schemes=("lloyd_max",), granularity="tensor").rows[0]
    assert (channel.own_hat or 0) < (tensor.own_hat or 0)
    assert (channel.effective_bits or 0) > (tensor.effective_bits or 0)


def test_chosen_tensor_alone_is_measured(small: Path) -> None:
    found = compare_checkpoint(small, tensors=("b.weight",), bits=(2,), schemes=("uniform",))
    assert [row.weights for row in found.tensors] == [216]


def test_bounds_hold_on_real_weights(small: Path) -> None:
    for row in compare_checkpoint(small, bits=(2, 4), schemes=("uniform", "equal_mass", "lloyd_max")).rows:
        assert (row.own_exact or 0) <= (row.own_upper or 0) * (1 + 1e-12)


def test_channels_with_few_weights_are_flagged(small: Path) -> None:
    found = compare_checkpoint(small, bits=(6, 7), schemes=("uniform",))
    assert [row.lossless_bits for row in found.tensors] == [None, 7]
    assert any("lossless by construction" in note for note in found.notes)


def test_a_bad_tensor_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    torch.save({"fine": torch.ones(2, 2), "broken": torch.tensor([[1.0, float("nan")]])}, path)
    with pytest.raises(WeightsError, match=r"broken.*pass tensors with other"):
        compare_checkpoint(path, bits=(2,), schemes=("uniform",))
    found = compare_checkpoint(path, tensors=("fine",), bits=(2,), schemes=("uniform",))
    assert [row.name for row in found.tensors] == ["fine"]


def test_a_size_that_a_scheme_lacks_is_a_row_with_the_reason(small: Path) -> None:
    found = compare_checkpoint(small, bits=(4, 3), schemes=("nf4", "ecq:1", "ecq:9"))
    assert [(row.scheme, row.bits) for row in found.rows] == [
        (name, b) for name in ("nf4", "ecq:1", "ecq:9") for b in (3, 4)
    ]
    assert (found.rows[0].own_hat, found.rows[0].note) == (None, "nf4 has 16 levels")
    assert found.rows[1].own_hat is not None
    assert (found.rows[2].own_hat or 0) < (found.rows[4].own_hat or 0)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="absent"):
        compare_checkpoint(tmp_path / "absent.pt", bits=(2,), schemes=("uniform",))


def test_mnist_unet_at_four_bits(shared_checkpoints: Path) -> None:
    found = compare_checkpoint(
        shared_checkpoints / "mnist_unet.pt", bits=(4,), schemes=("uniform", "equal_mass", "lloyd_max")
    )
    measured = {row.scheme: row.own_hat for row in found.rows}
    expected = {"uniform": 1.51e-5, "equal_mass": 2.18e-5, "lloyd_max": 6.69e-6}
    assert measured == {scheme: pytest.approx(value, rel=0.01) for scheme, value in expected.items()}
