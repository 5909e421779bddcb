"""The tables that documents show whole."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from experiments.documents.cluster_tables import cluster_check, cluster_plan, cluster_scaling
from experiments.documents.fid_pairs import fid_table, read_pairs
from experiments.documents.numbers import rows_of
from experiments.documents.places import RESULTS
from experiments.documents.verdicts import verdict_table
from experiments.figures.rate_distortion import comparison_of
from experiments.framework.laws import law_label
from experiments.framework.table import Table, read_table
from experiments.fuzz.trial import COUNTS
from experiments.registry import EXPERIMENTS, get_experiment

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
        part = table.where(n=n, interval="mean")
        for count in part.values("repeats"):
            what = f"layers of {n:,} weights" if n else "samples of the bundled model"
            kind = "median" if n else "mean"
            worst = min(part.where(repeats=count, printed=False), key=lambda row: row["coverage"])
            whose = f"{law_label(worst['law'])}, " if n else ""
            name = _QUANTITIES.get(worst["quantity"], worst["quantity"])
            of = f"{_percent(worst['coverage'])} at worst ({whose}{name}, {worst['bits']} bits)"
            lines.append(_covers(what, count, table.where(n=n, repeats=count, interval=kind), of))
    seeds = table.where(interval="seeds")
    for samples in seeds.values("samples"):
        part = seeds.where(samples=samples)
        lines += [
            _covers(f"draws of {samples} samples", count, part.where(repeats=count), "–")
            for count in sorted(part.values("repeats"))
        ]
    leads = table.where(interval="lead")
    lines += [
        _covers("leads, over pairs of samples", count, leads.where(repeats=count), "–")
        for count in leads.values("repeats")
    ]
    trials = min(table.values("trials"))
    return "\n".join([*lines, "", f"Nominal 95 %; {trials:,} trials each."])


def _covers(what: str, count: int, part: Table, otherwise: str) -> str:
    """A line: how many intervals are printed, and between which shares they cover."""
    printed = part.where(printed=True).numbers("coverage")
    covers = f"{_percent(min(printed))} to {_percent(max(printed))}" if printed else "none printed"
    return f"| {what} | {count} | {len(printed)} | {covers} | {otherwise} |"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


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


_MODELS = {
    "digits": "bundled digits U-Net",
    "mnist_unet": "MNIST U-Net",
    "pendulum_policy_epoch100": "pendulum policy, earlier",
    "pendulum_policy_epoch600": "pendulum policy, later",
    "molecule_fno": "molecules, Fourier operator",
    "molecule_mlp": "molecules, MLP",
}


def model_table(table: Table) -> str:
    """Ratios to uniform over all weights of each checkpoint, a codebook a channel; from ``real_layers``."""
    lines = [
        "| model | b\\* | ρ_EM, 2 bits | ρ_EM, 4 bits | ρ_W2, 2 bits | ρ_W2, 4 bits |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for model, words in _MODELS.items():
        part = table.where(model=model, granularity="channel", tensor=None)
        at = {bits: part.where(bits=bits).rows[0] for bits in (2, 4)}
        ratios = [f"{at[bits][key]:.2f}" for key in ("rho_em", "rho_w2") for bits in (2, 4)]
        lines.append(f"| {words} | {at[2]['crossover']:.1f} | {' | '.join(ratios)} |")
    return "\n".join(lines)


def sample_table(flow: str) -> str:
    """PSNR of the samples of a flow report, with the effective bits."""
    schemes = {
        "uniform": "uniform",
        "uniform_clipped": "uniform, range searched",
        "equal_mass": "equal mass",
        "lloyd_max": "Lloyd–Max",
    }
    found = {(row["scheme"], row["bits"]): row for row in rows_of(flow)}
    lines = [f"| bits | {' | '.join(schemes.values())} |", "|---|" + "---:|" * len(schemes)]
    for bits in (2, 3, 4, 6, 8):
        rows = [found[scheme, bits] for scheme in schemes]
        cells = [f"{row['psnr_db']:.1f} ({row['effective_bits']:.1f})" for row in rows]
        lines.append(f"| {bits} | {' | '.join(cells)} |")
    return "\n".join(lines)


_STEPS = {
    "script": "the script: outputs at t = 0 on images in [0, 1], published quantizers",
    "own space": "the same images in [-1, 1], the space that the network was trained in",
    "noise": "noise in place of images, which is what a flow has at t = 0",
    "same tensors": "the same tensors under every scheme: vectors and running statistics left alone",
    "samples": "samples: the flow integrated from that noise",
}


def step_table(table: Table) -> str:
    """The lead of equal mass in PSNR, one change after another; from ``authors_measures``."""
    lines = ["| what is compared | over uniform, dB | over PWL, dB |", "|---|---:|---:|"]
    part = table.where(kind="step", model="mnist_unet", bits=3)
    for step, words in _STEPS.items():
        uniform, pwl = (part.where(step=step, scheme=name).rows[0]["lead_db"] for name in ("uniform", "pwl"))
        lines.append(f"| {words} | {uniform:+.1f} | {pwl:+.1f} |")
    return "\n".join(lines)


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
        counts = [tally.get(key, 0) for key in COUNTS]
        cells = [f"{count:,}" for count in (sum(counts[:-1]), *counts)]
        lines.append(f"| {name} | {tally['question']} | {' | '.join(cells)} | {tally['slowest']:.1f} s |")
    return "\n".join(lines)


_EXPORTED = {"digits": "digits", "mnist_unet": "MNIST U-Net", "unet2d": "`UNet2DModel`", "dit": "DiT"}


def export_table(table: Table) -> str:
    """Error and size of each format on each network, beside the tool's own error; from ``exports``."""
    models = [name for name in _EXPORTED if name in table.values("model")]
    heads = " | ".join(f"{_EXPORTED[name]}: error, its own, bits" for name in models)
    lines = [f"| format | {heads} | its numbers |", f"|---|{'---|' * len(models)}---|"]
    for name in table.values("format"):
        part = table.where(format=name)
        cells = [_exported(part.where(model=model)) for model in models]
        equal = "equal to the bit" if all(part.column("equal")) else "not equal"
        lines.append(f"| {name} | {' | '.join(cells)} | {equal} |")
    return "\n".join(lines)


