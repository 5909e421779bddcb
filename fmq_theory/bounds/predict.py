"""What theory says about a scheme by name: of the law's codebook, and of the one designed on n weights."""

import math
from collections.abc import Callable

from fmq_theory.bounds.bennett import OPTIMAL_ALPHA, bennett_high_rate, panter_dite_high_rate
from fmq_theory.bounds.bound import Bound
from fmq_theory.bounds.cells import equal_mass_upper_bound, power_compander_upper_bound
from fmq_theory.bounds.equal_mass import equal_mass_exact
from fmq_theory.bounds.equal_mass_rates import equal_mass_high_rate
from fmq_theory.bounds.finite_sample import (
    equal_mass_fresh_statements,
    equal_mass_own_statements,
    optimum_own_upper_bound,
    pwl_statements,
    uniform_own_statements,
)
from fmq_theory.bounds.hui_neuhoff import best_range_high_rate, best_range_upper_bound
from fmq_theory.bounds.logarithmic import log2_high_rate, log2_upper_bound
from fmq_theory.bounds.midpoint import midpoint_high_rate, midpoint_upper_bound
from fmq_theory.bounds.optimum import optimum_upper_bound, panter_dite_upper_bound
from fmq_theory.bounds.prediction import NOTHING, Prediction, Statements
from fmq_theory.bounds.second_order import optimum_second_order
from fmq_theory.bounds.uniform import uniform_high_rate, uniform_upper_bound
from fmq_theory.errors import SchemeError
from fmq_theory.sources import Source
from fmq_theory.sources.empirical import Empirical

__all__ = ["PREDICTED_SCHEMES", "lloyd_max_upper_bound", "predict"]


_HEAVY_TAIL_ALPHAS = (0.42, 0.5)

_Three = tuple[Statements, Statements, Statements]  # law, own, fresh
_LawRule = Callable[[Source, int, int], _Three]
_DataRule = Callable[[Empirical, int], Statements]


def lloyd_max_upper_bound(source: Source, num_levels: int) -> Bound:
    """The least of some bounds, each of a codebook with K levels: D_LM <= D of every codebook (T2a).

    They are the compander f^(1/3), which is best for large K, and equal mass (exact). For a law also the
    companders nearer to f^(1/2), better where cells by f^(1/3) reach too far into a heavy tail, the best
    uniform grid, and C_PD / K^2 where it is proven or else Pierce's bound (`optimum`).

    Args:
        source: the law, or data, of which the bound is one of the optimum on these data.
        num_levels: K >= 1.

    Returns:
        An upper bound in squared units of the source, with the reference of the one that is least.

    Reference:
        T2a (docs/theory/t2-two-transport-problems.md); T3b and pierce1970asymptotic
        (``optimum_upper_bound``).
    """
    candidates = [power_compander_upper_bound(source, OPTIMAL_ALPHA, num_levels)]
    candidates.append(equal_mass_exact(source, num_levels))
    if not isinstance(source, Empirical):  # for each of thousands of channels these would cost too much
        candidates += [power_compander_upper_bound(source, alpha, num_levels) for alpha in _HEAVY_TAIL_ALPHAS]
        candidates += [best_range_upper_bound(source, num_levels), optimum_upper_bound(source, num_levels)]
    best = min(candidates, key=lambda bound: bound.value)
    order = 2.0 if source.tail.index > 2 else None
    whose = (
        "of these weights" if isinstance(source, Empirical) else "of the law, codebook designed on the law"
    )
    return Bound(best.value, "upper", order, ("every K", whose), f"theory T2a with: {best.reference}")


# Rules for laws.


def _uniform(source: Source, num_levels: int, n: int) -> _Three:
    law = Statements(missing="its ends are extremes of n weights, of which a law has none")
    return law, uniform_own_statements(source, num_levels, n), Statements()


def _uniform_clipped(source: Source, num_levels: int, n: int) -> _Three:
    upper, high_rate = best_range_upper_bound(source, num_levels), best_range_high_rate(source, num_levels)
    # The range of the weights is a candidate of the search, which need not find the best of all ranges.
    own = Statements(upper=uniform_own_statements(source, num_levels, n).upper)
    return Statements(upper=upper, high_rate=high_rate), own, Statements()


