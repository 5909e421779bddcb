"""Certificates: what was proven, as JSON that another program can re-verify.

A certificate states a fact and the data that make it checkable. Each enclosure is two exact decimal strings,
rounded outwards to ``digits`` places, so that a fact has one certificate of so many digits and no
other. ``proofs_check/check_certificate.py`` verifies them with mpmath alone, and lists what it verifies.
Three kinds:

* ``constant``: C_PD of a law;
* ``sum``: S_inf, S_N or S_nu;
* ``codebook``: levels, thresholds and distortion of a stationary codebook; where it is proven to be the best
  one of all, or of the symmetric ones, the least distortion too and the argument. A codebook that is not
  proven to be the best one is certified as stationary, and no more is said of it.

``fmq codebook --json`` carries one of the third kind, beside that codebook at a chosen standard deviation.
"""

from fractions import Fraction

from fmq_theory.certify.codebooks import OptimalCodebook
from fmq_theory.certify.constants import panter_dite_constant
from fmq_theory.certify.enclosure import Enclosure, Exact, exact
from fmq_theory.certify.law import Law
from fmq_theory.certify.sums import exponential_partial_sum, exponential_sum, regular_sum
from fmq_theory.errors import CertificationError

__all__ = ["FORMAT", "certifiable_digits", "codebook_certificate", "constant_certificate", "sum_certificate"]

FORMAT = "fmq-certificate-2"
_MOST_DIGITS = 60
_GUARD = 7
"""Places beyond ``digits`` to which a value must be known, for its outward rounding to be the only one."""

Json = dict[str, object]


def constant_certificate(law: Law, *, digits: int = 30) -> Json:
    """C_PD = (1/12) (int f^{1/3})^3 of the law on its natural scale, for a second program to check.

    Args:
        law: the source, with exact parameters.
        digits: wanted decimal places.

    Returns:
        JSON values that ``proofs_check/check_certificate.py`` re-verifies.

    Raises:
        CertificationError: the integral of f^(1/3) diverges, or its digits cannot be proven.
    """
    return {
        "format": FORMAT,
        "kind": "constant",
        "statement": f"(1/12) (integral of f^(1/3))^3 of {law.label()}, unit scale, lies in 'value'",
        "law": _law(law),
        "digits": digits,
        "value": _ends(panter_dite_constant(law, digits=digits + 2 * _GUARD), digits, "value"),
        "verify": ["the integral of f^(1/3), cubed, divided by 12"],
    }


def sum_certificate(*, index: Exact | None = None, num_terms: int | None = None, digits: int = 30) -> Json:
    """S_nu for a tail ``index``, S_N for ``num_terms``, S_inf for neither.

    Args:
        index: nu > 2, exact, for S_nu; None for S_N or S_inf.
        num_terms: N >= 0, for S_N; None for S_nu or S_inf.
        digits: wanted decimal places.

    Returns:
        JSON values that ``proofs_check/check_certificate.py`` re-verifies.

    Raises:
        CertificationError: both are given.
    """
    if index is not None and num_terms is not None:
        raise CertificationError("sum certificate", "S_nu and S_N are different sums", "give one of the two")
    more = digits + 2 * _GUARD
    if index is not None:
        name, value = f"S_nu, nu = {exact(index)}", regular_sum(index, digits=more)
    elif num_terms is not None:
        name, value = f"S_N, N = {num_terms}", exponential_partial_sum(num_terms, digits=more)
    else:
        name, value = "S_inf", exponential_sum(digits=more)
    return {
        "format": FORMAT,
        "kind": "sum",
        "statement": f"{name} lies in 'value'",
        "index": None if index is None else str(exact(index)),
        "num_terms": num_terms,
        "digits": digits,
        "value": _ends(value, digits, "value"),
        "verify": ["the sum by its definition"],
    }


def codebook_certificate(result: OptimalCodebook, *, digits: int = 30) -> Json:
    """Levels, thresholds and distortion, with the claim about optimality and its argument.

    Args:
        result: what ``optimal_codebook`` or ``optimal_symmetric_codebook`` returned.
        digits: decimal places that are written, at most as many as were proven.

    Returns:
        JSON values that ``proofs_check/check_certificate.py`` re-verifies.

    Raises:
        CertificationError: the codebook was proven to fewer digits.

    Examples:
        >>> from fmq_theory import certify
        >>> best = certify.optimal_codebook(certify.law("uniform"), 2, digits=40)
        >>> certify.codebook_certificate(best, digits=4)["thresholds"]
        [{'lower': '0', 'upper': '0'}]
    """
    book = result.codebook
    optimal = result.verdict == "CERTIFIED"
    distortion = _ends(book.distortion, digits, "distortion")
    return {
        "format": FORMAT,
        "kind": "codebook",
        "statement": (
            f"one stationary codebook of {book.law.label()}, unit scale, has its {book.num_levels} levels in "
            f"'levels', its thresholds in 'thresholds' and its distortion in 'distortion'; {_claim(result)}"
        ),
        "law": _law(book.law),
        "num_levels": book.num_levels,
        "digits": digits,
        "levels": [_ends(level, digits, "levels") for level in book.levels],
        "thresholds": [_ends(threshold, digits, "thresholds") for threshold in book.thresholds],
        "distortion": distortion,
        "optimum": dict(distortion) if optimal else None,
        "among": result.among if optimal else None,
        "verdict": "CERTIFIED" if optimal else "STATIONARY",
        "argument": result.proof if optimal else "none: that no codebook is better is not claimed",
        "verify": [
            "each threshold is the mean of its two levels",
            "Newton's iteration from the levels ends in them",
            "the distortion from the moments of the cells",
            "the argument for optimality, where one is claimed",
        ],
    }


def certifiable_digits(result: OptimalCodebook) -> int:
    """The most ``digits`` of which ``codebook_certificate`` can be written; 0 where it cannot be of any.

    Args:
        result: what ``optimal_codebook`` or ``optimal_symmetric_codebook`` returned.

    Returns:
        A whole number, at most 60: a second program takes no more.
    """
    book, places = result.codebook, _MOST_DIGITS
    radius = max(value.radius for value in (*book.levels, *book.thresholds, book.distortion))
    while places and radius * 10 ** (places + _GUARD) > 1:
        places -= 1
    return places


def _claim(result: OptimalCodebook) -> str:
    if result.verdict != "CERTIFIED":
        return "whether another codebook has a smaller distortion is not said"
    of = "all codebooks" if result.among == "all" else "all symmetric codebooks"
    return f"it is the least distortion of {of} of that size, 'optimum'"


def _law(law: Law) -> Json:
    return {"family": law.name, "parameters": {key: str(value) for key, value in law.parameters().items()}}


def _ends(value: Enclosure, digits: int, what: str) -> dict[str, str]:
    if value.radius > Fraction(1, 10 ** (digits + _GUARD)):
        raise CertificationError(
            f"certificate of {digits} digits",
            f"{what!r} holds a number whose proven radius is {float(value.radius):.2g}",
            f"prove it to more digits first, as digits={digits + 3 * _GUARD}, or certify fewer",
        )
    return value.rounded(digits).to_json()
