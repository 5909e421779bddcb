"""The seven families in ball arithmetic by name, each symmetric and on its natural scale."""

from collections.abc import Mapping
from dataclasses import fields

from fmq_theory.certify.enclosure import Exact, exact
from fmq_theory.certify.families_fixed import Gaussian, Laplace, Logistic, Uniform
from fmq_theory.certify.families_shaped import GeneralizedGaussian, StudentT, TwoSidedGamma
from fmq_theory.certify.law import Law
from fmq_theory.errors import CertificationError

__all__ = ["LAWS", "law"]

LAWS: dict[str, type[Law]] = {
    "gaussian": Gaussian,
    "laplace": Laplace,
    "logistic": Logistic,
    "student-t": StudentT,
    "generalized-gaussian": GeneralizedGaussian,
    "gamma": TwoSidedGamma,
    "uniform": Uniform,
}

# Smallest admissible value of each shape parameter (excluded): the variance must be finite.
_ABOVE: dict[str, int] = {"df": 2, "beta": 0, "shape": 0}


def law(name: str, parameters: Mapping[str, Exact] | None = None) -> Law:
    """The law ``name`` with exact shape parameters, e.g. ``law("student-t", {"df": 3})``.

    Args:
        name: a key of ``LAWS``.
        parameters: shape parameters by name, each an exact number (see ``exact``); none for families without.

    Returns:
        The law on its natural scale: centre 0, scale 1.

    Raises:
        CertificationError: unknown name, missing or unknown parameter, value outside its domain or
            not exact.

    Examples:
        >>> from fmq_theory import certify
        >>> certify.law_variance(certify.law("student-t", {"df": "5/2"})).contains(5)  # df / (df - 2)
        True
    """
    family = LAWS.get(name)
    if family is None:
        raise CertificationError(f"law {name!r}", "no such family", f"choose one of {', '.join(LAWS)}")
    wanted = [field.name for field in fields(family)]
    given = {key: exact(value) for key, value in (parameters or {}).items()}
    if sorted(given) != sorted(wanted):
        raise CertificationError(
            f"law {name!r} with parameters {sorted(given)}",
            f"it takes exactly the parameters {sorted(wanted)}",
            "pass each of them once, as an int, a string or a Fraction",
        )
    for key, value in given.items():
        if value <= _ABOVE[key]:
            raise CertificationError(
                f"{name}: {key} = {value}", f"{key} must exceed {_ABOVE[key]}", "choose a larger value"
            )
    return family(**given)
