r"""The ladder: bounds of the error of samples that quantized weights make, rung by rung, at every step.

x_n is the path of the full-precision field and xhat_n that of the quantized one, from the same noise, by
the same sampler with steps Psi and Psi_q; e_n = xhat_n - x_n. Exactly

    e_{n+1} = [Psi_q(xhat_n) - Psi_q(x_n)] + d_n,    d_n = Psi_q(x_n) - Psi(x_n),

so y_{n+1} = K_n y_n + ||d_n||, y_0 = 0, bounds ||e_n|| whenever K_n bounds the Jacobian of Psi_q on the
segment from x_n to xhat_n: the *quantized* step, and the whole segment. The rungs differ in K_n only
(``step_growth``), so g4 <= g2 <= g1, and each is a theorem about the sampled paths at any step size; as
h -> 0 they tend to Groenwall's bounds of the flows, with L_x (g1) and the logarithmic norm (g2, g4). Rung
g0 has global constants: ||d_n|| <= D (P - 1)/L with D = L_theta |dtheta| and the growth P of a step, 1 + h L
for Euler, else 1 + h L + (h L)^2/2; as P <= e^(h L), the steps add up to at most D (e^(L t) - 1)/L. The rung
"secant" has K_n = |Psi_q(xhat_n) - Psi_q(x_n)| / |e_n| itself: it shows what the triangle inequality loses.

Reference: theory of the toolkit, section 6; lemmas S6a, S6b, S6c of ``proofs_check``.
"""

import math
from typing import Any, cast

import torch
from torch import Tensor

from fmq_theory.errors import FlowError
from fmq_theory.flow.closed_forms import CertifiedField
from fmq_theory.flow.constants import theta_lipschitz_hat
from fmq_theory.flow.field import VelocityField
from fmq_theory.flow.ladder_result import Ladder
from fmq_theory.flow.linear_algebra import lengths
from fmq_theory.flow.linear_response import linear_response, local_differences, steps_of
from fmq_theory.flow.samplers import Sampler, Trajectory, get_sampler, sample
from fmq_theory.flow.step_growth import Effort, StepGrowth, route_of, stage_of, step_growth

__all__ = ["Effort", "changed_weights", "ladder"]

_GROWING = ("g1", "g2", "g4")


def ladder(
    field: VelocityField,
    quantized: VelocityField,
    noise: Tensor,
    steps: int,
    sampler: str | Sampler = "heun",
    effort: Effort | None = None,
) -> Ladder:
    """All rungs for a batch of shared noise ``[batch, *sample_shape]``.

    Work: linear in steps, batch and pieces. The constants take about ``10 pieces iterations`` products a
    step where samples are large, ``2 pieces d`` where they have d <= 64 numbers.

    Raises:
        FlowError: the fields differ in their weights' names, or a state or velocity is not finite.

    Examples:
        The mean of a Gaussian is off by 0.1, and so is every sample. The sharper the rung, the closer:

        >>> import torch
        >>> from fmq_theory.flow.closed_forms import GaussianField
        >>> from fmq_theory.flow.ladder import ladder
        >>> field = GaussianField.of(torch.zeros(2), torch.diag(torch.tensor([4.0, 0.25])))
        >>> moved = field.with_parameters({"mean": torch.tensor([0.1, 0.0], dtype=torch.float64)})
        >>> found = ladder(field, moved, torch.ones(1, 2), steps=16)
        >>> [f"{rung} {found.bounds[rung][-1].item():.2f}" for rung in ("g0", "g1", "g2", "g4")]
        ['g0 0.32', 'g1 0.11', 'g2 0.10', 'g4 0.10']
        >>> round(found.error[-1].item(), 6), found.certified, found.broken()
        (0.1, True, ())
    """
    effort = effort or Effort()
    method = get_sampler(sampler)
    stage_of(method)
    change = changed_weights(field, quantized)
    path, hat = sample(field, noise, steps, method), sample(quantized, noise, steps, method)
    local = local_differences(quantized, path, method)
    generator = torch.Generator().manual_seed(effort.seed)
    growth = [
        step_growth(quantized, method, (path.states[n], hat.states[n]), t, h, effort, generator)
        for n, (t, h) in enumerate(steps_of(path))
    ]
    error = _row_norms(hat.states - path.states)
    sizes = _row_norms(local)
    factors = {rung: torch.stack([each.factors[rung] for each in growth]) for rung in _GROWING}
    factors["secant"] = _secant(hat, path, local, error)

    weight_change = math.sqrt(math.fsum(float(part.double().square().sum()) for part in change.values()))
    theta = _theta_lipschitz(field, quantized, path, method, list(change), effort, generator)
    overall = max(
        float(torch.stack([each.lipschitz for each in growth]).max()),
        _between_stages(field, quantized, path, method),
    )
    bounds = {"g0": _global(path.times, theta * weight_change, overall).expand_as(error).clone()}
    bounds |= {rung: _carried(factor, sizes) for rung, factor in factors.items()}
    response = linear_response(quantized, path, local, method, effort.rows)
    reach = torch.maximum(_row_norms(path.states), _row_norms(hat.states))
    return Ladder(
        sampler=method.name,
        certified=route_of(quantized) == "certified",
        times=path.times,
        error=error,
        bounds=bounds,
        response=_row_norms(response),
        response_gap=_row_norms(response - (hat.states - path.states)),
        local=sizes,
        amplification=factors,
        lipschitz=torch.stack([each.lipschitz for each in growth]),
        log_norm=torch.stack([each.log_norm for each in growth]),
        residual=_largest_residual(growth),
        theta_lipschitz=theta,
        weight_change=weight_change,
        rounding=_rounding(reach, factors["secant"], field.dtype),
    )


