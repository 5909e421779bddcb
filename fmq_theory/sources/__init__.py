"""The laws of weights, one family a file; data are one more source."""

from fmq_theory.errors import SourceError
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.gamma import TwoSidedGamma
from fmq_theory.sources.gaussian import Gaussian
from fmq_theory.sources.generalized_gaussian import GeneralizedGaussian
from fmq_theory.sources.laplace import Laplace
from fmq_theory.sources.logistic import Logistic
from fmq_theory.sources.sorted_rows import SortedRows
from fmq_theory.sources.source import (
    MagnitudeRange,
    Membership,
    Parameter,
    PartialMoments,
    PointDensity,
    Source,
    Tail,
)
from fmq_theory.sources.student_t import StudentT
from fmq_theory.sources.symmetric import SymmetricSource
from fmq_theory.sources.uniform import Uniform

__all__ = [
    "FAMILIES",
    "Empirical",
    "Gaussian",
    "GeneralizedGaussian",
    "Laplace",
    "Logistic",
    "MagnitudeRange",
    "Membership",
    "Parameter",
    "PartialMoments",
    "PointDensity",
    "SortedRows",
    "Source",
    "StudentT",
    "SymmetricSource",
    "Tail",
    "TwoSidedGamma",
    "Uniform",
    "make",
]

FAMILIES: dict[str, type[SymmetricSource]] = {
    "gaussian": Gaussian,
    "laplace": Laplace,
    "logistic": Logistic,
    "student-t": StudentT,
    "generalized-gaussian": GeneralizedGaussian,
    "gamma": TwoSidedGamma,
    "uniform": Uniform,
}


def make(name: str, **parameters: float) -> SymmetricSource:
    """The law of the family ``name``; a parameter that is not given takes its default.

    Args:
        name: a key of ``FAMILIES``.
        parameters: of the family, by name: ``loc``, ``scale``, and ``df``, ``beta`` or ``shape`` where it has
            one.

    Raises:
        SourceError: an unknown family or parameter (the message names the choices), or a value
            outside its domain.

    Examples:
        >>> from fmq_theory import sources
        >>> law = sources.make("student-t", df=5)
        >>> round(law.variance(), 6)  # df / (df - 2)
        1.666667
        >>> law.tail.kind, law.tail.index
        ('regular', 5.0)
    """
    if name not in FAMILIES:
        raise SourceError(f"source {name!r}", "no such family", f"choose one of {', '.join(FAMILIES)}")
    family = FAMILIES[name]
    defaults = {parameter.name: parameter.default for parameter in family.parameters}
    unknown = [key for key in parameters if key not in defaults]
    if unknown:
        raise SourceError(
            f"{name}: {', '.join(unknown)}", "no such parameter", f"choose from {', '.join(defaults)}"
        )
    return family(**{**defaults, **parameters})
