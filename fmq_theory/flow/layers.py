"""Which layer's quantization hurts: the error of the samples when one tensor alone is quantized.

Measured, by running the sampler with one quantized tensor; and predicted to first order, by the linear
response to that tensor's change alone. The first-order responses add up to the response to all changes;
the measured errors need not. In squares they add up only as far as the layers' errors are orthogonal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fmq_theory.errors import FlowError
from fmq_theory.flow.constants import theta_lipschitz_hat
from fmq_theory.flow.field import VelocityField
from fmq_theory.flow.ladder import changed_weights
from fmq_theory.flow.linear_algebra import lengths
from fmq_theory.flow.linear_response import first_order
from fmq_theory.flow.samplers import Sampler, sample

__all__ = ["LayerShare", "layer_shares"]


@dataclass(frozen=True, slots=True)
class LayerShare:
    """One tensor's part in the error at t = 1; norms are root mean squares over the batch.

    Attributes:
        name: of the tensor.
        weight_change: |theta_q - theta| of this tensor.
        measured: rms ||e|| with this tensor alone quantized.
        predicted: rms ||y||, y the first-order response to this tensor's change.
        prediction_gap: rms ||y - e||.
        velocity_lipschitz: estimate of ||dv/dtheta|| for this tensor: the largest over a few samples at
            t = 0, 1/2 and 1 of lower estimates.
    """

    name: str
    weight_change: float
    measured: float
    predicted: float
    prediction_gap: float
    velocity_lipschitz: float


def layer_shares(
    field: VelocityField,
    quantized: VelocityField,
    noise: Tensor,
    steps: int,
    sampler: str | Sampler = "heun",
    *,
    names: Sequence[str] | None = None,
    rows: int = 32,
    lipschitz_samples: int = 1,
    iterations: int = 6,
    seed: int = 0,
) -> tuple[LayerShare, ...]:
    """The parts of the changed tensors, largest measured error first; none where nothing changed.

    Work: for each tensor one run of the sampler, and one Jacobian-vector product a step.

    Args:
        field: in full precision.
        quantized: the same field with other weights.
        noise: ``[batch, *sample_shape]``.
        steps: of the sampler.
        sampler: or its name.
        names: of the tensors to look at; all that changed by default.
        rows: samples differentiated at once; bounds the memory.
        lipschitz_samples: how many samples L_theta is estimated on; 0 leaves it out (nan).
        iterations: Lanczos steps for it.
        seed: of its random starts.

    Raises:
        FlowError: a name is not among the changed tensors.
    """
    change = changed_weights(field, quantized)
    names = list(change) if names is None else list(names)
    unknown = [name for name in names if name not in change]
    if unknown:
        raise FlowError(
            f"tensor {unknown[0]!r}", "it did not change", f"choose among {', '.join(list(change)[:5])}, ..."
        )
    if not names:
        return ()
    path = sample(field, noise, steps, sampler)
    responses = first_order(field, path, [{name: change[name]} for name in names], sampler, rows)
    generator = torch.Generator().manual_seed(seed)
    found: list[LayerShare] = []
    for name, response in zip(names, responses, strict=True):
        alone = field.with_parameters({name: quantized.parameters[name]})
        error = sample(alone, noise, steps, sampler).end - path.end
        lipschitz = float("nan")
        if lipschitz_samples > 0:
            index = torch.arange(min(lipschitz_samples, len(noise)))
            lipschitz = max(
                float(
                    theta_lipschitz_hat(
                        field.select(index),
                        path.states[n, index],
                        n / steps,
                        [name],
                        iterations,
                        generator=generator,
                    ).value.max()
                )
                for n in sorted({0, steps // 2, steps})
            )
        found.append(
            LayerShare(
                name,
                float(lengths(change[name], 0)),
                _rms(error),
                _rms(response),
                _rms(response - error),
                lipschitz,
            )
        )
    return tuple(sorted(found, key=lambda share: share.measured, reverse=True))


def _rms(rows: Tensor) -> float:
    return float(lengths(rows).square().mean().sqrt())
