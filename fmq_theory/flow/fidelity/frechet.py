r"""The Fréchet distance of two sets of features: W2 between the Gaussians with their moments.

With means m and covariances S, FD = |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a^(1/2) S_b S_a^(1/2))^(1/2)). All
covariances here are 1/n, those of the empirical law itself. Then for *paired* rows, without any assumption,

    sqrt FD(a, b) <= rms |a_i - b_i|,

because the pairing is one coupling of the two laws, and W2 of the Gaussians with the same moments is at most
W2 of the laws (Gelbrich). FD is a metric squared (Bures-Wasserstein), so
|sqrt FD(a, c) - sqrt FD(b, c)| <= sqrt FD(a, b).

With A, B the centred rows over sqrt n, the last trace is the nuclear norm of A B^T, and

    tr(S_a + S_b - 2 (...)^(1/2)) = min over orthogonal U of ||A - U B||_F^2.

The right side is a sum of squares, so near-equal sets lose no digits; the left side is a difference.

Reference:
    Gelbrich, Math. Nachr. 147 (1990); Bhatia, Jain, Lim, Expo. Math. 37 (2019), section 3; theory of the
    toolkit, section 7.
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from fmq_theory.errors import FlowError

__all__ = ["FeatureSet", "frechet_distance", "paired_rms"]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSet:
    """What the distance needs of a set of features.

    Attributes:
        mean: ``[d]``, float64.
        root: C with C^T C the 1/n covariance, ``[min(n, d), d]``.
        count: n.
    """

    mean: Tensor
    root: Tensor
    count: int

    @classmethod
    def of(cls, features: Tensor) -> "FeatureSet":
        """From rows ``[n, d]``.

        Args:
            features: one row a sample, shape ``[n, d]``.

        Raises:
            FlowError: another shape, no rows, or a number that is not finite.
        """
        if features.ndim != 2 or 0 in features.shape:
            raise FlowError(
                f"features of shape {tuple(features.shape)}",
                "they are not [samples, numbers]",
                "use a feature map that answers a vector a sample",
            )
        rows = features.detach().double()
        if not bool(torch.isfinite(rows).all()):
            raise FlowError("features", "some are nan or infinite", "check the feature map and its weights")
        mean = rows.mean(dim=0)
        root = (rows - mean) / math.sqrt(len(rows))
        if root.shape[0] > root.shape[1]:
            root = cast("tuple[Tensor, Tensor]", torch.linalg.qr(root, mode="r"))[1]  # pyright: ignore[reportUnknownMemberType]
        return cls(mean, root, len(rows))

    @property
    def dimension(self) -> int:
        """d."""
        return len(self.mean)


def frechet_distance(first: FeatureSet, second: FeatureSet) -> float:
    """FD = |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2)) of two empirical laws of features.

    Its root is a metric of Gaussian laws.

    Args:
        first: features of one set of samples, ``[n, d]``.
        second: features of the other set, with the same d; the number of samples may differ.

    Returns:
        In squared units of the features.

    Raises:
        FlowError: the sets have features of different dimension.

    Reference:
        gelbrich1990formula; theory section 7 (docs/theory/s7-from-samples-to-fid.md).

    Examples:
        >>> import torch
        >>> from fmq_theory.flow.fidelity import FeatureSet, frechet_distance
        >>> points = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
        >>> first, second = FeatureSet.of(points), FeatureSet.of(points + 3.0)
        >>> round(frechet_distance(first, second), 9)  # the same spread, means 3 apart
        9.0
    """
    if first.dimension != second.dimension:
        raise FlowError(
            f"features of {first.dimension} and {second.dimension} numbers",
            "no distance between them exists",
            "use the same feature map for both",
        )
    rows = max(len(first.root), len(second.root))
    a, b = _padded(first.root, rows), _padded(second.root, rows)
    left, _, right = cast("tuple[Tensor, Tensor, Tensor]", torch.linalg.svd(a @ b.mT))  # pyright: ignore[reportUnknownMemberType]
    spread = (a - left @ right @ b).square().sum()
    return float((first.mean - second.mean).square().sum() + spread)


def paired_rms(first: Tensor, second: Tensor) -> float:
    """rms |a_i - b_i| of paired rows ``[n, d]``: at least the root of their Fréchet distance.

    Args:
        first: a, one row a sample.
        second: b, of the same shape: row i belongs to row i of ``first``.

    Returns:
        In the units of the features.

    Raises:
        FlowError: the shapes differ.

    Reference:
        theory section 7 (docs/theory/s7-from-samples-to-fid.md), the paired inequality.

    Examples:
        Rows in another order are the same law, so that the distance is 0, but other pairs:

        >>> import torch
        >>> from fmq_theory.flow.fidelity import FeatureSet, frechet_distance, paired_rms
        >>> rows = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
        >>> paired_rms(rows, rows.flip(0))
        2.0
        >>> round(frechet_distance(FeatureSet.of(rows), FeatureSet.of(rows.flip(0))), 6)
        0.0
    """
    if first.shape != second.shape or first.ndim != 2 or not len(first):
        raise FlowError(
            f"features of shapes {tuple(first.shape)} and {tuple(second.shape)}",
            "their rows are no pairs",
            "pass the features of samples from the same noise, in the same order",
        )
    return float((first.double() - second.double()).square().sum(dim=1).mean().sqrt())


def _padded(root: Tensor, rows: int) -> Tensor:
    return torch.cat([root, root.new_zeros(rows - len(root), root.shape[1])])
