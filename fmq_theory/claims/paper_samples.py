"""P7 and P8: what samples of a trained network look like. They need measured samples.

The argument ``fidelity`` names a JSON file with a row for each scheme and bit-width:

    {"full_precision": {"latent_variance_std": 0.029},
     "rows": [{"scheme": "equal_mass", "bits": 2, "psnr": 17.9, "ssim": 0.61, "latent_variance_std": 0.031}]}

``psnr`` (dB) and ``ssim`` compare the samples of the quantized network with those of the full-precision
one from the same noise; ``latent_variance_std`` is the standard deviation over dimensions of the latent's
variance. Numbers measured on samples are statistics, so the best verdict is SUPPORTED.
"""

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from fmq_theory.claims.claim import Claim, Inputs, Missing, NegativeControl, Values
from fmq_theory.claims.relations import AT_LEAST, INSIDE, band
from fmq_theory.errors import WeightsError
from fmq_theory.metrics import Estimate, exact_estimate

__all__ = ["CLAIMS"]

_RIVALS = ("uniform", "pwl", "log2")
_LOW_BITS = (2, 3)
_NEEDED = Missing(
    "--fidelity FILE",
    "samples of a trained flow model, quantized and not, compared on the same noise (PSNR, SSIM, latent "
    "variance)",
)


@dataclass(frozen=True, slots=True)
class _Samples:
    rows: dict[tuple[str, int], dict[str, float]]
    full_precision: dict[str, float]


@lru_cache(maxsize=4)
def _read(path: Path) -> _Samples:
    """The measured rows.

    Raises:
        WeightsError: the file cannot be read or a row lacks its scheme and bits.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
        listed = cast("list[dict[str, Any]]", data["rows"])
        rows = {(str(row["scheme"]), int(row["bits"])): _numbers(row) for row in listed}
        return _Samples(rows, _numbers(data.get("full_precision", {})))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"fidelity file {path}",
            f"it is not a JSON object with 'rows' of scheme, bits, psnr, ssim ({error!r})",
            "see fmq_theory.claims.paper_samples for the format",
        ) from error


def _numbers(row: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in row.items():
        if isinstance(value, (int, float)) and key != "bits":
            if not math.isfinite(value):
                raise ValueError(f"{key} is not finite")
            found[key] = float(value)
    return found


def _best_rivals(inputs: Inputs, share: float) -> Values | Missing:
    """The best rival's PSNR and SSIM at each low bit-width, times ``share``."""
    if inputs.fidelity is None:
        return _NEEDED
    rows, values = _read(inputs.fidelity).rows, dict[str, Estimate]()
    for bits in _LOW_BITS:
        for measure in ("psnr", "ssim"):
            known = [rows[name, bits][measure] for name in _RIVALS if measure in rows.get((name, bits), {})]
            if known and measure in rows.get(("equal_mass", bits), {}):
                values[f"{measure}, b = {bits}"] = exact_estimate(share * max(known))
    return values or Missing("--fidelity FILE", "this one has no psnr or ssim of equal_mass beside a rival's")


def _ot(inputs: Inputs) -> Values | Missing:
    wanted = _best_rivals(inputs, 1.0)
    if inputs.fidelity is None or isinstance(wanted, Missing):
        return wanted
    rows, values = _read(inputs.fidelity).rows, dict[str, Estimate]()
    for case in wanted:
        measure, _, bits = case.partition(", b = ")
        values[case] = exact_estimate(rows["equal_mass", int(bits)][measure])
    return values


def _stable(inputs: Inputs) -> Values | Missing:
    return _latent_band(inputs, "0.5", "2")


def _halved(inputs: Inputs) -> Values | Missing:
    return _latent_band(inputs, "0.0001", "0.0002")


def _latent_band(inputs: Inputs, low: str, high: str) -> Values | Missing:
    measured = _latent(inputs)
    if isinstance(measured, Missing):
        return measured
    return {case: band(low, high) for case in measured}


def _latent(inputs: Inputs) -> Values | Missing:
    if inputs.fidelity is None:
        return _NEEDED
    samples, key = _read(inputs.fidelity), "latent_variance_std"
    reference = samples.full_precision.get(key)
    if not reference:
        return Missing("--fidelity FILE", f"this one has no full_precision.{key}")
    values = {
        f"equal mass, b = {bits}": exact_estimate(row[key] / reference)
        for (name, bits), row in samples.rows.items()
        if name == "equal_mass" and key in row
    }
    return values or Missing("--fidelity FILE", f"this one has no {key} of equal_mass")


CLAIMS = (
    Claim(
        "P7",
        "as reconstructed: at 2 and 3 bits the samples of the OT-quantized network have a higher PSNR and "
        "SSIM than "
        "those of uniform, PWL and log2",
        "the samples in the file given",
        "best rival's",
        "OT's",
        lambda inputs: _best_rivals(inputs, 1.0),
        _ot,
        AT_LEAST,
        NegativeControl(
            "ten times the best rival's score",
            "no scheme is ahead by a factor of ten",
            lambda inputs: _best_rivals(inputs, 10.0),
            "b = 2",
        ),
    ),
    Claim(
        "P8",
        "as reconstructed: the standard deviation over dimensions of the latent's variance stays stable "
        "under OT at all "
        "bit-widths, here: within a factor of two of full precision's",
        "the samples in the file given",
        "range",
        "quantized / full precision",
        _stable,
        _latent,
        INSIDE,
        NegativeControl(
            "a range far below 1",
            "a latent that varies at all cannot lie there",
            _halved,
            "equal mass",
        ),
    ),
)
