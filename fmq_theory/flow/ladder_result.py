"""The ladder as data: bounds beside what was measured, what each rests on, and what broke."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from fmq_theory.flow.linear_algebra import root_mean_square

__all__ = ["ASSUMPTIONS", "BOUNDS", "BrokenCase", "Ladder"]

BOUNDS = ("g0", "g1", "g2", "g4", "secant")
"""The rungs that are bounds; g3 is a prediction."""

_STEP = "d_n is measured; the factor bounds the Jacobian of the quantized step between the two runs: "

ASSUMPTIONS: dict[str, str] = {
    "g0": "L_theta |dtheta| (e^(L t) - 1)/L with one L for all Jacobians of the quantized field between the "
    "runs, one L_theta for all weights from theta to theta_q along the full-precision run",
    "g1": _STEP + "1 + h l, l from the norms L of the stages' Jacobians",
    "g2": _STEP + "sqrt(1 + 2 h beta + h^2 l^2), beta from the stages' logarithmic norms",
    "g3": "first order in the error, by the quantized field's Jacobians on the full-precision run; signed, "
    "a prediction and no bound",
    "g4": _STEP + "||D Psi_q||, the sampler's own amplification",
    "secant": "d_n and the factor |Psi_q(y) - Psi_q(x)|/|y - x| are read off the runs: it explains only",
}
"""What each rung rests on. All speak of the sampled paths, so none needs small steps."""


@dataclass(frozen=True, slots=True)
class BrokenCase:
    """A bound that lies below what was measured: its constant is too small.

    Attributes:
        rung: which.
        step: number of steps taken, 1 to N.
        sample: row of the batch.
        bound: what the rung says.
        measured: ||e||.
    """

    rung: str
    step: int
    sample: int
    bound: float
    measured: float


@dataclass(frozen=True, slots=True, eq=False)
class Ladder:
    """Every rung at every step and sample; N steps, all float64.

    Attributes:
        sampler: its name.
        certified: whether the constants of the field are proven, exact up to rounding. Otherwise they are
            maxima over sampled points of the segments (and, for large samples, lower estimates there).
        times: ``[N + 1]``.
        error: ||e_n||, ``[N + 1, batch]``.
        bounds: by rung, ``[N + 1, batch]``.
        response: ||y_n||, the prediction g3 of ||e_n||, ``[N + 1, batch]``.
        response_gap: ||y_n - e_n||, ``[N + 1, batch]``.
        local: ||d_n||, what quantization adds in one step, ``[N, batch]``.
        amplification: by rung g1, g2, g4 and secant, the factor of each step, ``[N, batch]``.
        lipschitz: largest L_x of the quantized field in each step, ``[N, batch]``.
        log_norm: largest mu_2 of the quantized field in each step, ``[N, batch]``.
        residual: largest Lanczos residual of these constants; 0 where nothing was iterated.
        theta_lipschitz: L_theta.
        weight_change: |theta_q - theta|.
        rounding: errors below this size are rounding, ``[N + 1, batch]``.
    """

    sampler: str
    certified: bool
    times: Tensor
    error: Tensor
    bounds: Mapping[str, Tensor]
    response: Tensor
    response_gap: Tensor
    local: Tensor
    amplification: Mapping[str, Tensor]
    lipschitz: Tensor
    log_norm: Tensor
    residual: float
    theta_lipschitz: float
    weight_change: float
    rounding: Tensor

    def grade(self, rung: str) -> str:
        """How sure the rung is: "certified", "estimated" or "first order"."""
        if rung == "g3":
            return "first order"
        return "certified" if self.certified or rung == "secant" else "estimated"

    def tightness(self, rung: str) -> Tensor:
        """bound / measured, ``[N + 1, batch]``; nan where the error is 0 or rounding. For g3 |y| / |e|.

        The bounds are theorems of exact arithmetic. One that lies below the error by no more than rounding
        counts as equal to it, so that below 1 means broken.
        """
        if rung == "g3":
            value = self.response
        else:
            bound = self.bounds[rung]
            value = torch.maximum(bound, torch.minimum(bound * (1.0 + 1e-9) + self.rounding, self.error))
        missing = torch.full_like(self.error, math.nan)
        return torch.where(self.error > self.rounding, value / self.error, missing)

    def broken(self) -> tuple[BrokenCase, ...]:
        """All cases in which a bound lies below the measured error by more than rounding."""
        found: list[BrokenCase] = []
        for rung, bound in self.bounds.items():
            below = bound * (1.0 + 1e-9) + self.rounding < self.error
            for step, sample in cast("list[list[int]]", cast(Any, torch.nonzero(below)).tolist()):
                found.append(
                    BrokenCase(
                        rung, step, sample, float(bound[step, sample]), float(self.error[step, sample])
                    )
                )
        return tuple(found)

    def understated(self, rung: str) -> int:
        """Steps and samples whose factor is below the measured amplification: stricter than ``broken``."""
        before, after = self.error[:-1], self.amplification["secant"] * self.error[:-1]
        return int((self.amplification[rung] * before * (1.0 + 1e-9) + self.rounding[1:] < after).sum())

    @property
    def response_error(self) -> float:
        """rms ||y - e|| / rms ||e|| at t = 1: how far the response is from the error, with its sign."""
        return _ratio(root_mean_square(self.response_gap[-1]), root_mean_square(self.error[-1]))

    @property
    def response_rms_ratio(self) -> float:
        """rms ||y|| / rms ||e|| at t = 1."""
        return _ratio(root_mean_square(self.response[-1]), root_mean_square(self.error[-1]))

    @property
    def gain_over_g0(self) -> float:
        """g0 over the sharpest of g1, g2 and g4 at t = 1, all as root mean squares."""
        sharpest = min(root_mean_square(self.bounds[rung][-1]) for rung in ("g1", "g2", "g4"))
        return _ratio(root_mean_square(self.bounds["g0"][-1]), sharpest)

    def summary(self) -> dict[str, Any]:
        """What a table needs, ready for JSON: numbers at t = 1, infinities and nans as None."""
        rungs = [*BOUNDS[:3], "g3", *BOUNDS[3:]]
        broken = self.broken()
        return {
            "sampler": self.sampler,
            "steps": len(self.times) - 1,
            "batch": self.error.shape[1],
            "certified": self.certified,
            "error_rms": _plain(root_mean_square(self.error[-1])),
            "bounds": {
                rung: _plain(root_mean_square(self.response[-1] if rung == "g3" else self.bounds[rung][-1]))
                for rung in rungs
            },
            "tightness": {rung: _plain(_median(self.tightness(rung)[-1])) for rung in rungs},
            "tightness_all_times": {rung: _plain(_median(self.tightness(rung)[1:])) for rung in rungs},
            "grade": {rung: self.grade(rung) for rung in rungs},
            "assumptions": {rung: ASSUMPTIONS[rung] for rung in rungs},
            "response_error": _plain(self.response_error),
            "response_rms_ratio": _plain(self.response_rms_ratio),
            "gain_over_g0": _plain(self.gain_over_g0),
            "theta_lipschitz": _plain(self.theta_lipschitz),
            "weight_change": _plain(self.weight_change),
            "lipschitz_max": _plain(float(self.lipschitz.max())),
            "log_norm_max": _plain(float(self.log_norm.max())),
            "log_norm_mean": _plain(float(self.log_norm.mean())),
            "residual_max": _plain(self.residual),
            "understated": {rung: self.understated(rung) for rung in ("g1", "g2", "g4")},
            "broken": [
                {
                    "rung": case.rung,
                    "step": case.step,
                    "sample": case.sample,
                    "bound": _plain(case.bound),
                    "measured": _plain(case.measured),
                }
                for case in broken[:20]
            ],
            "broken_count": {rung: sum(case.rung == rung for case in broken) for rung in BOUNDS},
        }


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0.0 else math.nan


def _median(values: Tensor) -> float:
    known = values[~values.isnan()]
    return float(known.median()) if len(known) else math.nan


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