def _exported(part: Table) -> str:
    if not part.rows:
        return "–"
    row = part.rows[0]
    theirs = row["relative_error_theirs"]
    own = "–" if theirs is None else f"{theirs:.3g}"
    return f"**{row['relative_error']:.3g}**, {own}, {row['bits']:.2f}"


TABLES: dict[str, Callable[[], str]] = {
    "verdicts": lambda: verdict_table("docs/claims.md"),
    "verdicts-here": lambda: verdict_table("claims.md"),
    "experiments": experiment_list,
    "reliability": lambda: reliability_table(json.loads((RESULTS / "reliability.json").read_text("utf-8"))),
    "cluster-scaling": lambda: cluster_scaling(rows_of("cluster")),
    "cluster-check": lambda: cluster_check(rows_of("cluster")),
    "cluster-plan": lambda: cluster_plan(rows_of("cluster")),
    "coverage": lambda: coverage_table(read_table(RESULTS, "coverage")),
    "models": lambda: model_table(read_table(RESULTS, "real_layers")),
    "samples-mnist": lambda: sample_table("flow-mnist_unet"),
    "samples-compact": lambda: sample_table("flow-mnist_trained"),
    "samples-digits": lambda: sample_table("flow-digits"),
    "steps": lambda: step_table(read_table(RESULTS, "authors_measures")),
    "exports": lambda: export_table(read_table(RESULTS, "exports")),
    "scripts": lambda: script_table(read_table(RESULTS, "authors_measures")),
    "ratios": lambda: ratio_table(read_table(RESULTS, "rate_distortion")),
    "fid": lambda: fid_table(
        read_pairs(), read_table(RESULTS, "ratio_map"), read_table(RESULTS, "real_layers")
    ),
}
