"""All lemmas, in the order in which one uses another."""

from proofs_check import (
    panter_dite_constants,
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
}
