"""The loss of flow matching, against a field whose loss has a closed form."""

import pytest
import torch

from fmq_theory.flow import velocity_error
from tests.flow.linear_fields import linear_field


def test_zero_field_on_normal_data() -> None:
    """E (data - noise)^2 = s^2 + 1 for data of mean 0 and variance s^2."""
    generator = torch.Generator().manual_seed(0)
    data = 3.0 * torch.randn(100_000, 2, generator=generator, dtype=torch.float64)
    noise = torch.randn(100_000, 2, generator=generator, dtype=torch.float64)
    assert velocity_error(linear_field(0.0), data, noise, [0.1, 0.9]).tolist() == pytest.approx(
        [10.0, 10.0], rel=0.02
    )


@pytest.mark.parametrize("t", [0.0, 0.25, 0.5, 1.0])
def test_best_linear_field_on_normal_data(t: float) -> None:
    """v = a x with a = cov(data - noise, x_t)/var(x_t) leaves s^2/(t^2 s^2 + (1-t)^2), the least."""
    variance = 9.0
    generator = torch.Generator().manual_seed(0)
    data = 3.0 * torch.randn(100_000, 2, generator=generator, dtype=torch.float64)
    noise = torch.randn(100_000, 2, generator=generator, dtype=torch.float64)
    spread = t**2 * variance + (1 - t) ** 2
    best = (t * variance - (1 - t)) / spread
    found = [float(velocity_error(linear_field(best + d), data, noise, [t])) for d in (-0.1, 0.0, 0.1)]
    assert found[1] == pytest.approx(variance / spread, rel=0.02)
    assert found[1] < min(found[0], found[2])
