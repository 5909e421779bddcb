"""The experiments by name; each is a file of ``experiments/figures``."""

import importlib
from typing import cast

from experiments.framework.experiment import Experiment
from fmq_theory.errors import FmqError

__all__ = ["EXPERIMENTS", "ExperimentError", "get_experiment"]

EXPERIMENTS: dict[str, str] = {
    "rate_distortion": "experiments.figures.rate_distortion",
    "equal_mass_rates": "experiments.figures.equal_mass_rates",
    "ratio_map": "experiments.figures.ratio_map",
    "real_layers": "experiments.figures.real_layers",
    "fidelity": "experiments.figures.fidelity",
    "latent": "experiments.figures.latent",
    "ladder": "experiments.figures.ladder",
    "allocation": "experiments.figures.allocation",
    "coverage": "experiments.figures.coverage",
    "published_scripts": "experiments.figures.published_scripts",
    "authors_measures": "experiments.figures.authors_measures",
    "exports": "experiments.figures.exports",
}
"""Name and module, in the order in which they run. Modules are imported when they are asked for."""


class ExperimentError(FmqError, LookupError):
    """A name that no experiment has."""


def get_experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        ExperimentError: there is none.
    """
    if name not in EXPERIMENTS:
        raise ExperimentError(
            f"experiment {name!r}", "no such experiment", f"choose from {', '.join(EXPERIMENTS)}"
        )
    return cast("Experiment", importlib.import_module(EXPERIMENTS[name]).EXPERIMENT)
