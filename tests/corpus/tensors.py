"""Whether two tensors are the same, bit for bit."""

import torch

__all__ = ["same", "same_states"]


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Type, shape and bits; of truth values the truth, since torch keeps a byte of 2 that means true."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype == torch.bool:
        return torch.equal(a, b)
    one, other = (
        tensor.detach().resolve_neg().resolve_conj().contiguous().reshape(-1).view(torch.uint8)
        if tensor.numel()
        else tensor.new_empty(0, dtype=torch.uint8)
        for tensor in (a, b)
    )
    return torch.equal(one, other)


def same_states(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> bool:
    """The same names, and under each the same tensor."""
    return found.keys() == wanted.keys() and all(same(found[name], wanted[name]) for name in wanted)
