"""What a cell of a grid costs."""

from fmq_theory.metrics import MeanDistortion, mean_distortion
from fmq_theory.quantizers import GridCell

__all__ = ["measured"]


def measured(cell: GridCell) -> MeanDistortion:
    """Its mean squared error and entropy."""
    return mean_distortion(cell.levels, cell.ends, cell.rows)
