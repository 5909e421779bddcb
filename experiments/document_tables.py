"""The tables that documents show whole: verdicts, ratios of laws, reported FIDs, coverage of intervals."""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from experiments.fid_pairs import fid_table, read_pairs
from experiments.figures.rate_distortion import comparison_of
from experiments.framework.laws import law_label
from experiments.framework.table import Table, read_table
from experiments.fuzz.trial import COUNTS
from experiments.registry import EXPERIMENTS, get_experiment

ROOT = Path(__file__).resolve().parent.parent
CLAIMS = ROOT / "docs" / "claims.md"
RESULTS = ROOT / "docs" / "results"
LAWS = ("gaussian", "laplace", "t(4)")

_QUANTITIES = {
    "uniform": "error of min–max uniform",
    "uniform_clipped": "error of uniform with a clipped range",
    "equal_mass": "error of equal mass",
    "lloyd_max": "error of Lloyd–Max",
    "pwl": "error of PWL",
    "log2": "error of log2",
    "rho_em": "ρ_EM",
    "rho_w2": "ρ_W2",
    "ssim": "SSIM",
}
_ROW = re.compile(r"^\| \[([A-Z0-9-]+)\]\(#[a-z0-9-]+\) \| [^|]+ \| ([A-Z]+) \|", re.MULTILINE)

# The paper's item in words, the claim on it, and the same claim on trained networks.
_PAPER = (
    ("Lemma 1: a Grönwall bound on the error of a sample", "P1", "P1-NET"),
    ("Lemma 2: from that error to FID", "P2", "P2-NET"),
    ("Theorem 3: uniform, FID is O(2^(-2b))", "P3", "P3-NET"),
    ("Lemmas 4, 5: squared error ≤ C_PD 2^(-2b), for the W2 optimum and every law", "P4-W2", ""),
    ("the same where f^(-1/3) is convex: log-concave laws, Student-t", "C21", ""),
    ("the same for every law, with a larger constant", "C23", ""),
    ("the same for equal mass, the algorithm", "P4-EM", ""),
    (
        "Theorem 6: FID is O(2^(-2b)), smaller constant, for the W2 optimum, every law and size",
        "P5-W2",
        "P5-W2-NET",
    ),
    ("its smaller constant from 187 to 438 weights on, by law", "C24", ""),
    ("the same for equal mass, the algorithm", "P5-EM", "P5-EM-NET"),
    (
        "OT / uniform is 0.25 to 0.40, read as a ratio of the two bounds (so it is for channels of a few "
        "hundred weights), for the W2 optimum",
        "P6-W2-BOUNDS",
        "",
    ),
    ("the same for equal mass, the algorithm", "P6-EM-BOUNDS", ""),
    (
        "read as a ratio of the constants of FID (so it is for large Gaussian layers), for the W2 optimum",
        "P6-W2-FID",
        "",
    ),
    ("the same for equal mass, the algorithm", "P6-EM-FID", ""),
    (
        "read as one of squared errors at some bit-width (so it is for six of the nine layers "
        "drawn), for the W2 optimum",
        "P6-W2-SOME",
        "",
    ),
    (
        "the same for equal mass, the algorithm (so it is for two Gaussian layers of the nine drawn)",
        "P6-EM-SOME",
        "",
    ),
    ("read as one of squared errors at every bit-width, for the W2 optimum", "P6-W2", ""),
    ("the same for equal mass, the algorithm", "P6-EM", ""),
    ("Fig. 3, as the text reads: samples have the best PSNR and SSIM under OT at 2 and 3 bits", "", "P7"),
    ("the same as its script measures: one network output at t = 0 on real images", "", "P7-SCRIPT"),
    ("Fig. 4, as the text reads: the latent's variance stays stable under OT", "", "P8"),
    ("the same as its script measures: 20 principal components at t = 0 on real images", "", "P8-SCRIPT"),
)


@cache
def verdicts() -> dict[str, str]:
    """The verdict of each claim by its name."""
    return dict(_ROW.findall(CLAIMS.read_text("utf-8")))


def verdict(claim: str) -> str:
    """One of them.

    Raises:
        KeyError: there is no such claim.
    """
    return verdicts()[claim]


def verdict_table(claims: str) -> str:
    """What the paper says and the verdicts; ``claims`` is the path from the document to claims.md."""

    def cell(claim: str) -> str:
        return f"[{claim}]({claims}#{claim.lower()}) {verdict(claim)}" if claim else ""

    lines = ["| the paper, as reconstructed | in theory | on trained networks |", "|---|---|---|"]
    lines += [f"| {words} | {cell(one)} | {cell(other)} |" for words, one, other in _PAPER]
    return "\n".join(lines)


def ratio_table(table: Table) -> str:
    """Both ratios to uniform by law and bits, from the published experiment ``rate_distortion``."""
    bits = sorted(table.where(law=LAWS[0], kind="ratio").values("bits"))
    lines = [
        "| weights | ratio to uniform | " + " | ".join(f"{b} bits" for b in bits) + " | b* |",
        "|---|---|" + "---:|" * (len(bits) + 1),
    ]
    for name in LAWS:
        found = comparison_of(table, name)
        star = "" if found.crossover_bits is None else f"{found.crossover_bits:.1f}"
        em = [_cell(row.rho_em, row.rho_em_in_band) for row in found.ratios]
        w2 = [_cell(row.rho_w2, row.rho_w2_in_band) for row in found.ratios]
        lines.append(f"| {law_label(name)} | ρ_EM, equal mass | {' | '.join(em)} | {star} |")
        lines.append(f"|  | ρ_W2, Lloyd–Max | {' | '.join(w2)} |  |")
    row = table.where(law=LAWS[0], kind="ratio").rows[0]
    size = f"{row['repeats']} samples of {row['n']:,} weights"
    return "\n".join([*lines, "", f"Median over {size}; bold: inside the paper's 0.25–0.40."])


