"""Codes of four bits, two in a byte, and the numbers of four bits of the OCP formats."""

import torch

__all__ = ["E2M1", "high_first", "low_first"]

E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0)
"""The values of FP4 with two bits of exponent and one of mantissa, by their codes (OCP MX 1.0, 5.3.3)."""


def low_first(data: torch.Tensor) -> torch.Tensor:
    """Codes of bytes whose lower half comes first, twice as many in the last axis.

    Args:
        data: uint8.
    """
    return torch.stack((data & 15, data >> 4), dim=-1).flatten(-2)


def high_first(data: torch.Tensor) -> torch.Tensor:
    """Codes of bytes whose upper half comes first, twice as many in the last axis.

    Args:
        data: uint8.
    """
    return torch.stack((data >> 4, data & 15), dim=-1).flatten(-2)
