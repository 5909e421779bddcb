"""Differential entropy h = -int f ln f of each family, in nats, on its natural scale.

For a law with f = e^{-g} the integral is E g(X), and each E g(X) below is elementary or a digamma value:

* Student-t: E ln(1 + X^2/nu) = psi((nu+1)/2) - psi(nu/2);
* generalized Gaussian: E |X|^beta = 1/beta;
* two-sided Gamma: E ln|X| = psi(k), E|X| = k.

Reference:
    Cover, Thomas, Elements of Information Theory, 2nd ed., table 17.1.
"""

from collections.abc import Callable
from typing import cast

from flint import arb

from fmq_theory.certify.enclosure import ball
from fmq_theory.certify.families_shaped import GeneralizedGaussian, StudentT, TwoSidedGamma
from fmq_theory.certify.law import Law
from fmq_theory.errors import CertificationError

__all__ = ["differential_entropy"]


def differential_entropy(law: Law) -> arb:
    """h in nats, at the working precision.

    Raises:
        CertificationError: no formula for this family.
    """
    formula = _FORMULAS.get(law.name)
    if formula is None:
        raise CertificationError(
            f"entropy of {law.label()}", "no closed form is known here", "choose another family"
        )
    return formula(law)


def _gaussian(_law: Law) -> arb:
    return ((2 * arb.pi()).log() + 1) / 2


def _laplace(_law: Law) -> arb:
    return 1 + arb(2).log()


def _logistic(_law: Law) -> arb:
    return arb(2)


def _uniform(_law: Law) -> arb:
    return arb(2).log()


def _student_t(law: Law) -> arb:
    nu = ball(cast(StudentT, law).df)
    half, more = nu / 2, (nu + 1) / 2
    log_norm = nu.log() / 2 + arb.pi().log() / 2 + half.lgamma() - more.lgamma()
    return more * (more.digamma() - half.digamma()) + log_norm


def _generalized_gaussian(law: Law) -> arb:
    inverse = 1 / ball(cast(GeneralizedGaussian, law).beta)
    return inverse + (2 * inverse).log() + inverse.lgamma()


def _gamma(law: Law) -> arb:
    k = ball(cast(TwoSidedGamma, law).shape)
    return k + arb(2).log() + k.lgamma() + (1 - k) * k.digamma()


_FORMULAS: dict[str, Callable[[Law], arb]] = {
    "gaussian": _gaussian,
    "laplace": _laplace,
    "logistic": _logistic,
    "uniform": _uniform,
    "student-t": _student_t,
    "generalized-gaussian": _generalized_gaussian,
    "gamma": _gamma,
}