def coverage_table(table: Table) -> str:
    """The least and the greatest coverage of what is printed, and the least of what is not."""
    lines = [
        "| what | repeats | intervals | printed: covers | not printed: Student's of the mean covers |",
        "|---|---:|---:|---:|---|",
    ]
    for n in table.values("n"):
        for count in table.where(n=n).values("repeats"):
            part = table.where(n=n, repeats=count)
            if part.rows[0]["interval"] == "seeds":
                continue
            printed = part.where(printed=True).numbers("coverage")
            worst = min(part.where(interval="mean", printed=False), key=lambda row: row["coverage"])
            what = f"layers of {n:,} weights" if n else "samples of the bundled model"
            whose = f"{law_label(worst['law'])}, " if n else ""
            name = _QUANTITIES.get(worst["quantity"], worst["quantity"])
            of = f"{whose}{name}, {worst['bits']} bits"
            covers = f"{_percent(min(printed))} to {_percent(max(printed))}" if printed else "none printed"
            lines.append(
                f"| {what} | {count} | {len(printed)} | {covers} "
                f"| {_percent(worst['coverage'])} at worst ({of}) |"
            )
    for samples in table.where(interval="seeds").values("samples"):
        part = table.where(interval="seeds", samples=samples)
        printed = part.where(printed=True).numbers("coverage")
        lines.append(
            f"| seeds of {samples} samples | {part.rows[0]['repeats']} | {len(printed)} "
            f"| {_percent(min(printed))} to {_percent(max(printed))} | – |"
        )
    trials = min(table.values("trials"))
    return "\n".join([*lines, "", f"Nominal 95 %; {trials:,} trials each."])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _cell(ratio: float | None, inside: bool | None) -> str:
    if ratio is None:
        return "–"
    return f"**{ratio:.2f}**" if inside else f"{ratio:.2f}"


def script_table(table: Table) -> str:
    """Figures 3 and 4 as their scripts measure, from the published experiment ``authors_measures``."""
    schemes = {
        "equal_mass": "OT",
        "uniform": "uniform",
        "pwl": "PWL",
        "log2": "log2",
        "lloyd_max": "Lloyd–Max",
    }
    lines = [
        f"| network | bits | {' | '.join(schemes.values())} | latent, OT |",
        "|---|---:|" + "---:|" * (len(schemes) + 1),
    ]
    part = table.where(kind="output", protocol="published").that(lambda row: row["ssim"] is not None)
    for model in part.values("model"):
        for bits in (2, 3, 4, 5, 8):
            found = {row["scheme"]: row for row in part.where(model=model, bits=bits)}
            cells = [f"{found[key]['psnr_db']:.1f}, {found[key]['ssim']:.2f}" for key in schemes]
            latent = f"{found['equal_mass']['latent_std_ratio']:.2f}"
            lines.append(f"| {model if bits == 2 else ''} | {bits} | {' | '.join(cells)} | {latent} |")
    row = part.rows[0]
    size = f"{row['batches']} batches of {row['batch']} images"
    return "\n".join(
        [*lines, "", f"PSNR in dB (peak 1) and SSIM, means over {size}; latent: over full precision's."]
    )


def experiment_list(folder: Path = RESULTS) -> str:
    """What each published experiment shows, its table, its time and its figures; paths from docs/results."""
    parts: list[str] = []
    for name in EXPERIMENTS:
        if not (folder / f"{name}.csv").exists():
            continue
        table = read_table(folder, name)
        parts.append(f"### {name}")
        parts.append(f"{get_experiment(name).title}")
        parts.append(f"[{name}.csv]({name}.csv), {len(table):,} rows; {table.work} of work.")
        figures = sorted((folder.parent / "figures").glob(f"{name}*.svg"), key=lambda path: path.stem)
        parts += [f"![{figure.stem.replace('-', ', ')}](../figures/{figure.name})" for figure in figures]
    return "\n\n".join(parts)


def reliability_table(found: Mapping[str, Any]) -> str:
    """What the last kept campaign tried: inputs, answers, refusals, failures."""
    lines = [
        f"| campaign | what must hold | inputs | {' | '.join(COUNTS)} | slowest |",
        f"|---|---|---:|{'---:|' * len(COUNTS)}---:|",
    ]
    for name, tally in found["campaigns"].items():
        counts = [tally[key] for key in COUNTS]
        cells = [f"{count:,}" for count in (sum(counts[:-1]), *counts)]
        lines.append(f"| {name} | {tally['question']} | {' | '.join(cells)} | {tally['slowest']:.1f} s |")
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str]] = {
    "verdicts": lambda: verdict_table("docs/claims.md"),
    "verdicts-here": lambda: verdict_table("claims.md"),
    "experiments": experiment_list,
    "reliability": lambda: reliability_table(json.loads((RESULTS / "reliability.json").read_text("utf-8"))),
    "coverage": lambda: coverage_table(read_table(RESULTS, "coverage")),
    "scripts": lambda: script_table(read_table(RESULTS, "authors_measures")),
    "ratios": lambda: ratio_table(read_table(RESULTS, "rate_distortion")),
    "fid": lambda: fid_table(
        read_pairs(), read_table(RESULTS, "ratio_map"), read_table(RESULTS, "real_layers")
    ),
}