def _equal_mass(source: Source, num_levels: int, n: int) -> _Three:
    law = Statements(
        exact=equal_mass_exact(source, num_levels),
        upper=equal_mass_upper_bound(source, num_levels),
        high_rate=equal_mass_high_rate(source, num_levels),
    )
    own = equal_mass_own_statements(source, num_levels, n)
    return law, own, equal_mass_fresh_statements(source, num_levels, n)


def _pwl(source: Source, num_levels: int, n: int) -> _Three:
    upper, high_rate = midpoint_upper_bound(source, num_levels, n), midpoint_high_rate(source, num_levels)
    return Statements(upper=upper, high_rate=high_rate), *pwl_statements(source, num_levels, n)


def _log2(source: Source, num_levels: int, n: int) -> _Three:
    upper, high_rate = log2_upper_bound(source, num_levels, n), log2_high_rate(source, num_levels, n)
    nothing = Statements(
        missing="its levels begin at the least magnitude of the sample: no finite-n theory here"
    )
    return Statements(upper=upper, high_rate=high_rate), nothing, nothing


def _lloyd_max(source: Source, num_levels: int, n: int) -> _Three:
    upper = lloyd_max_upper_bound(source, num_levels)
    law = Statements(upper=upper, high_rate=optimum_second_order(source, num_levels))
    return law, Statements(upper=optimum_own_upper_bound(source, num_levels, n, upper)), Statements()


def _power(alpha: float) -> _LawRule:
    def rule(source: Source, num_levels: int, _n: int) -> _Three:
        law = Statements(
            upper=power_compander_upper_bound(source, alpha, num_levels),
            high_rate=bennett_high_rate(source, alpha, num_levels),
        )
        nothing = Statements(
            missing="its cells follow a density estimated from the sample: no finite-n theory here"
        )
        return law, nothing, nothing

    return rule


def _panter_dite(source: Source, num_levels: int, n: int) -> _Three:
    law, own, fresh = _power(OPTIMAL_ALPHA)(source, num_levels, n)
    sharp = panter_dite_upper_bound(source, num_levels)  # T3b is about this codebook of the law
    upper = sharp if law.upper is None or sharp.value < law.upper.value else law.upper
    return Statements(upper=upper, high_rate=panter_dite_high_rate(source, num_levels)), own, fresh


def _no_theory(_source: Source, _num_levels: int, _n: int) -> _Three:
    return NOTHING, NOTHING, NOTHING


# Rules for data, whose own error is a number and not a mean.


def _uniform_data(source: Empirical, num_levels: int) -> Statements:
    upper = uniform_upper_bound(source, num_levels, source.size)
    return Statements(upper=upper, high_rate=uniform_high_rate(source, num_levels, source.size))


def _uniform_clipped_data(source: Empirical, num_levels: int) -> Statements:
    # The range of the data is one of the ranges, and its bound costs nothing for each of many channels.
    upper = uniform_upper_bound(source, num_levels, source.size)
    return Statements(upper=upper, high_rate=best_range_high_rate(source, num_levels))


def _equal_mass_data(source: Empirical, num_levels: int) -> Statements:
    upper = equal_mass_upper_bound(source, num_levels)
    return Statements(upper=upper, high_rate=equal_mass_high_rate(source, num_levels))


def _pwl_data(source: Empirical, num_levels: int) -> Statements:
    return Statements(upper=midpoint_upper_bound(source, num_levels, source.size))


def _log2_data(source: Empirical, num_levels: int) -> Statements:
    upper = log2_upper_bound(source, num_levels, source.size)
    return Statements(upper=upper, high_rate=log2_high_rate(source, num_levels, source.size))


def _panter_dite_data(source: Empirical, num_levels: int) -> Statements:
    upper = power_compander_upper_bound(source, OPTIMAL_ALPHA, num_levels)
    return Statements(upper=upper, high_rate=panter_dite_high_rate(source, num_levels))


def _lloyd_max_data(source: Empirical, num_levels: int) -> Statements:
    upper = lloyd_max_upper_bound(source, num_levels)
    return Statements(upper=upper, high_rate=panter_dite_high_rate(source, num_levels))


def _power_data(alpha: float) -> _DataRule:
    def rule(source: Empirical, num_levels: int) -> Statements:
        upper = power_compander_upper_bound(source, alpha, num_levels)
        return Statements(upper=upper, high_rate=bennett_high_rate(source, alpha, num_levels))

    return rule


