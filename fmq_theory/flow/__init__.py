"""Flows: velocity fields, samplers, and what quantized weights do to them (torch)."""

from fmq_theory.flow.field import TorchField, VelocityField
from fmq_theory.flow.samplers import SAMPLERS, Sampler, Trajectory, get_sampler, sample

__all__ = [
    "SAMPLERS",
    "Sampler",
    "TorchField",
    "Trajectory",
    "VelocityField",
    "get_sampler",
    "sample",
]
