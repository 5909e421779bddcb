"""Flows: velocity fields, samplers, and what quantized weights do to them (torch)."""

from fmq_theory.flow.digits import load_digits
from fmq_theory.flow.discretisation import Convergence, check_convergence, local_errors
from fmq_theory.flow.field import TorchField, VelocityField
from fmq_theory.flow.loading import build_model, with_weights
from fmq_theory.flow.model import FlowModel
from fmq_theory.flow.quantized_field import QuantizedField, quantize_field
from fmq_theory.flow.samplers import (
    SAMPLERS,
    Sampler,
    Trajectory,
    adaptive_reference,
    get_sampler,
    sample,
)
from fmq_theory.flow.velocity_error import velocity_error
from fmq_theory.flow.velocity_measure import VelocitySettings, measure_velocity

__all__ = [
    "SAMPLERS",
    "Convergence",
    "FlowModel",
    "QuantizedField",
    "Sampler",
    "TorchField",
    "Trajectory",
    "VelocityField",
    "VelocitySettings",
    "adaptive_reference",
    "build_model",
    "check_convergence",
    "get_sampler",
    "load_digits",
    "local_errors",
    "measure_velocity",
    "quantize_field",
    "sample",
    "velocity_error",
    "with_weights",
]
