r"""Proven bounds of the Jacobian of a Gaussian mixture's field: over a ball and along a segment.

Notation of ``mixture_field``. J = sum r_k A_k + Cov, Cov = Cov_r(v, g) = k Cov_r(v), k = t/(1 - t), and
g_j - g_i = k (v_j - v_i). Let D_v, D_g, D_A bound the diameters of the v_k, g_k, A_k over the ball, and
let V_v, V_g, V_A bound the variance under r of u.v_k, u.g_k, u^T A_k w for all unit vectors u, w and all
points of the ball. Two bounds of a variance are used and the smaller one is taken:

* Popoviciu: a variable with range D has a variance of at most D^2/4;
* pairs: Var = (1/2) sum_ij r_i r_j (y_i - y_j)^2, with r_i r_j <= min(1/4, rbar_i rbar_j).

Here rbar_k >= r_k on the ball: r_k = 1 / sum_j exp(l_j - l_k), l_k = log(w_k p_k), and l_j - l_k has the
gradient g_j - g_k, which on the ball is at most |g_j - g_k|(center) + ||C_j^-1 - C_k^-1|| radius.

**Spectrum.** Cov is positive semidefinite, so min_k lambda_min(A_k) <= lambda(J) and
lambda_max(J) <= max over r <= rbar of sum r_k lambda_max(A_k), plus sqrt(V_v V_g).

**Variation.** Along a unit vector h, D_h r_k = r_k (g_k - gbar).h. Hence for a unit vector u

    D_h u^T J u = Cov_r(u^T A u, g.h) + k E_r[(u.(v - vbar))^2 (g - gbar).h] + 2 k Cov_r(u^T A h, u.v),

whose terms are at most sd_A sd_g, k V_v D_g = sd_v sd_g D_g and 2 k sd_A sd_v = 2 sd_A sd_g. As J is
symmetric, ||J(x) - J(center)|| <= radius (3 sd_A sd_g + sd_v sd_g D_g).

Everything is exact up to float64 rounding.
"""

import torch
from torch import Tensor

from fmq_theory.flow.jacobian_ball import JacobianBall
from fmq_theory.flow.linear_algebra import eigenvalues, lengths, singular_values, spectral_norms
from fmq_theory.flow.mixture_parts import Components, Mixture

__all__ = ["jacobian_ball", "theta_lipschitz"]


def jacobian_ball(field: Mixture, center: Tensor, radius: Tensor, t: float) -> JacobianBall:
    """The Jacobian over balls: ``center`` ``[batch, d]``, ``radius`` ``[batch]``. See the module's text."""
    parts = field.components(center, t)
    jacobian = field.jacobian(center, t)
    slope_gap = _norms(parts.slope)
    score_gap = _gaps(parts.score) + _norms(parts.precision) * radius[:, None, None]
    velocity_gap = _gaps(parts.velocity) + slope_gap * radius[:, None, None]
    largest = _largest_responsibility(parts, score_gap, radius)
    pair = (largest[:, :, None] * largest[:, None, :]).clamp(max=0.25)
    sd_slope = _variance(slope_gap.expand_as(pair), pair).sqrt()
    sd_score = _variance(score_gap, pair).sqrt()
    sd_velocity = _variance(velocity_gap, pair).sqrt()

    diameter = score_gap.flatten(1).max(dim=1).values
    variation = radius * sd_score * (3.0 * sd_slope + sd_velocity * diameter)

    rates = eigenvalues(parts.slope)
    at_center = eigenvalues(jacobian)
    lower = torch.maximum(rates.min(), at_center[:, 0] - variation)
    upper = torch.minimum(
        _greatest_mean(rates[:, -1], largest) + sd_velocity * sd_score, at_center[:, -1] + variation
    )
    return JacobianBall(jacobian, variation, torch.maximum(upper.abs(), lower.abs()), upper)


def theta_lipschitz(field: Mixture, quantized: Mixture, x: Tensor, t: float, pieces: int = 4) -> Tensor:
    r"""L with |v_theta'(x, t) - v_theta(x, t)| <= L |theta' - theta|, theta' quantized; ``[batch]``.

    On a piece of the segment from theta to theta', with y_k = x - t m_k and w_k = C_k^-1 y_k,

        dv_k = (1 - t) C_k^-1 (dm_k + t dS_k w_k),
        dl_k = dlogit_k + t w_k.dm_k + (t^2/2)(w_k^T dS_k w_k - tr C_k^-1 dS_k),   dS = dF F^T + F dF^T,
        dv = sum r_k dv_k + sum r_k (v_k - vbar) dl_k.

    Let c_k bound the eigenvalues of C_k from below on the piece, by Weyl's inequality for the singular
    values: sigma_min(F_s) >= (sigma_min(F_0) + sigma_min(F_1) - ||F_1 - F_0||)/2. |y_k|, ||F_k|| and |F_k|
    are convex, so at most their larger end. Then |dv_k| and |dl_k| are at most linear forms of |dm_k|, |dF_k|
    and |dlogit_k|. They bound how far v_k - v_j and l_k - l_j move from the start of the piece, hence
    |v_k - vbar| and r_k <= rbar_k, and |dv| <= sum r_k X_k.|dtheta_k| with coefficients X_k, which is at most
    |dtheta| times the smaller of max |X_k| and the root of sum rbar_k^2 |X_k|^2. Parameters that
    quantization left alone are not counted.
    """
    found = torch.zeros(len(x), dtype=x.dtype)
    for index in range(pieces):
        ends = [_between(field, quantized, (index + side) / pieces) for side in (0, 1)]
        found = torch.maximum(found, _theta_lipschitz(ends[0], ends[1], x, t))
    return found


