"""Predictions from a source, K and n alone: closed forms, proven bounds and rates."""

from fmq_theory.bounds.bennett import (
    OPTIMAL_ALPHA,
    bennett_constant,
    bennett_high_rate,
    companding_order,
    finite_alpha_interval,
    panter_dite_constant,
    panter_dite_high_rate,
)
from fmq_theory.bounds.bound import Bound, BoundKind
from fmq_theory.bounds.cells import (
    equal_mass_upper_bound,
    interior_cells_upper_bound,
    nearest_grid_upper_bound,
    power_compander_upper_bound,
    thresholds_upper_bound,
)
from fmq_theory.bounds.end_shift import end_shift, exponential_half_widths
from fmq_theory.bounds.equal_mass import (
    EqualMassCells,
    equal_mass_cells,
    equal_mass_distortion,
    equal_mass_edges,
    equal_mass_exact,
    equal_mass_lower_bound,
)
from fmq_theory.bounds.equal_mass_rates import (
    equal_mass_bounded,
    equal_mass_exponential_tail,
    equal_mass_from_data,
    equal_mass_gaussian,
    equal_mass_high_rate,
    equal_mass_laplace,
    equal_mass_regular_tail,
)
from fmq_theory.bounds.equal_mass_sums import (
    S_INFINITY,
    equal_mass_sum,
    equal_mass_terms,
    regular_tail_sum,
    regular_tail_terms,
)
from fmq_theory.bounds.extreme_nodes import max_nodes, min_nodes
from fmq_theory.bounds.finite_brackets import (
    equal_mass_on_fresh_weights,
    pwl_on_fresh_weights,
    pwl_on_own_weights,
)
from fmq_theory.bounds.finite_equal_mass import (
    SampleMean,
    equal_count_sizes,
    equal_mass_on_own_weights,
    rank_cells_on_own_weights,
    uniform_law_cell,
)
from fmq_theory.bounds.finite_sample import (
    optimum_own_upper_bound,
    rank_compander_on_own_weights,
    uniform_own_statements,
)
from fmq_theory.bounds.hui_neuhoff import (
    best_range_high_rate,
    best_range_upper_bound,
    granular_overload,
    hui_neuhoff_asymptotic,
    optimal_half_range,
)
from fmq_theory.bounds.logarithmic import log2_high_rate, log2_upper_bound
from fmq_theory.bounds.median_range import median_half_range, sample_size_of_median
from fmq_theory.bounds.midpoint import midpoint_high_rate, midpoint_upper_bound
from fmq_theory.bounds.optimum import (
    optimum_upper_bound,
    panter_dite_upper_bound,
    pierce_factor,
    pierce_upper_bound,
)
from fmq_theory.bounds.predict import PREDICTED_SCHEMES, lloyd_max_upper_bound, predict
from fmq_theory.bounds.prediction import Prediction, Statements
from fmq_theory.bounds.range_law import (
    RangeLaw,
    expected_half_range_squared,
    half_range_squared_high_rate,
    range_law,
)
from fmq_theory.bounds.ratios import (
    BAND,
    Interval,
    band_half_ranges,
    band_sample_sizes,
    crossover_bits,
    predicted_crossover_bits,
    rho_em,
    rho_w2_high_rate,
    sample_size_at_rho_w2,
)
from fmq_theory.bounds.second_order import (
    equal_mass_second_order,
    hazard_place,
    level_shift,
    limiting_level_shift,
    optimum_second_order,
)
from fmq_theory.bounds.uniform import uniform_high_rate, uniform_upper_bound
from fmq_theory.bounds.weighted import (
    WeightedConstants,
    product_peaks,
    product_weight,
    weighted_constants,
    weighted_point_density,
)

__all__ = [
    "BAND",
    "OPTIMAL_ALPHA",
    "PREDICTED_SCHEMES",
    "S_INFINITY",
    "Bound",
    "BoundKind",
    "EqualMassCells",
    "Interval",
    "Prediction",
    "RangeLaw",
    "SampleMean",
    "Statements",
    "WeightedConstants",
    "band_half_ranges",
    "band_sample_sizes",
    "bennett_constant",
    "bennett_high_rate",
    "best_range_high_rate",
    "best_range_upper_bound",
    "companding_order",
    "crossover_bits",
    "end_shift",
    "equal_count_sizes",
    "equal_mass_bounded",
    "equal_mass_cells",
    "equal_mass_distortion",
    "equal_mass_edges",
    "equal_mass_exact",
    "equal_mass_exponential_tail",
    "equal_mass_from_data",
    "equal_mass_gaussian",
    "equal_mass_high_rate",
    "equal_mass_laplace",
    "equal_mass_lower_bound",
    "equal_mass_on_fresh_weights",
    "equal_mass_on_own_weights",
    "equal_mass_regular_tail",
    "equal_mass_second_order",
    "equal_mass_sum",
    "equal_mass_terms",
    "equal_mass_upper_bound",
    "expected_half_range_squared",
    "exponential_half_widths",
    "finite_alpha_interval",
    "granular_overload",
    "half_range_squared_high_rate",
    "hazard_place",
    "hui_neuhoff_asymptotic",
    "interior_cells_upper_bound",
    "level_shift",
    "limiting_level_shift",
    "lloyd_max_upper_bound",
    "log2_high_rate",
    "log2_upper_bound",
    "max_nodes",
    "median_half_range",
    "midpoint_high_rate",
    "midpoint_upper_bound",
    "min_nodes",
    "nearest_grid_upper_bound",
    "optimal_half_range",
    "optimum_own_upper_bound",
    "optimum_second_order",
    "optimum_upper_bound",
    "panter_dite_constant",
    "panter_dite_high_rate",
    "panter_dite_upper_bound",
    "pierce_factor",
    "pierce_upper_bound",
    "power_compander_upper_bound",
    "predict",
    "predicted_crossover_bits",
    "product_peaks",
    "product_weight",
    "pwl_on_fresh_weights",
    "pwl_on_own_weights",
    "range_law",
    "rank_cells_on_own_weights",
    "rank_compander_on_own_weights",
    "regular_tail_sum",
    "regular_tail_terms",
    "rho_em",
    "rho_w2_high_rate",
    "sample_size_at_rho_w2",
    "sample_size_of_median",
    "thresholds_upper_bound",
    "uniform_high_rate",
    "uniform_law_cell",
    "uniform_own_statements",
    "uniform_upper_bound",
    "weighted_constants",
    "weighted_point_density",
]
