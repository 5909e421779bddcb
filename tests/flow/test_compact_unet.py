"""The network of the digits."""

import pytest
import torch

from fmq_theory.flow import FlowModel
from fmq_theory.flow.compact_unet import CompactUNet
from fmq_theory.flow.digits import draw_labels


def _network(size: int = 8, widths: tuple[int, ...] = (8, 16)) -> CompactUNet:
    torch.manual_seed(0)
    network = CompactUNet(size, widths, embedding=16, dropout=0.5)
    for weights in network.last.parameters():
        torch.nn.init.normal_(weights)
    return network.eval()


@pytest.mark.parametrize(("size", "widths"), [(8, (8,)), (8, (8, 16)), (28, (8, 16, 24))])
def test_answer_has_the_shape_of_the_images(size: int, widths: tuple[int, ...]) -> None:
    x = torch.randn(3, 1, size, size)
    assert _network(size, widths)(x, torch.rand(3), torch.tensor([0, 5, 9])).shape == x.shape


def test_fresh_network_answers_zero() -> None:
    x = torch.randn(3, 1, 8, 8)
    assert not CompactUNet()(x, torch.rand(3), torch.zeros(3, dtype=torch.int64)).any()


def test_time_label_and_image_all_matter() -> None:
    network = _network()
    x, t, y = torch.randn(1, 1, 8, 8), torch.tensor([0.3]), torch.tensor([4])
    with torch.no_grad():
        base = network(x, t, y)
        assert not torch.allclose(network(x, t + 0.1, y), base)
        assert not torch.allclose(network(x, t, y + 1), base)
        assert not torch.allclose(network(x + 0.1, t, y), base)


def test_samples_do_not_see_each_other() -> None:
    field = FlowModel(_network(), (1, 8, 8), draw_condition=draw_labels).field(4, torch.Generator())
    x = torch.randn(4, 1, 8, 8)
    alone = torch.cat([field.select(torch.tensor([i])).velocity(x[i : i + 1], 0.4) for i in range(4)])
    assert torch.allclose(field.velocity(x, 0.4), alone, atol=1e-5)


def test_derivative_by_torch_func_is_that_of_differences() -> None:
    model = FlowModel(_network().double(), (1, 8, 8), draw_condition=draw_labels)
    field = model.field(2, torch.Generator())
    x, direction = torch.randn(2, 1, 8, 8, dtype=torch.float64), torch.randn(2, 1, 8, 8, dtype=torch.float64)
    found = torch.func.jvp(lambda y: field.velocity(y, 0.4), (x,), (direction,))[1]
    step = 1e-6
    differences = (field.velocity(x + step * direction, 0.4) - field.velocity(x - step * direction, 0.4)) / (
        2 * step
    )
    assert torch.allclose(found, differences, atol=1e-6)
