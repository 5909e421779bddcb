"""The two measures of ``fmq flow``: what each is asked for, and its run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import click

from fmq_theory.cli.flow_network import Network

if TYPE_CHECKING:
    from fmq_theory.cli.flow_folder import FlowFolder
    from fmq_theory.flow import FlowModel
    from fmq_theory.flow.flow_report import FlowReport
    from fmq_theory.flow.settings import FlowSettings

__all__ = ["MEASURES", "FlowRun", "VelocityOptions", "refuse_other_options", "velocity_options"]

# Said again here, so that --help needs no numerics; a test compares with the rooms that own them.
MEASURES = ("samples", "velocity")
PROTOCOLS = ("weights", "published")
FITS = ("exact", "resize", "pad")
_OF_SAMPLES = ("seeds", "steps", "sampler", "features", "data_name", "ladder_samples", "ladder_pieces")
_OF_VELOCITY = ("images", "labels", "fit", "batches", "peak")
_LAYERS_OF = ("equal_mass", 3)

Command = TypeVar("Command", bound=Callable[..., object])


def velocity_options(command: Command) -> Command:
    """The options that choose a measure, and those of the measure "velocity"."""
    for option in (
        click.option(
            "--peak",
            type=click.FloatRange(0.0, min_open=True),
            help="velocity: P of PSNR = 10 log10(P²/mean squared difference), and of SSIM.  "
            "[default: 1, as published]",
        ),
        click.option(
            "--batches",
            type=click.IntRange(1, 10_000),
            help="velocity: disjoint batches of --samples images, shown one by one; 1 is the published "
            "measure.  [default: as many as the images fill, at most 16]",
        ),
        click.option(
            "--fit",
            type=click.Choice(FITS),
            help="velocity: how images of another size become the network's.  "
            "[default: exact, which refuses them]",
        ),
        click.option(
            "--labels", help="velocity: one whole number an image, for a network with classes; else drawn."
        ),
        click.option(
            "--images",
            help="velocity: the real data. Images in [0, 1] or bytes: .npy, .npz with one array, idx (.gz "
            "too); or package.module:function, which returns a tensor, alone or with the condition's parts.",
        ),
        click.option(
            "--protocol",
            type=click.Choice(PROTOCOLS),
            default="weights",
            show_default=True,
            help="weights: tensors of two and more dimensions. published: every tensor, as the published "
            "scripts do (OT, PWL and log2 leave those with fewer than 2^b numbers).",
        ),
        click.option(
            "--measure",
            type=click.Choice(MEASURES),
            default="samples",
            show_default=True,
            help="samples: the flow's, from the same noise. velocity: one network output at t = 0 on real "
            "--images, no flow integrated, which is what the paper's figures 3 and 4 were made with.",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class VelocityOptions:
    """What the user said of the measure "velocity"; None is not said."""

    images: str | None
    labels: str | None
    fit: str | None
    batches: int | None
    peak: float | None


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A run: the model, the cells, and the settings of its measure."""

    network: Network
    model: "FlowModel"
    subject: str
    schemes: tuple[str, ...]
    bits: tuple[int, ...]
    folder: "FlowFolder"

    def samples(self, settings: "FlowSettings", features: str, data_name: str | None) -> "FlowReport":
        """Samples from the same noise."""
        from fmq_theory.cli.flow_process import CellQuestion, cell_processes
        from fmq_theory.flow.cell_work import one_thread
        from fmq_theory.flow.experiment import run_experiment
        from fmq_theory.flow.fidelity import build_features
        from fmq_theory.flow.fidelity.data import read_samples
        from fmq_theory.flow.identity import module_digest, tensors_digest
        from fmq_theory.report import progress_bar

        if data_name is not None and features == "none":
            raise click.UsageError("--data is for Fréchet distances, which need --features as well")
        phi = None if features == "none" else build_features(features)
        data = None if data_name is None else read_samples(data_name)
        about = {
            **settings.as_json(),
            "features": features,
            "data": data_name,
            # The names alone would take another file of the same name for the same data.
            "features_digest": phi and phi.module and module_digest(phi.module),
            "data_digest": None if data is None else tensors_digest([data]),
        }
        store = self.folder.store(self.model, about)
        scheme, b = _LAYERS_OF
        layers_of = (
            _LAYERS_OF if scheme in self.schemes and b in self.bits else (self.schemes[0], self.bits[0])
        )
        question = CellQuestion(self.network, settings, features, data_name)
        missing = sum(store.get(scheme, b) is None for scheme in self.schemes for b in self.bits)
        with (
            one_thread(self.model.module),
            progress_bar("flow", "full precision") as progress,
            cell_processes(question, self.model, missing) as helpers,
        ):
            return run_experiment(
                self.model, self.subject, self.schemes, self.bits, settings,
                phi=phi, data=data, store=store, layers_of=layers_of, helpers=helpers, progress=progress,
            )  # fmt: skip

    def velocity(
        self, options: VelocityOptions, samples: int, protocol: str, granularity: str, seed: int
    ) -> "FlowReport":
        """One network output at t = 0 on real data."""
        from fmq_theory.flow.fidelity import read_real_data
        from fmq_theory.flow.velocity_measure import VelocitySettings, measure_velocity
        from fmq_theory.report import progress_bar

        if options.images is None:
            raise click.UsageError(
                "--measure velocity needs --images FILE: the network is asked about real data at t = 0"
            )
        if protocol == "published" and granularity != "channel":
            raise click.UsageError("--protocol published is by channel: leave --granularity out")
        fit = options.fit or "exact"
        data = read_real_data(options.images, self.model.sample_shape, labels=options.labels, fit=fit)
        peak = 1.0 if options.peak is None else options.peak
        settings = VelocitySettings(
            batch=samples,
            batches=options.batches,
            peak=peak,
            protocol=protocol,
            granularity=granularity,
            seed=seed,
        )
        about = {**settings.as_json(), "images": options.images, "labels": options.labels, "fit": fit}
        about["data"] = data.digest
        store = self.folder.store(self.model, about)
        with progress_bar("flow", "full precision") as progress:
            return measure_velocity(
                self.model,
                self.subject,
                self.schemes,
                self.bits,
                settings,
                data,
                store=store,
                progress=progress,
            )


def refuse_other_options(context: click.Context, measure: str) -> None:
    """Refuses what was said of the measure that was not chosen.

    Raises:
        UsageError: an option of the other measure was given.
    """
    others = _OF_SAMPLES if measure == "velocity" else _OF_VELOCITY
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in others
        and context.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE
    ]
    if given and measure == "velocity":
        raise click.UsageError(
            f"{', '.join(given)}: not for --measure velocity, which integrates no flow and draws no noise"
        )
    if given:
        raise click.UsageError(f"{', '.join(given)}: for --measure velocity only")
