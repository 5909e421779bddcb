"""A flow report made by hand, for verdicts, tables and figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fmq_theory.flow.cell import Cell, FrechetValues, LatentValues, encode_images
from fmq_theory.flow.discretisation import Convergence
from fmq_theory.flow.flow_report import FlowReport, FullPrecision
from fmq_theory.flow.layers import LayerShare

SCHEMES = ("uniform", "equal_mass", "lloyd_max")
BITS = (2, 3, 4, 8)
MANY = 32
"""Times that the same scores are repeated: 192 in all, from which on their means have intervals."""
LEAD = {"uniform": 3.0, "equal_mass": 0.0, "lloyd_max": 5.0}
CODEBOOK = {"uniform": 0.25, "equal_mass": 3.0, "lloyd_max": 3.0}
_IMAGES = encode_images(torch.linspace(-1, 1, 8 * 16).reshape(8, 1, 4, 4), 2.0)


def made_cell(scheme: str, bits: int, **changes: Any) -> Cell:
    noise = [0.1, -0.1, 0.3, -0.3, 0.2, -0.2]
    psnr = [6.0 * bits + LEAD[scheme] + each for each in noise]
    error = 10.0 * 2.0**-bits
    g4, g0 = 3 * error, None if bits == 8 else 1e9 * error
    bounds = {"g0": g0, "g1": 40 * error, "g2": 20 * error, "g3": error, "g4": g4, "secant": 1.2 * error}
    curves: dict[str, Any] = {"times": [0.0, 0.5, 1.0], "error": [0.0, error / 2, error]}
    curves |= {rung: [0.0, None if value is None else value / 2, value] for rung, value in bounds.items()}
    ladder: Mapping[str, Any] = {
        "batch": 2,
        "certified": False,
        "error_rms": error,
        "bounds": bounds,
        "tightness": {rung: None if value is None else value / error for rung, value in bounds.items()},
        "broken_count": dict.fromkeys(("g0", "g1", "g2", "g4", "secant"), 0),
        "response_error": 0.05 * bits,
        "response_rms_ratio": 1.0 + 0.01 * bits,
        "lipschitz_max": 20.0,
        "log_norm_max": 5.0,
        "theta_lipschitz": 70.0,
        "curves": curves,
    }
    values: dict[str, Any] = {
        "effective_bits": bits + CODEBOOK[scheme],
        "mse": error**2,
        "weight_error_norm": error,
        "error": ((error,) * 3, (error,) * 3),
        "psnr": (tuple(psnr[:3]) * MANY, tuple(psnr[3:]) * MANY),
        "ssim": ((0.1 * bits,) * 3 * MANY, (0.1 * bits + 0.01,) * 3 * MANY),
        "latent": LatentValues((1.0, 1.0), (0.5 + 0.025 * bits, 0.501 + 0.025 * bits), (0, 1), 16),
        "frechet": FrechetValues(error, 2 * error**0.5, (error, error), None, 6, 4),
        "ladder": ladder,
        "images": _IMAGES,
    }
    return Cell(scheme, bits, **(values | changes))


def made_report(cells: Sequence[Cell] | None = None, **changes: Any) -> FlowReport:
    values: dict[str, Any] = {
        "subject": "a tiny net",
        "config": {
            "schemes": list(SCHEMES), "bits": list(BITS), "samples": 3, "seeds": 2, "steps": 2,
            "sampler": "heun", "ladder_samples": 2,
        },
        "sample_shape": (1, 4, 4),
        "data_range": 2.0,
        "ssim_window": 3,
        "features": "identity",
        "full": FullPrecision(
            0.8, Convergence("heun", 2, 0.001, 0.8, 0.05), LatentValues((1.0, 1.0), (0.5, 0.5), (0, 0), 16),
            None, _IMAGES,
        ),
        "cells": tuple([made_cell(s, b) for s in SCHEMES for b in BITS] if cells is None else cells),
        "layers": (LayerShare("first.weight", 0.5, 2.0, 2.2, 0.4, float("nan")),),
        "layers_of": ("equal_mass", 3),
    }  # fmt: skip
    return FlowReport(**(values | changes))
