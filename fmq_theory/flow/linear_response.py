r"""G3, linear response: what the error of the samples is to first order in the error itself.

x_n is the full-precision path of a sampler, Psi and Psi_q its steps with either field. Exactly

    e_{n+1} = [Psi_q(x_n + e_n) - Psi_q(x_n)] + d_n,    e_0 = 0,    d_n = Psi_q(x_n) - Psi(x_n).

The response replaces the bracket by its derivative at e = 0,

    y_{n+1} = D Psi_q(x_n) y_n + d_n,    y_0 = 0,

the sampler's own form of y' = J_q y + (v_q - v). Only the full-precision path is run. It is signed and no
bound. A step leaves out |D^2 Psi_q| |e_n|^2/2, so e_n - y_n = O(|dtheta|^2), and nothing where the quantized
field is affine. With the Jacobian of the full-precision field in place of J_q the order is 2 as well, but a
step leaves out (J_q - J) e_n too, which is most of the gap when weights move much.

A tensor of weights l responds alone with the derivative (d Psi/d theta_l) dtheta_l in place of d_n and D Psi
in place of D Psi_q; these responses add up to the derivative of the samples in the direction dtheta.

Reference: Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, section I.14 (Alekseev,
Groebner); lemma S6c of ``proofs_check``.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fmq_theory.flow.differentiation import joint_products, products
from fmq_theory.flow.field import VelocityField
from fmq_theory.flow.samplers import Sampler, Trajectory, Velocity, get_sampler

__all__ = ["first_order", "linear_response", "local_differences", "steps_of"]


def local_differences(quantized: VelocityField, path: Trajectory, sampler: str | Sampler) -> Tensor:
    """d_n = Psi_q(x_n) - x_{n+1} along the full-precision ``path``, ``[steps, batch, ...]``."""
    method = get_sampler(sampler)
    found = torch.empty_like(path.states[1:])
    for n, (t, h) in enumerate(steps_of(path)):
        found[n] = method.step(quantized.velocity, path.states[n], t, h) - path.states[n + 1]
    return found


def linear_response(
    quantized: VelocityField, path: Trajectory, local: Tensor, sampler: str | Sampler, rows: int = 32
) -> Tensor:
    """y of the module's text, ``[steps + 1, batch, ...]``; ``rows`` samples at once.

    Args:
        quantized: the field whose Jacobians carry the response.
        path: trajectory of the full-precision field.
        local: as ``local_differences`` returns it.
        sampler: that of the trajectory.
        rows: bounds the memory.
    """
    method = get_sampler(sampler)
    response = torch.zeros_like(path.states)
    for n, (t, h) in enumerate(steps_of(path)):
        for start in range(0, path.states.shape[1], rows):
            part = slice(start, min(path.states.shape[1], start + rows))
            velocity = quantized.select(torch.arange(part.start, part.stop)).velocity

            def step(x: Tensor, velocity: Velocity = velocity, t: float = t, h: float = h) -> Tensor:
                return method.step(velocity, x, t, h)

            carried = products(step, path.states[n, part]).forward(response[n, part])
            response[n + 1, part] = carried + local[n, part]
    return response


def first_order(
    field: VelocityField,
    path: Trajectory,
    changes: Sequence[Mapping[str, Tensor]],
    sampler: str | Sampler,
    rows: int = 32,
) -> Tensor:
    """Derivative of the samples at t = 1 in each direction of the weights, ``[len(changes), batch, ...]``.

    y_{n+1} = D Psi(x_n) y_n + (d Psi/d theta) change: one product in (x, theta) a step and direction.
    """
    method = get_sampler(sampler)
    names = sorted({name for change in changes for name in change})
    weights = [field.parameters[name] for name in names]
    response = torch.zeros((len(changes), *path.end.shape), dtype=path.end.dtype, device=path.end.device)
    for n, (t, h) in enumerate(steps_of(path)):
        for start in range(0, len(path.end), rows):
            part = slice(start, min(len(path.end), start + rows))
            chosen = field.select(torch.arange(part.start, part.stop))

            def step(
                at: Sequence[Tensor], chosen: VelocityField = chosen, t: float = t, h: float = h
            ) -> Tensor:
                theta = dict(zip(names, at[1:], strict=True))
                return method.step(chosen.with_parameters(theta).velocity, at[0], t, h)

            at = joint_products(step, [path.states[n, part], *weights])
            for index, change in enumerate(changes):
                tangents = [response[index, part], *(change.get(name) for name in names)]
                response[index, part] = at.forward(tangents)
    return response


def steps_of(path: Trajectory) -> list[tuple[float, float]]:
    """(t_n, h_n) as the samplers form them."""
    steps = path.steps
    return [(n / steps, (n + 1) / steps - n / steps) for n in range(steps)]
