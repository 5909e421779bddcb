"""Plans: how each tensor of a checkpoint is to be quantized, chosen within a budget and proven."""

from fmq_theory.checkpoint.plan.plan import Plan, PlanError, TensorPlan

__all__ = ["Plan", "PlanError", "TensorPlan"]
