"""All lemmas, in the order in which one uses another."""

from proofs_check import panter_dite_constants, t3_bennett_optimum, t5a_laplace_equal_mass
from proofs_check.lemma import Lemma

__all__ = ["LEMMAS"]

LEMMAS: dict[str, Lemma] = {
    "T3": t3_bennett_optimum.LEMMA,
    "C_PD": panter_dite_constants.LEMMA,
    "T5a": t5a_laplace_equal_mass.LEMMA,
}
