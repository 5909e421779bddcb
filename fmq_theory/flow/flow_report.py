"""What a run of ``fmq flow`` found out, by whichever measure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fmq_theory.flow.cell import Cell, LatentValues
from fmq_theory.flow.discretisation import Convergence
from fmq_theory.flow.layers import LayerShare
from fmq_theory.shown import counted

__all__ = ["MEASURES", "FlowReport", "FullPrecision", "Progress", "cell_words"]

MEASURES = ("samples", "velocity")
"""Samples of the flow from the same noise; or one network output at t = 0 on real data."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class FullPrecision:
    """What is known of the full-precision samples, or outputs.

    Attributes:
        sample_rms: root mean square of a coordinate.
        convergence: whether the sampler resolves the flow; None where nothing is integrated.
        latent: None if the model names no layer.
        frechet_to_data: None without features and data.
        images: as ``Cell.images``.
    """

    sample_rms: float
    convergence: Convergence | None
    latent: LatentValues | None
    frechet_to_data: float | None
    images: str


@dataclass(frozen=True, slots=True)
class FlowReport:
    """Everything a flow experiment found out.

    Attributes:
        subject: the model in words.
        config: what was asked for, enough to run it again.
        sample_shape: of one sample.
        data_range: width of the model's space; by the measure "velocity", the peak of PSNR and SSIM.
        ssim_window: side of SSIM's window; None for what is no image.
        features: name of the feature map; None for none.
        full: the full-precision side.
        cells: by scheme and bits, in the order asked for.
        layers: what each tensor's quantization does alone, largest first, in the cell ``layers_of``.
        layers_of: scheme and bits.
        measure: one of ``MEASURES``.
    """

    subject: str
    config: dict[str, Any]
    sample_shape: tuple[int, ...]
    data_range: float
    ssim_window: int | None
    features: str | None
    full: FullPrecision
    cells: tuple[Cell, ...]
    layers: tuple[LayerShare, ...] = ()
    layers_of: tuple[str, int] | None = None
    measure: str = "samples"

    @property
    def dimension(self) -> int:
        """Numbers a sample."""
        product = 1
        for length in self.sample_shape:
            product *= length
        return product

    @property
    def title(self) -> str:
        """The subject for a heading: without the name of the function that builds its network."""
        return self.subject.partition(" (")[0]

    @property
    def failed(self) -> tuple[Cell, ...]:
        """Cells that hold an error."""
        return tuple(cell for cell in self.cells if cell.failed)

    @property
    def compared(self) -> str:
        """What was compared with full precision, for a heading."""
        if self.measure == "velocity":
            return "Network outputs at t = 0 on real data against full precision"
        return "Samples against full precision, same noise"


def cell_words(scheme: str, bits: int, done: int, total: int, elapsed: float, made: int) -> str:
    """What a progress bar says before a cell.

    Args:
        scheme: of the cell.
        bits: of the cell.
        done: cells before it.
        total: all cells.
        elapsed: seconds since the first.
        made: cells of this run, the kept ones left out.
    """
    rate = f", {elapsed / made:.1f} s a cell" if made else ""
    left = (total - done) * elapsed / made if made else 0.0
    rest = f", {left // 60:.0f}:{left % 60:02.0f} left" if made else ""
    return f"{scheme} {counted(bits, 'bit')}, cell {done + 1} of {total}{rate}{rest}"
