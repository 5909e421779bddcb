"""Reported pairs of FIDs, uniform and OT, beside the ratio of squared errors of a law and of our networks.

The pairs are from an earlier paper of the same authors, which quantizes per tensor. So are the ratios here,
of Gaussian layers as large as a tensor, and of the checkpoints at hand with one codebook a tensor.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from experiments.documents.places import ROOT
from experiments.framework.table import Table

__all__ = ["REFERENCE", "FidPair", "fid_table", "read_pairs"]

REFERENCE = ROOT / "tests" / "reference" / "qflow_fid.json"
LAW, SIZES = "gaussian", (16_384, 262_144, 4_194_304)


@dataclass(frozen=True, slots=True)
class FidPair:
    """One bit-width on one set of images.

    Attributes:
        images: its name.
        bits: of a code.
        uniform: FID under min-max uniform.
        ot: FID under equal mass.
        full: FID of the network before quantization.
    """

    images: str
    bits: int
    uniform: float
    ot: float
    full: float

    def sides_with(self, ratio: float) -> bool:
        """Whether equal mass has the lower FID and the smaller squared error, or uniform both."""
        return (self.ot < self.uniform) == (ratio < 1.0)


def read_pairs(path: Path = REFERENCE) -> tuple[FidPair, ...]:
    """The pairs as they were reported."""
    found = json.loads(path.read_text("utf-8"))
    return tuple(FidPair(**pair, full=found["full"][pair["images"]]) for pair in found["pairs"])


def fid_table(pairs: tuple[FidPair, ...], ratio_map: Table, real_layers: Table) -> str:
    """A row a pair, and how many of them lie on the side of the ratio.

    Args:
        pairs: what was reported.
        ratio_map: the experiment of that name, for the law.
        real_layers: the experiment of that name, for the sums of each network with a codebook a tensor.
    """
    lines = [
        "| images (full precision) | bits | FID, uniform | FID, OT | lower | ρ_EM, Gaussian tensors "
        "| on that side | ρ_EM, networks at hand | on that side |",
        "|---|---:|---:|---:|---|---:|---:|---:|---:|",
    ]
    law_hits = 0
    for pair in pairs:
        law = [
            float(ratio_map.where(law=LAW, kind="ratio", n=n, bits=pair.bits).rows[0]["rho_em"])
            for n in SIZES
        ]
        rows = real_layers.where(granularity="tensor", tensor=None, bits=pair.bits).rows
        networks = [float(row["rho_em"]) for row in rows]
        on_law, on_networks = (sum(map(pair.sides_with, ratios)) for ratios in (law, networks))
        law_hits += on_law == len(law)
        lines.append(
            f"| {pair.images} ({pair.full:g}) | {pair.bits} | {pair.uniform:g} | {pair.ot:g} "
            f"| {'OT' if pair.ot < pair.uniform else 'uniform'} | {_range(law)} | {on_law} of {len(law)} "
            f"| {_range(networks)} | {on_networks} of {len(networks)} |"
        )
    sizes = ", ".join(f"{n:,}" for n in SIZES[:-1]) + f" and {SIZES[-1]:,}"
    return "\n".join(
        [
            *lines,
            "",
            f"Gaussian tensors of {sizes} weights: all on the side of the FID in {law_hits} of the "
            f"{len(pairs)} pairs.",
        ]
    )


def _range(ratios: list[float]) -> str:
    return f"{min(ratios):.2f} … {max(ratios):.2f}"
