"""Products with Jacobians, forward and backward, by reverse differentiation alone.

J^T u is one backward pass. It is linear in u, so a backward pass through *it* gives J v: twice as fast here
as forward differentiation, and the graph is made once for any number of products. No row of a batch sees
another one, so one product of the batch is one product a sample.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

__all__ = ["Map", "Products", "joint_products", "products"]

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Products:
    """v -> J v and u -> J^T u at fixed points, a row each.

    Attributes:
        value: of the function there.
        forward: J v.
        backward: J^T u.
    """

    value: Tensor
    forward: Map
    backward: Map


@dataclass(frozen=True, slots=True, eq=False)
class JointProducts:
    """The same for a function of several tensors: J (v_1, ..., v_k) = sum J_i v_i, and (J_i^T u)_i.

    Attributes:
        value: of the function.
        forward: J_i v_i summed over the given places i; None stands for 0.
        backward: J_i^T u for all i.
    """

    value: Tensor
    forward: Callable[[Sequence[Tensor | None]], Tensor]
    backward: Callable[[Tensor], list[Tensor]]


def products(function: Map, x: Tensor) -> Products:
    """Products with the Jacobian of ``function`` at ``x``."""
    joint = joint_products(lambda points: function(points[0]), [x])
    return Products(joint.value, lambda v: joint.forward([v]), lambda u: joint.backward(u)[0])


def joint_products(function: Callable[[Sequence[Tensor]], Tensor], at: Sequence[Tensor]) -> JointProducts:
    """Products with the derivatives of ``function`` by each of the tensors ``at``."""
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
        inputs = [each.detach().requires_grad_(True) for each in at]
        value = function(inputs)
        cotangent = torch.zeros_like(value, requires_grad=True)
        pulled = _gradients([value], inputs, [cotangent], create=True)

    def forward(tangents: Sequence[Tensor | None]) -> Tensor:
        given = [(back, v) for back, v in zip(pulled, tangents, strict=True) if v is not None]
        return _gradients([back for back, _ in given], [cotangent], [v for _, v in given])[0]

    return JointProducts(value.detach(), forward, lambda u: _gradients([value], inputs, [u]))


def _gradients(
    outputs: list[Tensor], inputs: list[Tensor], weights: list[Tensor], *, create: bool = False
) -> list[Tensor]:
    """Sum over outputs of weight times derivative by each input; 0 where nothing depends on it."""
    pairs = [(y, w) for y, w in zip(outputs, weights, strict=True) if y.requires_grad]
    if not pairs:
        return [torch.zeros_like(each) for each in inputs]
    found = torch.autograd.grad(
        [y for y, _ in pairs],
        inputs,
        [w for _, w in pairs],
        retain_graph=True,
        create_graph=create,
        materialize_grads=True,
    )
    return list(found)
