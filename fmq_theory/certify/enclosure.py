"""A number that is known to lie between two exact rationals.

Everything that leaves the certify room is an ``Enclosure``: the balls of Arb are working material,
and a float never counts as certified. Conversions to shorter forms always round outwards.
"""

import math
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

from flint import arb, ctx, fmpq

from fmq_theory.brief import brief_repr
from fmq_theory.errors import CertificationError

__all__ = ["Enclosure", "Exact", "ball", "exact", "precision"]

Exact = int | str | Fraction
"""What counts as exact input: an integer, a decimal or ``p/q`` string, a Fraction; never a float."""


@contextmanager
def precision(bits: int) -> Generator[None]:
    """Arb's working precision inside the block, restored afterwards.

    Args:
        bits: of the mantissa of every ball, at least 32.

    Raises:
        CertificationError: fewer than 32 bits.
    """
    if bits < 32:
        raise CertificationError(
            f"precision of {bits} bits", "ball arithmetic needs some guard bits", "ask for at least 32 bits"
        )
    before = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = before


def exact(value: Exact) -> Fraction:
    """The rational that ``value`` denotes.

    Args:
        value: a whole number, a fraction, or a string as "0.1", "1/3" or "1e-5"; never a float.

    Raises:
        CertificationError: a float (its decimal meaning is ambiguous) or a malformed string.

    Examples:
        >>> from fmq_theory import certify, errors
        >>> certify.exact("0.1")
        Fraction(1, 10)
        >>> try:
        ...     certify.exact(0.1)
        ... except errors.CertificationError as error:
        ...     print(error.cause)
        a float or other type does not say which exact number is meant
    """
    # The annotation forbids a float, but callers read tables from files.
    if isinstance(value, (int, str, Fraction)) and not isinstance(value, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        try:
            return Fraction(value)
        except (ValueError, ZeroDivisionError):
            cause = "it is not a finite decimal or a quotient"
    else:
        cause = "a float or other type does not say which exact number is meant"
    raise CertificationError(f"number {value!r}", cause, "write it as 3, '0.1' or '7/2'")


def ball(value: "Exact | Enclosure | arb") -> arb:
    """The ball, at the working precision, around an exact number or an enclosure.

    Args:
        value: an exact number (see ``exact``), an enclosure, or a ball, which is returned as it is.

    Returns:
        A ball that holds the value; of radius 0 where the precision holds it exactly.
    """
    if isinstance(value, arb):
        return value
    if isinstance(value, Enclosure):
        return ball(value.lower).union(ball(value.upper))
    rational = exact(value)
    return arb(fmpq(rational.numerator, rational.denominator))


def _dyadic(point: arb) -> Fraction:
    mantissa, exponent = (int(part) for part in point.man_exp())
    return Fraction(mantissa << exponent) if exponent >= 0 else Fraction(mantissa, 1 << -exponent)


def _decimal(value: Fraction) -> str:
    """Exact decimal expansion where it is finite, else ``p/q``."""
    denominator, twos, fives = value.denominator, 0, 0
    while denominator % 2 == 0:
        denominator, twos = denominator // 2, twos + 1
    while denominator % 5 == 0:
        denominator, fives = denominator // 5, fives + 1
    if denominator != 1:
        return f"{value.numerator}/{value.denominator}"
    places = max(twos, fives)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


@dataclass(frozen=True, slots=True)
class Enclosure:
    """lower <= true value <= upper, both ends exact.

    Arithmetic is exact on the ends, so it never loses the enclosure (the ends grow in length).

    Attributes:
        lower: an exact number that the true value is not below.
        upper: an exact number that the true value is not above; in the unit of ``lower``.

    Raises:
        CertificationError: the ends are out of order.

    Examples:
        What the digits do not decide is answered by None:

        >>> from fmq_theory.certify import Enclosure
        >>> third = Enclosure.of("1/3").rounded(4)
        >>> float(third.lower), float(third.upper)
        (0.3333, 0.3334)
        >>> third.less_than("0.34"), third.less_than("0.33"), third.less_than("0.33335")
        (True, False, None)
        >>> third.contains("1/3"), (third * 3).contains(1)
        (True, True)
    """

    lower: Fraction
    upper: Fraction

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        if self.lower > self.upper:
            raise CertificationError(
                f"enclosure [{float(self.lower)!r}, {float(self.upper)!r}]",
                "its lower end lies above its upper end",
                "swap the ends, or look for the computation that lost the true value",
            )

    @classmethod
    def of(cls, value: "arb | Exact | Enclosure") -> "Enclosure":
        """The enclosure that a ball or an exact number stands for.

        Args:
            value: an Arb ball, an exact number (see ``exact``), or an enclosure, which is returned as it is.

        Returns:
            The ball's two ends as rationals; a number as both ends.

        Raises:
            CertificationError: the ball is not finite: nothing was certified.
        """
        if isinstance(value, Enclosure):
            return value
        if not isinstance(value, arb):
            rational = exact(value)
            return cls(rational, rational)
        if not value.is_finite():
            raise CertificationError(
                "ball arithmetic",
                "the enclosure reached is not finite",
                "raise the precision or shrink the box",
            )
        return cls(_dyadic(value.lower()), _dyadic(value.upper()))

    @classmethod
    def hull(cls, *parts: "Enclosure") -> "Enclosure":
        """The smallest enclosure that holds all ``parts``.

        Args:
            parts: enclosures in one unit, at least one.

        Returns:
            From the least lower end to the greatest upper end.
        """
        return cls(min(part.lower for part in parts), max(part.upper for part in parts))

    @property
    def midpoint(self) -> Fraction:
        """(lower + upper) / 2."""
        return (self.lower + self.upper) / 2

    @property
    def radius(self) -> Fraction:
        """(upper - lower) / 2."""
        return (self.upper - self.lower) / 2

    @property
    def lower_float(self) -> float:
        """Largest float known not to exceed the value."""
        return -_round_up(-self.lower)

    @property
    def upper_float(self) -> float:
        """Smallest float known not to fall below the value."""
        return _round_up(self.upper)

    def __float__(self) -> float:
        """The midpoint, for display and plots only: a float carries no certificate."""
        return float(self.midpoint)

    def contains(self, other: "Exact | Enclosure") -> bool:
        """Whether the number, or the whole other enclosure, lies inside.

        Args:
            other: an exact number or an enclosure, in the same unit.
        """
        inner = Enclosure.of(other)
        return self.lower <= inner.lower and inner.upper <= self.upper

    def overlaps(self, other: "Enclosure") -> bool:
        """Whether the two can enclose one and the same number.

        Args:
            other: an enclosure in the same unit.

        Returns:
            False proves that the two true values differ.
        """
        return self.lower <= other.upper and other.lower <= self.upper

    def less_than(self, other: "Exact | Enclosure") -> bool | None:
        """Whether the true value is below ``other``: True or False where that is proven.

        Args:
            other: an exact number or an enclosure, in the same unit.

        Returns:
            None where the enclosures cannot tell.
        """
        right = Enclosure.of(other)
        if self.upper < right.lower:
            return True
        return False if self.lower >= right.upper else None

    def rounded(self, digits: int) -> "Enclosure":
        """A wider enclosure whose ends have ``digits`` places after the point.

        Args:
            digits: decimal places of both new ends, >= 0.

        Returns:
            The lower end rounded down and the upper end rounded up, so that the value stays inside.
        """
        scale = int(10**digits)
        return Enclosure(
            Fraction(math.floor(self.lower * scale), scale), Fraction(math.ceil(self.upper * scale), scale)
        )

    @property
    def certified_places(self) -> int:
        """Decimal places p such that rounding the midpoint to p places errs by less than 10**-p."""
        if self.radius == 0:
            return sys.maxsize
        places = max(0, math.floor(-math.log10(2 * _round_up(self.radius) or sys.float_info.min)))
        return places

    def decimal(self, digits: int = 30) -> str:
        """``"0.117482 +/- 1e-6"``: a decimal of ``digits`` places and a radius that is proven for it.

        Args:
            digits: decimal places of the number before the sign, >= 0.

        Returns:
            The text, in the unit of the value.
        """
        centre = Fraction(round(self.midpoint * 10**digits), 10**digits)
        error = max(centre - self.lower, self.upper - centre)
        sign, shown = ("-" if centre < 0 else ""), abs(centre)
        whole, rest = divmod(shown.numerator * 10**digits // shown.denominator, 10**digits)
        text = f"{sign}{whole}.{rest:0{digits}d}" if digits else f"{sign}{whole}"
        return text if error == 0 else f"{text} +/- {_scientific_up(error)}"

    def __str__(self) -> str:
        return self.decimal(min(self.certified_places, 40))

    def __neg__(self) -> "Enclosure":
        return Enclosure(-self.upper, -self.lower)

    def __add__(self, other: "Exact | Enclosure") -> "Enclosure":
        right = Enclosure.of(other)
        return Enclosure(self.lower + right.lower, self.upper + right.upper)

    def __sub__(self, other: "Exact | Enclosure") -> "Enclosure":
        return self + (-Enclosure.of(other))

    def __mul__(self, other: "Exact | Enclosure") -> "Enclosure":
        right = Enclosure.of(other)
        ends = [a * b for a in (self.lower, self.upper) for b in (right.lower, right.upper)]
        return Enclosure(min(ends), max(ends))

    def __truediv__(self, other: "Exact | Enclosure") -> "Enclosure":
        right = Enclosure.of(other)
        if right.lower <= 0 <= right.upper:
            raise CertificationError(
                "division", "the divisor's enclosure contains zero", "raise the precision of the divisor"
            )
        return self * Enclosure(1 / right.upper, 1 / right.lower)

    def to_json(self) -> dict[str, str]:
        """Both ends as exact decimals (``p/q`` where the decimal would not end)."""
        return {"lower": _decimal(self.lower), "upper": _decimal(self.upper)}

    @classmethod
    def from_json(cls, data: object) -> "Enclosure":
        """Inverse of ``to_json``, exactly.

        Args:
            data: what ``to_json`` returned, also after a journey through a file: a mapping with ``lower`` and
                ``upper``.

        Returns:
            The same enclosure.

        Raises:
            CertificationError: the two ends are missing or malformed.
        """
        match data:
            case {"lower": str(lower), "upper": str(upper)}:
                return cls(exact(lower), exact(upper))
            case _:
                raise CertificationError(
                    "enclosure in JSON", "it lacks the strings 'lower' and 'upper'", "use Enclosure.to_json"
                )


def _round_up(value: Fraction) -> float:
    try:
        nearest = float(value)
    except OverflowError:
        return math.inf if value > 0 else -sys.float_info.max
    return nearest if Fraction(nearest) >= value else math.nextafter(nearest, math.inf)


def _scientific_up(value: Fraction) -> str:
    """Two-digit scientific notation, rounded up; works far below the range of floats."""
    exponent = len(str(value.numerator)) - len(str(value.denominator)) - 1
    leading = math.ceil(value * Fraction(10) ** (1 - exponent))
    while leading >= 100:
        leading, exponent = -(-leading // 10), exponent + 1
    return f"{leading // 10}.{leading % 10}e{exponent}"
