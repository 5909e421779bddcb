"""Measurements: distortion, Wasserstein distance, rate, and estimates with intervals."""

from fmq_theory.metrics.distortion import distortion
from fmq_theory.metrics.expected import RangeDesign, expected_distortion
from fmq_theory.metrics.interval_kinds import INTERVAL_KINDS, IntervalKind, printed_interval
from fmq_theory.metrics.intervals import (
    Estimate,
    exact_estimate,
    fewest_for_median,
    mean_estimate,
    median_estimate,
    median_intervals,
    order_statistics_confidence,
)
from fmq_theory.metrics.rate import cell_masses, index_entropy, shannon_lower_bound
from fmq_theory.metrics.row_distortion import MeanDistortion, mean_distortion
from fmq_theory.metrics.wasserstein import sample_to_codebook_w2_squared, w2_squared
from fmq_theory.metrics.wasserstein_law import w2_squared_law
from fmq_theory.metrics.wasserstein_pot import (
    rowwise_w2_squared_pot,
    sample_to_codebook_w2_squared_pot,
    sample_to_codebooks_w2_squared_pot,
    w2_squared_pot,
)

__all__ = [
    "INTERVAL_KINDS",
    "Estimate",
    "IntervalKind",
    "MeanDistortion",
    "RangeDesign",
    "cell_masses",
    "distortion",
    "exact_estimate",
    "expected_distortion",
    "fewest_for_median",
    "index_entropy",
    "mean_distortion",
    "mean_estimate",
    "median_estimate",
    "median_intervals",
    "order_statistics_confidence",
    "printed_interval",
    "rowwise_w2_squared_pot",
    "sample_to_codebook_w2_squared",
    "sample_to_codebook_w2_squared_pot",
    "sample_to_codebooks_w2_squared_pot",
    "shannon_lower_bound",
    "w2_squared",
    "w2_squared_law",
    "w2_squared_pot",
]
