"""All lemmas, in the order in which one uses another."""

from proofs_check import (
    panter_dite_constants,
    s4_minmax_uniform,
    s4_optimal_range,
    s5_ratio_em,
    s5_ratio_w2,
    s6_discrete_groenwall,
    s6_groenwall,
    s6_linear_response,
    s7_fid_chain,
    s8_certified_optimum,
    t1_monotone_transport,
    t2a_free_masses,
    t2b_equal_masses,
    t3_bennett_optimum,
    t4_domains,
    t5a_laplace_equal_mass,
    t5b_gaussian,
    t5c_exponential_tails,
    t5d_regular_tails,
    t5e_bounded_support,
    t5f_lower_bound,
)
from proofs_check.lemma import Lemma

__all__ = ["LEMMAS"]

LEMMAS: dict[str, Lemma] = {
    "T1": t1_monotone_transport.LEMMA,
    "T2a": t2a_free_masses.LEMMA,
    "T2b": t2b_equal_masses.LEMMA,
    "T3": t3_bennett_optimum.LEMMA,
    "C_PD": panter_dite_constants.LEMMA,
    "T4": t4_domains.LEMMA,
    "T5a": t5a_laplace_equal_mass.LEMMA,
    "T5b": t5b_gaussian.LEMMA,
    "T5c": t5c_exponential_tails.LEMMA,
    "T5d": t5d_regular_tails.LEMMA,
    "T5e": t5e_bounded_support.LEMMA,
    "T5f": t5f_lower_bound.LEMMA,
    "S4a": s4_minmax_uniform.LEMMA,
    "S4b": s4_optimal_range.LEMMA,
    "S5a": s5_ratio_w2.LEMMA,
    "S5b": s5_ratio_em.LEMMA,
    "S6a": s6_groenwall.LEMMA,
    "S6b": s6_discrete_groenwall.LEMMA,
    "S6c": s6_linear_response.LEMMA,
    "S7": s7_fid_chain.LEMMA,
    "S8": s8_certified_optimum.LEMMA,
}
