"""Latent variances: by hand, and as the network really answers while it is sampled."""

import pytest
import torch
from torch import Tensor, nn

from fmq_theory.errors import FlowError
from fmq_theory.flow import TorchField, sample
from fmq_theory.flow.fidelity import latent_activations, latent_statistics
from fmq_theory.flow.fidelity.latent import middle_step
from tests.flow.tiny_models import Plane, plane


def _noise(batch: int = 5) -> Tensor:
    return torch.randn(batch, 2, generator=torch.Generator().manual_seed(1))


def test_statistics_by_hand() -> None:
    # variances over samples: 1, 4 and 0
    found = latent_statistics(torch.tensor([[1.0, 2.0, 5.0], [2.0, 4.0, 5.0], [3.0, 6.0, 5.0]]))
    assert (found.mean, found.dimensions, found.collapsed) == (pytest.approx(5 / 3), 3, 1)
    assert found.std == pytest.approx(float(torch.tensor([1.0, 4.0, 0.0]).std(correction=0)))


def test_a_small_variance_is_not_a_collapsed_one() -> None:
    rows = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).double()
    share = torch.tensor([1.0, 1.0, 1e-2, 1e-4]).double()  # variances 1, 1, 1e-4, 1e-8 of the largest
    assert latent_statistics(rows * share).collapsed == 1


@pytest.mark.parametrize(("steps", "middle"), [(1, 0), (2, 1), (10, 5), (7, 3)])
def test_the_step_nearest_one_half(steps: int, middle: int) -> None:
    path = sample(plane().field(3, torch.Generator()), _noise(3), steps, "euler")
    assert middle_step(path) == middle


@pytest.mark.parametrize("sampler", ["euler", "midpoint", "heun"])
def test_answers_are_those_of_the_run(sampler: str) -> None:
    """All answers of the layer are recorded during sampling; ours is the one of the middle step."""
    module = Plane().eval()
    field = TorchField.of(module, (2,))
    seen: list[Tensor] = []
    handle = field.module.first.register_forward_hook(lambda _m, _x, y: seen.append(y.detach().clone()))  # type: ignore[union-attr, operator]
    path = sample(field, _noise(), 6, sampler)
    handle.remove()
    evaluations = len(seen) // 6
    found = latent_activations(field, path, "first")
    assert torch.equal(found, seen[3 * evaluations])
    assert not torch.equal(found, seen[2 * evaluations])


def test_the_hook_is_removed() -> None:
    field = plane().field(5, torch.Generator())
    path = sample(field, _noise(), 2, "euler")
    for _ in range(2):
        latent_activations(field, path, "first")
    assert not field.module.first._forward_hooks  # type: ignore[union-attr]


class Twice(Plane):
    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return 0.5 * (super().forward(x, t) + super().forward(-x, t))


@pytest.mark.parametrize(
    ("module", "layer", "message"),
    [(Plane, "absent", "none of that name"), (Twice, "first", "called 2 times")],
)
def test_layers_that_cannot_serve(module: type[nn.Module], layer: str, message: str) -> None:
    field = TorchField.of(module(), (2,))
    path = sample(field, _noise(), 2, "euler")
    with pytest.raises(FlowError, match=message):
        latent_activations(field, path, layer)


def test_one_sample_has_no_variance() -> None:
    with pytest.raises(FlowError, match="at least two"):
        latent_statistics(torch.zeros(1, 3))
