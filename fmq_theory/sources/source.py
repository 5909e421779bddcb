"""What a law of weights is: the one interface that laws and data share."""

import abc
import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmq_theory.brief import brief_repr
from fmq_theory.errors import SourceError

__all__ = [
    "MagnitudeRange",
    "Membership",
    "Parameter",
    "PartialMoments",
    "PointDensity",
    "Source",
    "Tail",
]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a family: where it may lie, and where it usually does.

    Attributes:
        name: the field of the family's dataclass.
        domain: open interval of admissible values.
        typical: closed interval from which property tests draw.
        default: what a user gets who names the family alone; None if it must be given.
        description: one line for ``--help``.
    """

    name: str
    domain: tuple[float, float]
    typical: tuple[float, float]
    default: float
    description: str

    __repr__ = brief_repr

    def validate(self, value: float, family: str) -> None:
        """Refuses a value outside the domain.

        Args:
            value: of the parameter.
            family: the family's name, for the message.

        Raises:
            SourceError: ``value`` is not inside the domain, or is nan.
        """
        low, high = self.domain
        if not low < value < high:  # also catches nan
            raise SourceError(
                f"{family}: {self.name} = {value!r}",
                f"{self.name} ({self.description}) must lie strictly between {low:g} and {high:g}",
                f"choose for example {self.name} = {self.default:g}",
            )


@dataclass(frozen=True, slots=True)
class Tail:
    """How the survival function leaves the bulk, on each side alike.

    Attributes:
        index: the exponent for ``regular``; ``inf`` otherwise.
        log_constant: ln C, C in the units of the law to the power ``index``; ``nan`` unless ``regular``. C
            itself leaves the floats from some 270 degrees of freedom on, C**(1/index) never does.
        kind: ``bounded``: the support is an interval of finite length; ``exponential``: lighter than every
            power and unbounded (Gumbel domain of attraction); ``regular``: sf(x) ~ constant * x**-index as x
            grows.
    """

    kind: Literal["bounded", "exponential", "regular"]
    index: float = math.inf
    log_constant: float = math.nan

    @property
    def constant(self) -> float:
        """C; ``inf`` or 0 where it is no float, which ``log_constant`` always is."""
        return float(np.exp(np.float64(self.log_constant))) if self.log_constant < 709.0 else math.inf


@dataclass(frozen=True, slots=True)
class Membership:
    """Whether a law belongs to a class, and why.

    Attributes:
        holds: True only where it is proven.
        reason: the inequality that decides it, in one line.
    """

    holds: bool
    reason: str

    __repr__ = brief_repr


class PartialMoments(NamedTuple):
    """M_p = E[(X - about)^p; a <= X < b] for p = 0, 1, 2; each of the broadcast shape of a, b.

    Attributes:
        mass: M_0 = P(a <= X < b).
        first: M_1, in the source's units.
        second: M_2, in squared units of the source.
    """

    mass: FloatArray
    first: FloatArray
    second: FloatArray

    __repr__ = brief_repr


class MagnitudeRange(NamedTuple):
    """Smallest and largest |X| on one side of zero; None stands for it where that side is empty.

    Attributes:
        smallest: positive, in the units of the weights.
        largest: not below it, in the units of the weights.
    """

    smallest: float
    largest: float


class PointDensity(Protocol):
    """A law of which only the quantile function is needed, such as an escort law."""

    def ppf(self, q: ArrayLike) -> FloatArray:
        """The quantile function: the x below which the share q of the mass lies.

        Args:
            q: probabilities from 0 to 1, of any shape.

        Returns:
            In the units of the weights, of the shape of ``q``.
        """
        ...


class Source(abc.ABC):
    """The law mu of one weight.

    Conventions: ``pdf cdf sf ppf isf`` mean what they mean in scipy.stats; every array argument
    broadcasts; results are float64. A cell is half open, [a, b). Infinite moments are ``inf``;
    one that does not exist raises SourceError.
    """

    __slots__ = ()

    name: ClassVar[str]

    @property
    @abc.abstractmethod
    def support(self) -> tuple[float, float]:
        """Smallest closed interval of mass one."""

    @property
    @abc.abstractmethod
    def tail(self) -> Tail:
        """Class, index and constant of the tail."""

    @abc.abstractmethod
    def pdf(self, x: ArrayLike) -> FloatArray:
        """Density f.

        Args:
            x: places in the units of the weights, of any shape.

        Returns:
            Per unit of x, of the shape of ``x``; ``inf`` at a pole.

        Raises:
            SourceError: data, which have no density.
        """

    @abc.abstractmethod
    def cdf(self, x: ArrayLike) -> FloatArray:
        """F(x) = P(X <= x).

        Args:
            x: places in the units of the weights, of any shape.

        Returns:
            Probabilities of the shape of ``x``.
        """

    @abc.abstractmethod
    def sf(self, x: ArrayLike) -> FloatArray:
        """P(X > x), accurate in the upper tail.

        Args:
            x: places in the units of the weights, of any shape.

        Returns:
            Probabilities of the shape of ``x``.
        """

    @abc.abstractmethod
    def ppf(self, q: ArrayLike) -> FloatArray:
        """Inverse of ``cdf``.

        Args:
            q: probabilities from 0 to 1, of any shape.

        Returns:
            In the units of the weights, of the shape of ``q``; nan outside [0, 1].
        """

    @abc.abstractmethod
    def isf(self, q: ArrayLike) -> FloatArray:
        """Inverse of ``sf``, accurate for small ``q``.

        Args:
            q: probabilities from 0 to 1, of any shape.

        Returns:
            In the units of the weights, of the shape of ``q``; nan outside [0, 1].
        """

    @abc.abstractmethod
    def moment(self, order: int) -> float:
        """E[X**order]; ``inf`` where infinite.

        Args:
            order: p, a whole number >= 0.

        Returns:
            In the units of the weights to the power p.

        Raises:
            SourceError: an odd moment of a law whose absolute moment is infinite does not exist.
        """

    @abc.abstractmethod
    def partial_moments(self, a: ArrayLike, b: ArrayLike, *, about: ArrayLike = 0.0) -> PartialMoments:
        """M_p = E[(X - about)**p; a <= X < b], p = 0, 1, 2, in closed form.

        ``about`` removes the cancellation that c*c*mass - 2*c*first + second suffers in a narrow
        cell far from zero: pass the cell's level and the result keeps its relative accuracy.
        Requires a <= b elementwise; the edges may be infinite.

        Args:
            a: lower edges of the cells, in the units of the weights, of any shape.
            b: upper edges, broadcast with ``a``.
            about: the point that moments are taken about, broadcast with the edges; 0 unless given.

        Returns:
            M_0, M_1 and M_2, each of the broadcast shape.
        """

    @abc.abstractmethod
    def absolute_moment(self, order: float) -> float:
        """E|X - c|**order about the law's centre c (of symmetry for a law, the mean for data); maybe ``inf``.

        Args:
            order: a real number >= 1.

        Raises:
            SourceError: the order is below 1.
        """

    @property
    @abc.abstractmethod
    def inverse_cube_root_convex(self) -> Membership:
        """Whether the support is one interval on which f > 0 and f**(-1/3) is convex.

        Then f is called (-1/3)-concave (Borell 1975). Every log-concave density is; T3b gives D_LM(K) <=
        C_PD / K^2 at every K on this class.
        """

    @abc.abstractmethod
    def density_power_integral(self, beta: float) -> float:
        """I(beta) = integral of f**beta over the support; ``inf`` where it diverges.

        Args:
            beta: the exponent, without unit; it may be negative.

        Returns:
            In the units of the weights to the power 1 - beta.
        """

    @abc.abstractmethod
    def escort(self, alpha: float) -> PointDensity:
        """The law with density f**alpha / I(alpha): the point density of the power compander.

        Args:
            alpha: the exponent, without unit: 1/3 is Panter and Dite's, 1 the law itself.

        Raises:
            SourceError: I(alpha) is infinite.
        """

    @abc.abstractmethod
    def density_sup(self, a: ArrayLike, b: ArrayLike) -> FloatArray:
        """sup of f over [a, b]; ``inf`` where the density is unbounded or does not exist.

        Args:
            a: lower ends of intervals, in the units of the weights, of any shape.
            b: upper ends, broadcast with ``a``.

        Returns:
            Per unit of x, of the broadcast shape.
        """

    @abc.abstractmethod
    def differential_entropy(self) -> float:
        """h = -integral of f ln f, in nats.

        Raises:
            SourceError: the law has no density.
        """

    @abc.abstractmethod
    def sample(self, n: int, *, rng: np.random.Generator) -> FloatArray:
        """``n`` independent draws, shape ``[n]``.

        Args:
            n: how many draws.
            rng: where the randomness comes from; it is advanced.

        Returns:
            In the units of the weights, shape ``[n]``.
        """

    @abc.abstractmethod
    def typical_range(self, n: int) -> tuple[float, float]:
        """Smallest and largest of ``n`` weights: their medians for a law, themselves for data.

        Args:
            n: weights a sample, n >= 1; of data, which have a range of their own, it changes nothing.

        Returns:
            (smallest, largest), in the units of the weights.
        """

    @abc.abstractmethod
    def typical_magnitudes(self, n: int) -> tuple[MagnitudeRange | None, MagnitudeRange | None]:
        """Range of |X| below zero and above zero among ``n`` weights, exact zeros left out.

        Args:
            n: weights a sample, n >= 1; of data, which have magnitudes of their own, it changes nothing.

        Returns:
            The magnitudes of the negative weights, then those of the positive ones; None for a side without
            weights.
        """

    @abc.abstractmethod
    def standard_deviation_one(self) -> "Source":
        """The same law moved to mean 0 and scaled to variance 1.

        Raises:
            SourceError: the variance is infinite or zero.
        """

    def mean(self) -> float:
        """E[X]."""
        return self.moment(1)

    def variance(self) -> float:
        """Var X; ``inf`` where infinite."""
        second = self.moment(2)
        if math.isinf(second):
            return math.inf
        low, high = self.support
        mean = self.mean()
        return float(self.partial_moments(low, np.nextafter(high, math.inf), about=mean).second)

    def hazard(self, x: ArrayLike) -> FloatArray:
        """r(x) = f(x) / sf(x), per unit of x.

        Args:
            x: places in the units of the weights, of any shape.

        Returns:
            Of the shape of ``x``.
        """
        return self.pdf(x) / self.sf(x)
