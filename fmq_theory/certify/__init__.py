"""Ball arithmetic: what fmq_theory states as certified is proven here.

Numbers
    ``Enclosure``            lower <= value <= upper, exact rationals; comparisons answer True, False or None
    ``precision(bits)``      Arb's working precision inside a block
    ``exact``, ``ball``      exact input (int, decimal string, Fraction; never a float) and Arb balls
Laws (symmetric, natural scale)
    ``law(name, parameters)``, ``LAWS``, ``Law``: partial moments, quantiles, int f^p both ways
Constants and sums
    ``panter_dite_constant``, ``law_variance``, ``normalized_constant``
    ``exponential_sum`` and ``exponential_sum_by_integral`` (S_inf), ``exponential_partial_sum`` (S_N),
    ``regular_sum`` (S_nu)
    ``absolute_moment``, ``pierce_bound``: E|X|^p, and an upper bound of every law's optimum
Tools
    ``integrate``, ``integrate_half_line``, ``integrate_with_tails``
    ``interval_newton``, ``certified_root``, ``krawczyk``, ``certified_zero``, ``Tridiagonal``
Quantizers
    ``optimal_codebook``, ``optimal_symmetric_codebook``, ``stationary_codebook``
    ``codebook_distortion``, ``check_codebook``
    ``equal_mass_distortion``, ``equal_mass_levels``, ``tail_cell_bound``
    ``optimal_uniform``, ``uniform_distortion``: equal steps, centred on 0
    ``optimal_equal_steps``: step and offset; ``best_multiple``, ``best_affine_map``: of any table of levels
Counterexamples
    ``BlockLaw``, ``SpikeLaw``, ``three_blocks``: piecewise constant densities, in exact rationals
Certificates
    ``constant_certificate``, ``sum_certificate``, ``codebook_certificate``: JSON that
    ``proofs_check/check_certificate.py`` re-verifies with mpmath alone

Every function that certifies takes ``digits`` and either returns enclosures or raises
CertificationError; INCONCLUSIVE results carry the enclosure that was reached.
"""

from fmq_theory.certify.affine_optimum import BestMap, best_affine_map, best_multiple
from fmq_theory.certify.blocks import Block, BlockLaw, SpikeLaw, three_blocks
from fmq_theory.certify.certificate import (
    certifiable_digits,
    codebook_certificate,
    constant_certificate,
    sum_certificate,
)
from fmq_theory.certify.codebooks import (
    CodebookCheck,
    OptimalCodebook,
    check_codebook,
    codebook_distortion,
    optimal_codebook,
    optimal_symmetric_codebook,
)
from fmq_theory.certify.constants import law_variance, normalized_constant, panter_dite_constant
from fmq_theory.certify.enclosure import Enclosure, Exact, ball, exact, precision
from fmq_theory.certify.equal_mass import equal_mass_distortion, equal_mass_levels, tail_cell_bound
from fmq_theory.certify.equal_steps import EqualSteps, optimal_equal_steps
from fmq_theory.certify.families import LAWS, law
from fmq_theory.certify.integrals import integrate, integrate_half_line, integrate_with_tails
from fmq_theory.certify.law import Law, UpperMoments
from fmq_theory.certify.moments import absolute_moment, pierce_bound
from fmq_theory.certify.roots import Tridiagonal, certified_root, certified_zero, interval_newton, krawczyk
from fmq_theory.certify.stationary import LloydMaxSystem, StationaryCodebook, stationary_codebook
from fmq_theory.certify.sums import (
    exponential_partial_sum,
    exponential_sum,
    exponential_sum_by_integral,
    regular_sum,
)
from fmq_theory.certify.uniform import UniformOptimum, optimal_uniform, uniform_distortion

__all__ = [
    "LAWS",
    "BestMap",
    "Block",
    "BlockLaw",
    "CodebookCheck",
    "Enclosure",
    "EqualSteps",
    "Exact",
    "Law",
    "LloydMaxSystem",
    "OptimalCodebook",
    "SpikeLaw",
    "StationaryCodebook",
    "Tridiagonal",
    "UniformOptimum",
    "UpperMoments",
    "absolute_moment",
    "ball",
    "best_affine_map",
    "best_multiple",
    "certifiable_digits",
    "certified_root",
    "certified_zero",
    "check_codebook",
    "codebook_certificate",
    "codebook_distortion",
    "constant_certificate",
    "equal_mass_distortion",
    "equal_mass_levels",
    "exact",
    "exponential_partial_sum",
    "exponential_sum",
    "exponential_sum_by_integral",
    "integrate",
    "integrate_half_line",
    "integrate_with_tails",
    "interval_newton",
    "krawczyk",
    "law",
    "law_variance",
    "normalized_constant",
    "optimal_codebook",
    "optimal_equal_steps",
    "optimal_symmetric_codebook",
    "optimal_uniform",
    "panter_dite_constant",
    "pierce_bound",
    "precision",
    "regular_sum",
    "stationary_codebook",
    "sum_certificate",
    "tail_cell_bound",
    "three_blocks",
    "uniform_distortion",
]
