"""How far a field is from the velocities that it was trained on."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fmq_theory.flow.field import VelocityField

__all__ = ["velocity_error"]


def velocity_error(field: VelocityField, data: Tensor, noise: Tensor, times: Sequence[float]) -> Tensor:
    """E (v(x_t, t) - (data - noise))^2 a coordinate, x_t = t data + (1 - t) noise, at each time.

    This is the loss of flow matching. Its least value is not 0 but the variance of data - noise given
    x_t, so it compares models on the same data and says nothing alone.

    Args:
        field: with one row of condition a row of ``data``.
        data: shape ``[batch, *sample_shape]``.
        noise: standard normal, same shape.
        times: in [0, 1].

    Returns:
        float64, shape ``[len(times)]``.

    Examples:
        If data are standard normal too, data - noise says nothing about x_t at t = 1/2: the best velocity is
        0, and Var(data - noise) = 2 remains. Four pairs with these moments:

        >>> import torch
        >>> from fmq_theory import flow
        >>> from fmq_theory.flow.closed_forms import GaussianField
        >>> field = GaussianField.of(torch.zeros(1), torch.eye(1))
        >>> data = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
        >>> noise = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])
        >>> [round(error, 6) for error in flow.velocity_error(field, data, noise, [0.5]).tolist()]
        [2.0]
    """
    data, noise = data.to(field.dtype), noise.to(field.dtype)
    target = data - noise
    found = [(field.velocity(torch.lerp(noise, data, t), t) - target).double().square().mean() for t in times]
    return torch.stack(found)
