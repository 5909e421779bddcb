"""The laws of weights that experiments draw from, by the names that tables and figures show."""

from fmq_theory.sources import SymmetricSource, make

__all__ = ["LAWS", "MORE_LAWS", "law", "law_label"]

LAWS: dict[str, tuple[str, dict[str, float]]] = {
    "uniform": ("uniform", {}),
    "gaussian": ("gaussian", {}),
    "logistic": ("logistic", {}),
    "laplace": ("laplace", {}),
    "gg(1/2)": ("generalized-gaussian", {"beta": 0.5}),
    "gamma(1/2)": ("gamma", {"shape": 0.5}),
    "t(10)": ("student-t", {"df": 10.0}),
    "t(5)": ("student-t", {"df": 5.0}),
    "t(4)": ("student-t", {"df": 4.0}),
    "t(3)": ("student-t", {"df": 3.0}),
    "t(5/2)": ("student-t", {"df": 2.5}),
}
"""Family and parameters, from the lightest tail to the heaviest."""

MORE_LAWS: dict[str, tuple[str, dict[str, float]]] = {"gg(3/2)": ("generalized-gaussian", {"beta": 1.5})}
"""Laws that only some experiments draw from."""

_LABELS = {
    "uniform": "uniform",
    "gaussian": "Gaussian",
    "logistic": "logistic",
    "laplace": "Laplace",
    "gg(3/2)": "gen. Gaussian, β = 3/2",
    "gg(1/2)": "gen. Gaussian, β = 1/2",
    "gamma(1/2)": "Gamma, shape 1/2",
}


def law(name: str) -> SymmetricSource:
    """The law with variance 1."""
    family, parameters = (LAWS | MORE_LAWS)[name]
    return make(family, **parameters).standard_deviation_one()


def law_label(name: str) -> str:
    """The law in words."""
    return _LABELS.get(name, f"Student-t, ν = {name.removeprefix('t(').removesuffix(')')}")
