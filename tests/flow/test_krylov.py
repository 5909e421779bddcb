"""Lanczos and power iteration against whole eigenvalue problems, and what their numbers certify."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fmq_theory.errors import FlowError
from fmq_theory.flow.krylov import lanczos, random_start
from tests.flow.random_fields import Draw


def symmetric_matrices(draw: Draw, batch: int, dimension: int) -> Tensor:
    matrices = draw.normal(batch, dimension, dimension)
    return 0.5 * (matrices + matrices.mT)


def apply(matrices: Tensor):
    return lambda v: torch.einsum("bij,bj->bi", matrices, v)


def power_iteration(operator: Callable[[Tensor], Tensor], start: Tensor, iterations: int) -> Tensor:
    """The largest eigenvalue of positive semidefinite operators by repeated products, and nothing else."""
    vector, value = start, start[:, 0]
    for _ in range(iterations):
        vector = vector / vector.norm(dim=1, keepdim=True)
        image = operator(vector)
        value, vector = (vector * image).sum(dim=1), image
    return value


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12))
def test_ritz_values_are_inside_and_residuals_are_true(seed: int, dimension: int, iterations: int) -> None:
    draw = Draw(seed)
    matrices = symmetric_matrices(draw, 4, dimension)
    start = random_start(torch.zeros(4, dimension, dtype=torch.float64), draw.generator)
    found = lanczos(apply(matrices), start, iterations)
    exact = torch.linalg.eigvalsh(matrices)
    assert bool((found.largest <= exact[:, -1] + 1e-9).all())
    assert bool((found.smallest >= exact[:, 0] - 1e-9).all())
    nearest = (exact - found.largest[:, None]).abs().amin(1)
    assert bool((nearest <= found.largest_residual + 1e-9).all())
    nearest = (exact - found.smallest[:, None]).abs().amin(1)
    assert bool((nearest <= found.smallest_residual + 1e-9).all())


def test_as_many_steps_as_dimensions_are_exact() -> None:
    draw = Draw(1)
    matrices = symmetric_matrices(draw, 6, 9)
    found = lanczos(apply(matrices), draw.normal(6, 9), 50)
    exact = torch.linalg.eigvalsh(matrices)
    assert found.products == 9
    torch.testing.assert_close(found.largest, exact[:, -1])
    torch.testing.assert_close(found.smallest, exact[:, 0])
    torch.testing.assert_close(found.upper(), exact[:, -1])


def test_the_residual_certifies_an_eigenvalue_and_not_the_largest() -> None:
    """The start misses the leading eigenvector: residual 0, and yet the largest eigenvalue is 5."""
    matrices = torch.diag(torch.tensor([5.0, 1.0, 1.0], dtype=torch.float64))[None]
    found = lanczos(apply(matrices), torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64), 2)
    assert float(found.largest) == pytest.approx(1.0)
    assert float(found.largest_residual) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.deep
def test_upper_bound_fails_as_rarely_as_it_says() -> None:
    """One eigenvalue far above 199 equal ones is the hardest case; 2000 random starts."""
    draw = Draw(2)
    dimension, trials = 200, 2000
    values = torch.zeros(dimension, dtype=torch.float64)
    values[-1], values[0] = 1.0, -1.0
    start = random_start(torch.zeros(trials, dimension, dtype=torch.float64), draw.generator)
    for iterations in (8, 12):
        found = lanczos(lambda v: v * values, start, iterations)
        misses = int((found.upper(0.05) < 1.0).sum())
        assert misses <= 0.05 * trials
        assert bool(found.upper(0.05).isfinite().all())
    # Control: the lower estimate is no bound.
    assert int((lanczos(lambda v: v * values, start, 2).largest < 1.0 - 1e-3).sum()) > trials // 2


def test_upper_is_infinite_after_too_few_products() -> None:
    draw = Draw(3)
    found = lanczos(apply(symmetric_matrices(draw, 2, 100)), draw.normal(2, 100), 2)
    assert bool(found.upper().isinf().all())


def test_power_iteration_and_lanczos_agree() -> None:
    draw = Draw(4)
    root = draw.normal(5, 8, 8)
    matrices = root @ root.mT
    start = draw.normal(5, 8)
    slow, fast = power_iteration(apply(matrices), start, 4000), lanczos(apply(matrices), start, 8)
    torch.testing.assert_close(slow, fast.largest, rtol=1e-8, atol=0)
    assert bool((power_iteration(apply(matrices), start, 3) < fast.largest).all())


@pytest.mark.parametrize("scale", [0.0, 1.0, -3.0])
def test_exhausted_spaces(scale: float) -> None:
    """Multiples of the identity end the Krylov space after one step."""
    found = lanczos(lambda v: scale * v, Draw(5).normal(3, 7), 5)
    torch.testing.assert_close(found.largest, torch.full((3,), scale, dtype=torch.float64))
    torch.testing.assert_close(found.smallest, torch.full((3,), scale, dtype=torch.float64))


def test_rows_end_apart() -> None:
    """One space is exhausted early: that row keeps its value, the others go on, though all are negative."""
    draw = Draw(6)
    matrices = symmetric_matrices(draw, 3, 6) - 20.0 * torch.eye(6, dtype=torch.float64)
    matrices[1] = -7.0 * torch.eye(6, dtype=torch.float64)
    found = lanczos(apply(matrices), draw.normal(3, 6), 6)
    torch.testing.assert_close(found.largest, torch.linalg.eigvalsh(matrices)[:, -1])


def test_shapes_and_types_of_samples_are_kept() -> None:
    draw = Draw(7)
    start = random_start(torch.zeros(2, 1, 4, 4, dtype=torch.float32), draw.generator)
    assert start.dtype == torch.float32
    torch.testing.assert_close(start.flatten(1).norm(dim=1), torch.ones(2))
    scale = torch.arange(16.0).reshape(1, 4, 4)
    assert float(lanczos(lambda v: scale * v, start, 16).largest[0]) == pytest.approx(15.0, rel=1e-5)


def test_nan_is_refused() -> None:
    with pytest.raises(FlowError, match="not finite"):
        lanczos(lambda v: v * float("nan"), Draw(0).normal(2, 3), 2)