def _theta_lipschitz(first: Mixture, last: Mixture, x: Tensor, t: float) -> Tensor:
    change = {name: last.parameters[name] - tensor for name, tensor in first.parameters.items()}
    ends = (first, last)
    singular = [singular_values(end.factors) for end in ends]
    gap = spectral_norms(change["factors"])
    least = ((singular[0][:, -1] + singular[1][:, -1] - gap) / 2.0).clamp(min=0.0)
    spread = (1.0 - t) ** 2 + t * t * (least.square() + first.floor)
    widest = torch.maximum(singular[0][:, 0], singular[1][:, 0])
    frobenius = torch.stack([lengths(end.factors) for end in ends]).amax(dim=0)
    score = torch.stack([lengths(x[:, None] - t * end.means, 2) for end in ends]).amax(dim=0) / spread

    size = {name: lengths(part) for name, part in change.items() if part.ndim > 1}
    v_by_mean = ((1.0 - t) / spread).expand_as(score)
    v_by_factor = v_by_mean * 2.0 * t * widest * score
    l_by_mean = t * score
    l_by_factor = t * t * (widest * score.square() + frobenius / spread)
    v_moves = v_by_mean * size["means"] + v_by_factor * size["factors"]
    l_moves = l_by_mean * size["means"] + l_by_factor * size["factors"] + change["logits"].abs()

    start = first.components(x, t)
    l = start.log_density
    # A component does not move away from itself.
    others = 1.0 - torch.eye(len(first.logits), dtype=x.dtype)
    ahead = l[:, None, :] - l[:, :, None] - others * (l_moves[:, None, :] + l_moves[:, :, None])
    largest = torch.exp(-torch.logsumexp(ahead, dim=2)).clamp(max=1.0)
    distance = _gaps(start.velocity) + others * (v_moves[:, :, None] + v_moves[:, None, :])
    from_mean = torch.minimum(distance.amax(dim=2), (largest[:, None, :] * distance).sum(dim=2))

    parts = {
        "means": v_by_mean + from_mean * l_by_mean,
        "factors": v_by_factor + from_mean * l_by_factor,
        "logits": from_mean,
    }
    squares = [part.square() for name, part in parts.items() if bool((change[name] != 0).any())]
    if not squares:
        return torch.zeros(len(x), dtype=x.dtype)
    each = torch.stack(squares).sum(dim=0)
    return torch.minimum(each.amax(dim=1), (largest.square() * each).sum(dim=1)).sqrt()


def _between(field: Mixture, quantized: Mixture, share: float) -> Mixture:
    """The field with parameters theta + share (theta' - theta)."""
    other = quantized.parameters
    return field.with_parameters(
        {name: torch.lerp(tensor, other[name], share) for name, tensor in field.parameters.items()}
    )


def _gaps(vectors: Tensor) -> Tensor:
    """|y_i - y_j| of ``[batch, K, d]``, as ``[batch, K, K]``."""
    return lengths(vectors[:, :, None] - vectors[:, None], 3)


def _norms(matrices: Tensor) -> Tensor:
    """||Y_i - Y_j|| of symmetric ``[K, d, d]``, as ``[K, K]``."""
    return eigenvalues(matrices[:, None] - matrices[None]).abs().amax(dim=2)


def _largest_responsibility(parts: Components, score_gap: Tensor, radius: Tensor) -> Tensor:
    """rbar_k >= r_k on the ball, ``[batch, K]``."""
    l = parts.log_density
    least = l[:, None, :] - l[:, :, None] - score_gap * radius[:, None, None]  # [batch, k, j]: l_j - l_k
    return torch.exp(-torch.logsumexp(least, dim=2)).clamp(max=1.0)


def _variance(gap: Tensor, pair: Tensor) -> Tensor:
    """Bound of the variance in any direction, from distances and products r_i r_j; ``[batch]``."""
    popoviciu = gap.flatten(1).max(dim=1).values.square() / 4.0
    return torch.minimum(popoviciu, 0.5 * (pair * gap.square()).flatten(1).sum(dim=1))


def _greatest_mean(rates: Tensor, largest: Tensor) -> Tensor:
    """max of sum r_k rate_k over 0 <= r <= rbar with sum 1: fill the largest rates first."""
    order = torch.argsort(rates, descending=True)
    room = largest[:, order]
    before = torch.cumsum(room, dim=1) - room
    taken = torch.minimum(room, (1.0 - before).clamp(min=0.0))
    return (taken * rates[order]).sum(dim=1)
