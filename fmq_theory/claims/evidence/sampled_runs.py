"""What ``fmq flow`` wrote, as the claims read it.

A file is JSON with the keys that claims need; all else is ignored:

    {"subject": "the bundled digits",
     "config": {"samples": 64, "seeds": 3},
     "full_precision": {"latent_std": 3.1},
     "rows": [{"scheme": "equal_mass", "bits": 2, "psnr_db": 9.8, "ssim": 0.22, "latent_std": 1.3,
               "latent_std_ratio": 0.41, "frechet": 271.0, "frechet_feature_rms": 29.9,
               "frechet_by_seed": [280.0, 265.0, 269.0], "lossless_share": 0.0,
               "bounds": {"g0": 1.3e5, "g1": 20.6, "g2": 15.3, "g3": 6.0, "g4": 13.0},
               "ladder": {"error_rms": 6.1, "certified": false, "bounds": {"secant": 6.5}},
               "intervals": {"psnr_db": {"samples": [9.6, 9.9], "seeds": [9.5, 10.0]}}}]}

A number with an interval becomes an estimate with that interval: over samples where there is one, else over
seeds; ``config`` says of how many, without it the fewest are assumed. A number whose intervals are null is
of too few samples for one, and decides nothing. A number without any is taken as it is: it is a fact about
these samples. ``by_batch`` has the numbers of each draw of the noise by itself.

A file whose ``measure`` is "velocity" is of network outputs at t = 0 on real data; only the claims on the
authors' scripts read it. There ``by_batch`` has the numbers of each batch, in the same order under every
scheme.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from fmq_theory.claims.engine.claim import Inputs, Missing
from fmq_theory.errors import Way, WeightsError
from fmq_theory.metrics import Estimate, exact_estimate
from fmq_theory.shown import shorten
from fmq_theory.storage.json_objects import json_value, text_of_json

__all__ = ["NEEDED", "SampledRow", "SampledRun", "read_runs"]

NEEDED = Missing(
    "--fidelity FILE",
    "samples of a trained flow model, quantized and not, compared on the same noise; fmq flow writes it",
)


@dataclass(frozen=True, slots=True)
class SampledRow:
    """One scheme at one bit-width.

    Attributes:
        scheme: name.
        bits: per code.
        values: the finite numbers of the row; a key that is absent was not measured or is infinite.
        bounds: of the error, by rung; empty without a ladder.
        ladder_error: rms error of the samples that the bounds speak of.
        secant: the bound that assumes nothing.
        rounding: rms error that rounding alone may make of those samples.
        frechet_by_seed: the Fréchet distance of each draw of the noise; empty if the file has none.
        lossless_share: of the weights, in channels that some codebook of this size holds without loss.
        by_batch: by name of a number, what it is in each draw of the noise or batch of real data.
    """

    scheme: str
    bits: int
    values: Mapping[str, Estimate]
    bounds: Mapping[str, float]
    ladder_error: float | None
    secant: float | None
    rounding: float
    frechet_by_seed: tuple[float, ...] = ()
    lossless_share: float = 0.0
    by_batch: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])


@dataclass(frozen=True, slots=True)
class SampledRun:
    """One model.

    Attributes:
        subject: what cases are called by.
        rows: by scheme and bits.
        latent_std: of full precision; None if it was not measured.
        measure: "samples" of the flow, or "velocity": one network output at t = 0 on real data.
        protocol: which tensors were quantized: "weights" alike under all schemes, or as "published".
        batch: real samples in a batch, by the measure "velocity"; None for samples.
    """

    subject: str
    rows: Mapping[tuple[str, int], SampledRow]
    latent_std: float | None
    measure: str = "samples"
    protocol: str = "weights"
    batch: int | None = None

    @property
    def is_of_images(self) -> bool:
        """Whether some row has an SSIM, which only images have."""
        return any("ssim" in row.values for row in self.rows.values())

    def case(self, row: SampledRow, of: str = "") -> str:
        """``the bundled digits, equal_mass PSNR, b = 2``: the name of a case."""
        return f"{self.subject}, {row.scheme}{' ' if of else ''}{of}, b = {row.bits}"

    def of_scheme(self, scheme: str) -> Sequence[SampledRow]:
        """Rows of a scheme by bits."""
        return sorted((row for row in self.rows.values() if row.scheme == scheme), key=lambda row: row.bits)


def read_runs(inputs: Inputs, measure: str = "samples") -> tuple[SampledRun, ...]:
    """Every run by a measure that the user named.

    Args:
        inputs: with the files.
        measure: "samples" or "velocity"; runs by the other one are left out.

    Raises:
        WeightsError: a file cannot be read, or is none.
    """
    runs = [_read(path) for path in inputs.fidelity]
    return tuple(run for run in runs if run.measure == measure)


@lru_cache(maxsize=16)
def _read(path: Path) -> SampledRun:
    def refused(cause: str) -> WeightsError:
        return WeightsError(
            f"fidelity file {path}", cause, ("write one by ", Way("flow_json", "report.write_flow_json"))
        )

    data = json_value(text_of_json(path, refused), refused)
    if not isinstance(data, dict) or not isinstance(cast("dict[str, Any]", data).get("rows"), list):
        raise refused("it is no JSON object with 'rows'")
    try:
        return _run(path, cast("dict[str, Any]", data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = shorten(repr(error), 120)
        raise refused(f"its 'rows' are not those of samples: scheme, bits, psnr_db, ssim ({why})") from error


def _run(path: Path, data: Mapping[str, Any]) -> SampledRun:
    counts = _counts(cast("dict[str, Any]", data.get("config") or {}))
    rows = [_row(row, counts) for row in cast("list[dict[str, Any]]", data["rows"])]
    full = cast("dict[str, Any]", data.get("full_precision", {}))
    subject = str(data.get("subject", path.stem)).partition(" (")[0]
    config = cast("dict[str, Any]", data.get("config") or {})
    batch = _number(config, "batch")
    return SampledRun(
        subject,
        {(row.scheme, row.bits): row for row in rows},
        _number(full, "latent_std"),
        str(data.get("measure", "samples")),
        str(config.get("protocol", "weights")),
        None if batch is None else int(batch),
    )


def _counts(config: Mapping[str, Any]) -> dict[str, int]:
    """How many numbers a mean "over samples" and one "over seeds" are of: 2 where the file does not say."""
    samples, seeds = (int(config.get(key) or 0) for key in ("samples", "seeds"))
    return {"samples": max(2, samples * seeds), "seeds": max(2, seeds)}


def _row(row: Mapping[str, Any], counts: Mapping[str, int]) -> SampledRow:
    intervals = cast("Mapping[str, Mapping[str, Any]]", row.get("intervals") or {})
    values = {
        key: _estimate(value, intervals.get(key) or {}, counts)
        for key in row
        if key != "bits" and (value := _number(row, key)) is not None
    }
    ladder = cast("Mapping[str, Any]", row.get("ladder") or {})
    bounds = cast("Mapping[str, Any]", row.get("bounds") or {})
    # A bound beyond the floating point numbers is written as null; it is a bound nevertheless.
    known = {key: _or_infinite(_number(bounds, key)) for key in bounds} if ladder else {}
    return SampledRow(
        str(row["scheme"]),
        int(row["bits"]),
        values,
        known,
        _number(ladder, "error_rms"),
        _number(cast("Mapping[str, Any]", ladder.get("bounds") or {}), "secant"),
        _number(ladder, "rounding_rms") or 0.0,
        tuple(float(value) for value in row.get("frechet_by_seed") or ()),
        _number(row, "lossless_share") or 0.0,
        _by_batch(cast("Mapping[str, Sequence[object]]", row.get("by_batch") or {})),
    )


def _by_batch(given: Mapping[str, Sequence[object]]) -> Mapping[str, tuple[float, ...]]:
    return {name: tuple(float(str(value)) for value in values) for name, values in given.items()}


def _estimate(value: float, ends: Mapping[str, Any], counts: Mapping[str, int]) -> Estimate:
    for over, count in counts.items():
        pair = cast("Sequence[float] | None", ends.get(over))
        if pair is not None:
            return Estimate(value, float(pair[0]), float(pair[1]), count, 0.95, "mean")
    if ends:
        return Estimate(value, None, None, counts["samples"], 0.95, "mean")
    return exact_estimate(value)


def _number(row: Mapping[str, Any], key: str) -> float | None:
    """A finite number; None for null, text ("inf") and what is absent.

    Raises:
        ValueError: nan or an infinite number, which strict JSON does not have.
    """
    value: object = row.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not math.isfinite(value):
        raise ValueError(f"{key} is not finite")
    return float(value)


def _or_infinite(value: float | None) -> float:
    return math.inf if value is None else value
