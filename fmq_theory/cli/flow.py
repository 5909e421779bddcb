"""``fmq flow``: from quantized weights to samples."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.options import read_bits, read_names
from fmq_theory.cli.start import leave_torch_out_of_pot, let_idle_threads_sleep

if TYPE_CHECKING:
    from fmq_theory.flow import FlowModel
    from fmq_theory.flow.cell_store import CellStore
    from fmq_theory.flow.experiment import FlowReport
    from fmq_theory.flow.settings import FlowSettings

__all__ = ["flow"]

# Said again here, so that --help needs no numerics; a test compares with SCHEMES and SAMPLERS.
DEFAULT_SCHEMES = ("uniform", "uniform_clipped", "equal_mass", "pwl", "log2", "lloyd_max")
SAMPLERS = ("euler", "midpoint", "heun")
_LAYERS_OF = ("equal_mass", 3)
_CELLS = "cells.jsonl"
_REPORT = "flow.json"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("checkpoint", type=click.Path(path_type=Path), required=False)
@click.option("--model", help="package.module:factory of the network; without it the bundled digits.")
@click.option(
    "--schemes",
    callback=read_names,
    default=",".join(DEFAULT_SCHEMES),
    show_default=True,
    help="Comma-separated: those of fmq bounds.",
)
@click.option("--bits", callback=read_bits, default="2-4,6,8", show_default=True, help="2-8, 4, or 2,4,6.")
@click.option(
    "--samples", type=click.IntRange(2, 100_000), default=64, show_default=True, help="Samples a seed."
)
@click.option(
    "--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="Draws of the noise."
)
@click.option(
    "--steps", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Of the sampler."
)
@click.option("--sampler", type=click.Choice(SAMPLERS), default="midpoint", show_default=True)
@click.option(
    "--granularity",
    type=click.Choice(("channel", "tensor")),
    default="channel",
    show_default=True,
    help="A codebook for each output channel, or one a tensor.",
)
@click.option(
    "--features",
    help="Feature map of the Fréchet distance: identity, digits, a classifier's .safetensors, "
    "package.module:factory, or none.  [default: digits for the bundled model, else none]",
)
@click.option(
    "--data",
    "data_name",
    help="The data, for distances from them: .npy or .npz of [n, ...] in the model's space, or "
    "package.module:function.",
)
@click.option(
    "--ladder-samples",
    type=click.IntRange(0),
    default=2,
    show_default=True,
    help="Samples for which bounds are worked out; 0 for none.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Root of all randomness.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the results; has a default name.")
@click.option("--no-plot", is_flag=True, help="Write no figures.")
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path), help="JSON file, in place of OUT/flow.json."
)
@click.option(
    "--csv", "csv_path", type=click.Path(path_type=Path), help="CSV file, in place of OUT/rows.csv."
)
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped: finished cells are kept.")
@click.option("--force", is_flag=True, help="Start again and replace files that exist.")
def flow(
    checkpoint: Path | None,
    model: str | None,
    schemes: tuple[str, ...],
    bits: tuple[int, ...],
    samples: int,
    seeds: int,
    steps: int,
    sampler: str,
    granularity: str,
    features: str | None,
    data_name: str | None,
    ladder_samples: int,
    seed: int,
    out: Path | None,
    no_plot: bool,
    json_path: Path | None,
    csv_path: Path | None,
    resume: bool,
    force: bool,
) -> None:
    """Quantize a flow model, draw samples, and set the error beside the bounds.

    CHECKPOINT is a .pt, .pth or .safetensors file, and --model the factory of its network, which returns a
    fmq_theory.flow.FlowModel. Without arguments: the bundled model of handwritten digits.

    For each scheme and bit-width the quantized samples are compared with the full-precision ones from the
    same noise: error, PSNR, SSIM, latent variance, Fréchet distance; and the error with its bounds g0 to g4.
    OUT holds figures, flow.json (which fmq claims --fidelity reads), rows.csv, and the finished cells.

    \b
    Examples:
      fmq flow
      fmq flow model.pt --model my.models:build --schemes uniform,lloyd_max --bits 2-8
      fmq flow model.pt --model my.models:build --features my.models:inception --resume
    """  # noqa: D301 (click reads \\b as "keep these lines")
    if checkpoint is not None and model is None:
        raise click.UsageError("CHECKPOINT needs --model package.module:factory, the network of its weights")
    if resume and force:
        raise click.UsageError("--resume keeps finished cells and --force throws them away: choose one")
    leave_torch_out_of_pot()
    let_idle_threads_sleep()
    sys.path.append(
        str(Path.cwd())
    )  # so that factories beside the user are found by an installed fmq as well
    with reported_errors():
        from fmq_theory.flow.settings import FlowSettings

        settings = FlowSettings(samples, seeds, steps, sampler, granularity, seed, ladder_samples)
        loaded, subject, short = _load(checkpoint, model)
        folder = _Folder(out, short, json_path, csv_path, no_plot, resume, force)
        folder.check()
        named = features or ("digits" if checkpoint is None and model is None else "none")
        report = _run(loaded, subject, schemes, bits, settings, named, data_name, folder)
        folder.write(report)
    if report.failed:
        raise SystemExit(1)


def _load(checkpoint: Path | None, model: str | None) -> "tuple[FlowModel, str, str]":
    """The model, what to call it, and what to call its folder."""
    from fmq_theory.checkpoint.models import load_flow
    from fmq_theory.flow import build_model, load_digits

    if checkpoint is not None:
        loaded = load_flow(checkpoint, str(model))
        return loaded, f"{checkpoint.name} ({model})", checkpoint.stem
    if model is not None:
        return build_model(model), model, re.sub(r"\W+", "-", model)
    return load_digits(), "the bundled digits", "digits"


def _run(
    model: "FlowModel",
    subject: str,
    schemes: tuple[str, ...],
    bits: tuple[int, ...],
    settings: "FlowSettings",
    features: str,
    data_name: str | None,
    folder: "_Folder",
) -> "FlowReport":
    from fmq_theory.flow.experiment import run_experiment
    from fmq_theory.flow.fidelity import build_features
    from fmq_theory.flow.fidelity.data import read_samples
    from fmq_theory.report import progress_bar

    phi = None if features == "none" else build_features(features)
    if data_name is not None and phi is None:
        raise click.UsageError("--data is for Fréchet distances, which need --features as well")
    data = None if data_name is None else read_samples(data_name)
    store = folder.store(model, settings, features, data_name)
    scheme, b = _LAYERS_OF
    layers_of = _LAYERS_OF if scheme in schemes and b in bits else (schemes[0], bits[0])
    try:
        with progress_bar("flow") as progress:
            return run_experiment(
                model, subject, schemes, bits, settings,
                phi=phi, data=data, store=store, layers_of=layers_of, progress=progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        click.echo(f"stopped; {len(store)} cells are kept in {folder.path}: go on with --resume", err=True)
        raise SystemExit(130) from None


@dataclass(slots=True)
class _Folder:
    """The results' folder: refused before the work begins, filled at its end.

    A folder that the user did not name is in the current one under a name made of the input; a finished run
    in it is replaced, an unfinished one is not.
    """

    out: Path | None
    short: str
    json_path: Path | None
    csv_path: Path | None
    no_plot: bool
    resume: bool
    force: bool

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.out or Path(f"fmq-flow-{self.short}")

    def check(self) -> None:
        """Makes the folder, or refuses one that holds results which nobody gave up.

        Raises:
            OutputError: with what to pass.
        """
        from fmq_theory.errors import OutputError
        from fmq_theory.report import check_writable

        path = self.path
        if path.exists() and not path.is_dir():
            raise OutputError(f"output {path}", "it is a file", "name a folder")
        finished, begun = (path / _REPORT).exists(), (path / _CELLS).exists()
        if begun and not finished and not (self.resume or self.force):
            raise OutputError(
                f"output {path}", "it holds a run that was stopped", "pass --resume to go on, or --force"
            )
        if finished and self.out is not None and not (self.resume or self.force):
            raise OutputError(
                f"output {path}",
                "it holds a finished run",
                "pass --resume to add cells, or --force to replace it",
            )
        if not path.exists():
            check_writable(path, overwrite=True)
            path.mkdir()
        elif not os.access(path, os.W_OK):
            raise OutputError(f"output {path}", "the folder is not writable", "choose another folder")
        for named in (self.json_path, self.csv_path):
            if named is not None:
                check_writable(named, overwrite=self.force)

    def store(
        self, model: "FlowModel", settings: "FlowSettings", features: str, data_name: str | None
    ) -> "CellStore":
        """The finished cells of a run with the same weights and settings, or none."""
        from fmq_theory import __version__
        from fmq_theory.flow.cell_store import CellStore
        from fmq_theory.flow.experiment import weights_digest

        store = CellStore(
            self.path / _CELLS,
            {
                "fmq_theory": __version__,
                "weights": weights_digest(model),
                **settings.as_json(),
                "features": features,
                "data": data_name,
            },
        )
        if self.resume:
            store.resume()
            click.echo(f"{len(store)} cells kept from before", err=True)
        else:
            # The report of the run before would pass for this one's if this one is stopped.
            (self.path / _REPORT).unlink(missing_ok=True)
            store.start()
        return store

    def write(self, report: "FlowReport") -> None:
        """Prints the tables, writes the files, says where they are and what to run next."""
        from fmq_theory.report.flow_files import write_flow_csv, write_flow_json
        from fmq_theory.report.flow_tables import print_flow

        print_flow(report)
        json_path, csv_path = self.json_path or self.path / _REPORT, self.csv_path or self.path / "rows.csv"
        write_flow_csv(report, csv_path)
        if not self.no_plot:
            from fmq_theory.report.flow_figures import write_flow_figures

            names = ", ".join(path.name for path in write_flow_figures(report, self.path))
            click.echo(f"Figures in {self.path}: {names}")
        write_flow_json(report, json_path)
        click.echo(f"JSON: {json_path}   CSV: {csv_path}")
        click.echo(f"Next: fmq claims --fidelity {json_path} judges the paper's claims on these samples.")
