"""Certificates: what was proven, as JSON that another program can re-verify.

A certificate states a fact and the data that make it checkable: enclosures as two exact decimal strings,
rounded outwards to ``digits`` places. ``proofs_check/check_certificate.py`` verifies them with mpmath
alone. Three kinds:

* ``constant``: C_PD of a law;
* ``sum``: S_inf, S_N or S_nu;
* ``codebook``: levels, thresholds and distortion of a stationary codebook, and what is claimed about
  its optimality. A checker can redo the contraction and the distortion; it must trust the named
  argument (log-concavity, or the global search) for optimality among all codebooks.
"""

from fmq_theory.certify.codebooks import OptimalCodebook
from fmq_theory.certify.constants import panter_dite_constant
from fmq_theory.certify.enclosure import Enclosure, Exact, exact
from fmq_theory.certify.law import Law
from fmq_theory.certify.sums import exponential_partial_sum, exponential_sum, regular_sum
from fmq_theory.errors import CertificationError

__all__ = ["FORMAT", "codebook_certificate", "constant_certificate", "sum_certificate"]

FORMAT = "fmq-certificate-1"

Json = dict[str, object]


def constant_certificate(law: Law, *, digits: int = 30) -> Json:
    """C_PD of the law on its natural scale."""
    return {
        "format": FORMAT,
        "kind": "constant",
        "statement": f"(1/12) (integral of f^(1/3))^3 of {law.label()}, unit scale, lies in 'value'",
        "law": _law(law),
        "value": panter_dite_constant(law, digits=digits).rounded(digits).to_json(),
        "verify": ["quadrature of f^(1/3), cubed, divided by 12"],
    }


def sum_certificate(*, index: Exact | None = None, num_terms: int | None = None, digits: int = 30) -> Json:
    """S_nu for a tail ``index``, S_N for ``num_terms``, S_inf for neither.

    Raises:
        CertificationError: both are given.
    """
    if index is not None and num_terms is not None:
        raise CertificationError("sum certificate", "S_nu and S_N are different sums", "give one of the two")
    if index is not None:
        name, value = f"S_nu, nu = {exact(index)}", regular_sum(index, digits=digits)
    elif num_terms is not None:
        name, value = f"S_N, N = {num_terms}", exponential_partial_sum(num_terms, digits=digits)
    else:
        name, value = "S_inf", exponential_sum(digits=digits)
    return {
        "format": FORMAT,
        "kind": "sum",
        "statement": f"{name} lies in 'value'",
        "index": None if index is None else str(exact(index)),
        "num_terms": num_terms,
        "value": value.rounded(digits).to_json(),
        "verify": ["partial sum", "remainder between an integral and an integral plus one term"],
    }


def codebook_certificate(result: OptimalCodebook, *, digits: int = 30) -> Json:
    """Levels, thresholds and distortion, with the claim about optimality and its argument."""
    book = result.codebook
    return {
        "format": FORMAT,
        "kind": "codebook",
        "statement": (
            f"one stationary codebook of {book.law.label()}, unit scale, has its {book.num_levels} levels in "
            "'levels', its thresholds in 'thresholds' and its distortion in 'distortion'; the least "
            "distortion of all codebooks of that size lies in 'optimum'"
        ),
        "law": _law(book.law),
        "num_levels": book.num_levels,
        "levels": [_short(level, digits) for level in book.levels],
        "thresholds": [_short(threshold, digits) for threshold in book.thresholds],
        "distortion": _short(book.distortion, digits),
        "optimum": _short(result.optimum, digits),
        "verdict": result.verdict,
        "argument": result.proof,
        "verify": [
            "each threshold is the mean of its two levels",
            "a Newton step from the centre stays inside the levels, and contracts",
            "the distortion by quadrature",
            "the optimum's upper end is not below the distortion's lower end",
        ],
    }


def _law(law: Law) -> Json:
    return {"family": law.name, "parameters": {key: str(value) for key, value in law.parameters().items()}}


def _short(value: Enclosure, digits: int) -> dict[str, str]:
    return value.rounded(digits).to_json()
