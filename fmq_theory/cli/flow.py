"""``fmq flow``: from quantized weights to samples."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.flow_folder import FlowFolder
from fmq_theory.cli.flow_measures import FlowRun, VelocityOptions, refuse_other_options, velocity_options
from fmq_theory.cli.flow_network import Network
from fmq_theory.cli.inputs import reading_checkpoint
from fmq_theory.cli.options import read_bits, read_names
from fmq_theory.cli.running import FmqCommand
from fmq_theory.cli.scheme_names import SAMPLED
from fmq_theory.cli.start import leave_torch_out_of_pot, let_idle_threads_sleep
from fmq_theory.errors import FmqError
from fmq_theory.shown import counted, escaped, shell_word

if TYPE_CHECKING:
    from fmq_theory.flow.flow_report import FlowReport

__all__ = ["flow"]

# Said again here, so that --help needs no numerics; a test compares with SAMPLERS.
SAMPLERS = ("euler", "midpoint", "heun")
_PLACES = ("out", "json_path", "csv_path", "no_plot", "resume", "force")


@click.command(cls=FmqCommand, context_settings={"help_option_names": ["-h", "--help"]})
@velocity_options
@click.argument("checkpoint", type=click.Path(path_type=Path), required=False)
@click.option(
    "--model",
    help="package.module:factory of the network, or file.py:factory; without it the bundled digits.",
)
@click.option(
    "--include",
    help="Which tensors of CHECKPOINT are the model, where it holds a running average too: 'ema.*'.",
)
@click.option(
    "--schemes",
    callback=read_names,
    default=",".join(SAMPLED),
    show_default=", ".join(SAMPLED),
    help="Comma-separated: those of fmq bounds.",
)
@click.option("--bits", callback=read_bits, default="2-4,6,8", show_default=True, help="2-8, 4, or 2,4,6.")
@click.option(
    "--samples",
    type=click.IntRange(2, 100_000),
    default=64,
    show_default=True,
    help="Samples a seed; velocity: images a batch.",
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
@click.option(
    "--ladder-pieces",
    type=click.IntRange(1, 100),
    help="Of each segment between the two paths, where constants are taken.  [default: 8 for samples of "
    "a few numbers, 1 from 64 on]",
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
    include: str | None,
    schemes: tuple[str, ...],
    bits: tuple[int, ...],
    samples: int,
    seeds: int,
    steps: int,
    sampler: str,
    granularity: str,
    measure: str,
    protocol: str,
    images: str | None,
    labels: str | None,
    fit: str | None,
    batches: int | None,
    peak: float | None,
    features: str | None,
    data_name: str | None,
    ladder_samples: int,
    ladder_pieces: int | None,
    seed: int,
    out: Path | None,
    no_plot: bool,
    json_path: Path | None,
    csv_path: Path | None,
    resume: bool,
    force: bool,
) -> None:
    """Quantize a flow model, draw samples, and set the error beside the bounds.

    CHECKPOINT is a .pt, .pth or .safetensors file, and --model the factory of its network: a function without
    arguments that returns a fmq_theory.FlowModel, in a module or in a Python file (the guide "A flow model of
    your own" makes one step by step). Without arguments: the bundled model of handwritten digits.

    For each scheme and bit-width the quantized samples are compared with the full-precision ones from the
    same noise: error, PSNR, SSIM, latent variance, Fréchet distance; and the error with its bounds g0 to g4.
    With --measure velocity no flow is integrated: one output of each network at t = 0 on real images, which
    is how the paper's scripts made their figures 3 and 4. OUT holds report.md, the figures, flow.json (which
    fmq claims --fidelity reads), rows.csv, and the finished cells.

    \b
    Examples:
      fmq flow
      fmq flow model.pt --model ./my_models.py:build --schemes uniform,lloyd_max --bits 2-8
      fmq flow model.pt --model my.models:build --features my.models:inception --resume
      fmq flow model.pt --model my.models:build --measure velocity --images t10k.npz --protocol published
    """  # noqa: D301 (click reads \\b as "keep these lines")
    if checkpoint is not None and model is None:
        raise click.UsageError("CHECKPOINT needs --model package.module:factory, the network of its weights")
    if include is not None and checkpoint is None:
        raise click.UsageError("--include has no meaning without CHECKPOINT; leave it out")
    if resume and force:
        raise click.UsageError("--resume keeps finished cells and --force throws them away: choose one")
    leave_torch_out_of_pot()
    let_idle_threads_sleep()
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # an installed fmq does not look for factories beside the user
    with reported_errors(), reading_checkpoint(checkpoint, images, labels, fit):
        # What a model of the user's prints is no result.
        with redirect_stdout(sys.stderr):
            network = Network(checkpoint, model, include)
            loaded, subject, short = network.load()
            folder = FlowFolder(out, short, json_path, csv_path, no_plot, resume, force)
            cells = FlowRun(network, loaded, subject, schemes, bits, folder)
            refuse_other_options(click.get_current_context(), measure)
            if measure == "velocity":
                options = VelocityOptions(images, labels, fit, batches, peak)

                def run() -> "FlowReport":
                    return cells.velocity(options, samples, protocol, granularity, seed)
            else:
                from fmq_theory.flow.settings import FlowSettings, pieces_for

                pieces = ladder_pieces or pieces_for(loaded.sample_shape)
                settings = FlowSettings(
                    samples,
                    seeds,
                    steps,
                    sampler,
                    granularity,
                    seed,
                    ladder_samples,
                    pieces,
                    protocol=protocol,
                )
                named = features or ("digits" if checkpoint is None and model is None else "none")

                def run() -> "FlowReport":
                    return cells.samples(settings, named, data_name)

            try:
                folder.check()
                with folder.locked():
                    report = run()
            except KeyboardInterrupt:
                click.echo(
                    f"stopped; {counted(folder.kept, 'cell')} kept in {escaped(folder.path)}: go on with "
                    "--resume",
                    err=True,
                )
                raise SystemExit(130) from None
            except (FmqError, click.ClickException, OSError, MemoryError):
                folder.forget()
                raise
        folder.write(report, _command_line())
    if report.failed:
        raise SystemExit(1)


def _command_line() -> str:
    """What the user asked for, without where the results go."""
    context = click.get_current_context()
    words = ["fmq", "flow"]
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if not given or name in _PLACES:
            continue
        value: object = context.params[name]
        parts = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
        text = ",".join(map(str, parts))
        words += [text] if isinstance(parameter, click.Argument) else [parameter.opts[0], text]
    return " ".join(map(shell_word, words))
