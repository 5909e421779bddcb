"""The three quantities that a codebook has on weights of a law, and what theory says of each."""

from dataclasses import dataclass

from fmq_theory.bounds.bound import Bound
from fmq_theory.brief import brief_repr

__all__ = ["NOTHING", "Prediction", "Statements"]


@dataclass(frozen=True, slots=True)
class Statements:
    """What theory says of one quantity.

    Attributes:
        exact: its value, in closed form or by quadrature; None where it is not known.
        upper: proven upper bound, or None.
        lower: proven lower bound, or None.
        high_rate: asymptotic law, or for data an estimate; None if there is none.
        missing: why there is nothing, in words; empty if there is something.
    """

    exact: Bound | None = None
    upper: Bound | None = None
    lower: Bound | None = None
    high_rate: Bound | None = None
    missing: str = ""

    __repr__ = brief_repr


NOTHING = Statements(missing="no theory of this scheme")


@dataclass(frozen=True, slots=True)
class Prediction:
    """Theory about one scheme at one K, for a law of n weights or for given weights.

    A bound belongs to one of three quantities, which differ by a factor 1 + 2/m or so at m = n/K weights a
    level:

    Attributes:
        law: the error, on the law, of the codebook that is designed on the law; nothing for data.
        own: the error of the codebook designed on n weights, on these weights: for a law its mean over
            samples, for data the number itself.
        fresh: the mean error of the same codebook on weights that it has not seen, that is, on the law;
            nothing for data.
        order: p in D = O(K^-p) up to logarithms, with n fixed and far more than K; None where theory claims
            none.
    """

    law: Statements
    own: Statements
    fresh: Statements
    order: float | None

    __repr__ = brief_repr