def _no_theory_data(_source: Empirical, _num_levels: int) -> Statements:
    return NOTHING


_RULES: dict[str, tuple[_LawRule, _DataRule]] = {
    "uniform": (_uniform, _uniform_data),
    "uniform_clipped": (_uniform_clipped, _uniform_clipped_data),
    "equal_mass": (_equal_mass, _equal_mass_data),
    "pwl": (_pwl, _pwl_data),
    "log2": (_log2, _log2_data),
    "panter_dite": (_panter_dite, _panter_dite_data),
    "lloyd_max": (_lloyd_max, _lloyd_max_data),
    "ecq": (_no_theory, _no_theory_data),
    "nf4": (_no_theory, _no_theory_data),
    "fp4": (_no_theory, _no_theory_data),
}

PREDICTED_SCHEMES: tuple[str, ...] = tuple(_RULES)
"""The names that ``predict`` knows, besides ``power:ALPHA``, ``ecq:LAMBDA`` and ``published:RULE``."""

_OF_DATA = Statements(missing="these weights are the whole population")


def predict(scheme_name: str, source: Source, num_levels: int, sample_size: int) -> Prediction:
    """Theory for ``scheme_name`` with K levels on a law of ``sample_size`` weights, or on data.

    Args:
        scheme_name: one of ``PREDICTED_SCHEMES``, ``power:ALPHA`` (1: equal mass), ``ecq:LAMBDA``,
            ``published:RULE``.
        source: the law or data.
        num_levels: K >= 1.
        sample_size: n; ignored for data, which have their own size and range.

    Raises:
        SchemeError: an unknown scheme, or K < 1.

    Examples:
        Equal mass on 1,024 uniform weights at 8 bits, four weights a level, loses 40 % more than the law's
        codebook:

        >>> from fmq_theory import bounds, sources
        >>> found = bounds.predict("equal_mass", sources.make("uniform"), num_levels=256, sample_size=1024)
        >>> round(found.own.exact.value / found.law.exact.value, 3)
        1.402
    """
    if num_levels < 1:
        raise SchemeError(
            f"num_levels = {num_levels} for scheme {scheme_name!r}",
            "the number of levels K must be a positive integer",
            "pass 2**bits",
        )
    for_law, for_data = _rule(scheme_name)
    if isinstance(source, Empirical):
        if source.support[0] == source.support[1]:
            why = ("all weights are equal, so any scheme is exact",)
            return Prediction(
                _OF_DATA, Statements(upper=Bound(0.0, "upper", None, why, "definition")), _OF_DATA, None
            )
        own = for_data(source, num_levels)
        return Prediction(_OF_DATA, own, _OF_DATA, _order(own))
    if math.isinf(source.variance()):
        why = "the variance is infinite"
        infinite = Statements(upper=Bound(math.inf, "upper", None, (why,), "definition"), missing=why)
        nothing = Statements(missing=why)
        return Prediction(infinite, nothing, nothing, None)
    law, own, fresh = for_law(source, num_levels, sample_size)
    return Prediction(law, own, fresh, _order(law) or _order(own))


def _order(statements: Statements) -> float | None:
    """The order of the high-rate law, or of the bound."""
    known = (statements.high_rate, statements.upper)
    return next((bound.order for bound in known if bound is not None), None)


def _rule(scheme_name: str) -> tuple[_LawRule, _DataRule]:
    if scheme_name in _RULES:
        return _RULES[scheme_name]
    head, _, argument = scheme_name.partition(":")
    if head == "published":  # rounding in float32 is in no bound
        return _no_theory, _no_theory_data
    if argument:
        try:
            parameter = float(argument)
        except ValueError:
            parameter = math.nan
        if head == "ecq" and parameter >= 0:
            return _no_theory, _no_theory_data
        if head == "power" and math.isfinite(parameter):
            if parameter == 1.0:
                return _RULES["equal_mass"]
            if parameter == OPTIMAL_ALPHA:
                return _RULES["panter_dite"]
            return _power(parameter), _power_data(parameter)
    raise SchemeError(
        f"scheme {scheme_name!r}",
        "theory does not know it",
        f"choose one of {', '.join(PREDICTED_SCHEMES)}, power:ALPHA, ecq:LAMBDA",
    )