def changed_weights(field: VelocityField, quantized: VelocityField) -> dict[str, Tensor]:
    """theta_q - theta of the tensors that differ; empty where quantization lost nothing.

    Raises:
        FlowError: the names differ.
    """
    own, other = field.parameters, quantized.parameters
    if own.keys() != other.keys():
        raise FlowError(
            "the two fields",
            f"{sorted(own.keys() ^ other.keys())[:3]} are weights of one alone",
            "make the quantized field by with_parameters",
        )
    return {
        name: other[name] - tensor for name, tensor in own.items() if not torch.equal(other[name], tensor)
    }


def _carried(factor: Tensor, added: Tensor) -> Tensor:
    """y_{n+1} = K_n y_n + d_n, ``[N + 1, batch]``."""
    rows = [torch.zeros_like(added[0])]
    for gain, local in zip(factor, added, strict=True):
        rows.append(gain * rows[-1] + local)
    return torch.stack(rows)


def _global(times: Tensor, forcing: float, rate: float) -> Tensor:
    """D (e^(L t) - 1)/L, ``[N + 1, 1]``."""
    growth = torch.expm1(rate * times) / rate if rate > 0.0 else times
    return (forcing * growth)[:, None]


def _secant(hat: Trajectory, path: Trajectory, local: Tensor, error: Tensor) -> Tensor:
    """|Psi_q(xhat_n) - Psi_q(x_n)| / |e_n|; 1 where e_n = 0, which is then not amplified."""
    carried = _row_norms(hat.states[1:] - path.states[1:] - local)
    before = error[:-1]
    return torch.where(before > 0.0, carried / before, torch.ones_like(carried))


def _theta_lipschitz(
    field: VelocityField,
    quantized: VelocityField,
    path: Trajectory,
    sampler: Sampler,
    names: list[str],
    effort: Effort,
    generator: torch.Generator,
) -> float:
    """L_theta on the stages of the full-precision path: proven, or the largest of a sample of them."""
    c, _, b2 = stage_of(sampler)
    found = 0.0
    steps = steps_of(path)
    if isinstance(field, CertifiedField):
        other = cast(Any, quantized)  # same names and shapes of weights, so the same kind of field
        for n, (t, h) in enumerate(steps):
            x = path.states[n]
            found = max(found, float(field.theta_lipschitz(other, x, t).max()))
            if b2:
                z = x + c * h * field.velocity(x, t)
                found = max(found, float(field.theta_lipschitz(other, z, t + c * h).max()))
        return found
    if not names:
        return 0.0
    rows = torch.arange(min(effort.theta_samples, path.states.shape[1]))
    times = effort.theta_times
    picked = sorted({round(i * (len(steps) - 1) / max(1, times - 1)) for i in range(times)})
    for n in picked:
        for end in (field, quantized):
            x, t = path.states[n, rows], steps[n][0]
            here = theta_lipschitz_hat(end.select(rows), x, t, names, effort.iterations, generator=generator)
            found = max(found, float(here.value.max()))
    return found


def _between_stages(
    field: VelocityField, quantized: VelocityField, path: Trajectory, sampler: Sampler
) -> float:
    """L of the quantized field between the second stages of both fields from one x_n; g0 needs it.

    For fields without proven bounds L is an estimate anyway, and these short segments are left out.
    """
    c, _, b2 = stage_of(sampler)
    if not b2 or not isinstance(quantized, CertifiedField):
        return 0.0
    found = 0.0
    for n, (t, h) in enumerate(steps_of(path)):
        x = path.states[n]
        z, z_hat = (x + c * h * each.velocity(x, t) for each in (field, quantized))
        ball = quantized.jacobian_ball(0.5 * (z + z_hat), 0.5 * lengths(z_hat - z), t + c * h)
        found = max(found, float(ball.norm.max()))
    return found


def _largest_residual(growth: list[StepGrowth]) -> float:
    return max(float(each.residual.max()) for each in growth)


def _rounding(reach: Tensor, carried: Tensor, dtype: torch.dtype) -> Tensor:
    """What rounding may add to the left of the recursion: a few units in the last place of each state.

    It grows as the measured errors do, by the secant factor, so it cannot hide a constant that is too small.
    """
    unit = 16.0 * torch.finfo(dtype).eps * reach
    return unit + _carried(carried, unit[1:])


def _row_norms(states: Tensor) -> Tensor:
    """||.|| of every step and sample, ``[steps, batch]``."""
    return lengths(states, 2)
