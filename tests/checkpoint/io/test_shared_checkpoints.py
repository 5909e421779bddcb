"""Checkpoints that others trained and published."""

from pathlib import Path

import numpy as np
import pytest

from fmq_theory.checkpoint import iter_tensors, read_tensors


def _total_and_shapes(path: Path) -> tuple[int, dict[str, tuple[int, ...]]]:
    found = read_tensors(path)
    return found.num_weights, {tensor.name: tensor.array.shape for tensor in found.tensors}


def test_bare_state_dict(shared_checkpoints: Path) -> None:
    found = read_tensors(shared_checkpoints / "mnist_unet.pt")
    total, shapes = _total_and_shapes(shared_checkpoints / "mnist_unet.pt")
    assert len(found.tensors) + len(found.skipped) == 239
    assert shapes["init_conv.0.weight"] == (16, 1, 3, 3)
    assert shapes["y_embedder.weight"] == (11, 8)
    assert shapes["time_embedder.weights"] == (1, 20)
    assert "init_conv.0.bias" not in shapes
    reasons = {tensor.name: tensor.reason for tensor in found.skipped}
    assert reasons["init_conv.1.num_batches_tracked"] == "integers"
    assert "dimensions" in reasons["init_conv.1.running_var"]
    everything = read_tensors(shared_checkpoints / "mnist_unet.pt", min_ndim=1)
    counters = len(everything.skipped)  # one number each; the checkpoint's description counts them too
    assert everything.num_weights + counters == 322_658
    assert total == sum(int(np.prod(shape)) for shape in shapes.values())


def test_nested_container_and_unused_layers(shared_checkpoints: Path) -> None:
    for epoch in (100, 600):
        path = shared_checkpoints / f"pendulum_policy_epoch{epoch}.pth"
        total, shapes = _total_and_shapes(path)
        assert list(shapes)[:1] == ["obs_encoder_mlp.0.weight"]
        assert shapes["time_mlp.0.weight"] == (128, 64)  # present, though the model does not use it
        assert not any(name.startswith("model_state_dict") for name in shapes)
        assert read_tensors(path, min_ndim=1).num_weights == 91_777
        assert total == 91_777 - (7 * 128 + 1)  # eight biases less


def test_complex_weights_and_tensors_outside_the_model_are_skipped(shared_checkpoints: Path) -> None:
    found = read_tensors(shared_checkpoints / "molecule_fno.pth")
    reasons = {tensor.name: tensor.reason for tensor in found.skipped}
    assert reasons["fno.fno_layers.0.spectral.weights"] == "complex numbers"
    assert reasons["laplacian"] == "not in the model's state dict"
    assert {t.name for t in found.tensors} == {
        "coords",
        "fno.lifting.weight",
        "fno.fno_layers.0.bypass.weight",
        "fno.fno_layers.1.bypass.weight",
        "fno.projection.0.weight",
        "fno.projection.2.weight",
    }
    assert len(read_tensors(shared_checkpoints / "molecule_mlp.pth").tensors) == 5


def test_streaming_gives_the_same_tensors(shared_checkpoints: Path) -> None:
    path = shared_checkpoints / "molecule_mlp.pth"
    eager = read_tensors(path).tensors
    streamed = list(iter_tensors(path))
    assert [t.name for t in streamed] == [t.name for t in eager]
    assert all(np.array_equal(s.array, e.array) for s, e in zip(streamed, eager, strict=True))


def _uniform(w: np.ndarray, num_levels: int) -> np.ndarray:
    low, high = w.min(), w.max()
    scale = (high - low) / (num_levels - 1)
    return w if scale == 0 else np.rint((w - low) / scale) * scale + low


def _equal_mass(w: np.ndarray, num_levels: int) -> np.ndarray:
    order = np.argsort(w, kind="stable")
    result = np.empty_like(w)
    for cell in np.array_split(order, min(num_levels, w.size)):
        result[cell] = w[cell].mean()
    return result


@pytest.mark.parametrize(("quantize", "published"), [(_uniform, 1.51e-5), (_equal_mass, 2.18e-5)])
def test_selection_gives_the_known_error_at_four_bits(
    shared_checkpoints: Path, quantize, published: float
) -> None:
    """The two published quantizers, written out here; the figures come from the main job's statement."""
    squares, count = 0.0, 0
    for tensor in read_tensors(shared_checkpoints / "mnist_unet.pt").tensors:
        for channel in tensor.array.astype(np.float64).reshape(tensor.array.shape[0], -1):
            squares += float(np.sum((channel - quantize(channel, 16)) ** 2))
            count += channel.size
    assert squares / count == pytest.approx(published, rel=0.01)


def test_another_selection_gives_another_error(shared_checkpoints: Path) -> None:
    """Negative control of the test above: with the one-dimensional tensors the figure is off."""
    squares, count = 0.0, 0
    for tensor in read_tensors(shared_checkpoints / "mnist_unet.pt", min_ndim=1).tensors:
        array = tensor.array.astype(np.float64)
        for channel in array.reshape(array.shape[0] if array.ndim > 1 else 1, -1):
            squares += float(np.sum((channel - _uniform(channel, 16)) ** 2))
            count += channel.size
    assert squares / count != pytest.approx(1.51e-5, rel=0.01)
