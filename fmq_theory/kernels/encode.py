"""From weights to codes by any thresholds, and the squared error of what the codes stand for."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.double_double import two_sum
from fmq_theory.kernels.jit import kernel
from fmq_theory.kernels.threads import run_blocks

__all__ = ["encode_rows", "squared_error_rows"]

FloatArray = NDArray[np.float64]
Codes = NDArray[np.uint8]

# Weights whose searches run side by side, so that the compiler uses vector registers.
LANES = 32
# Squares that are summed in plain float64 before their sum is compensated.
CHUNK = 1024


def encode_rows(rows: NDArray[np.floating], thresholds: FloatArray, threads: int = 1) -> Codes:
    """How many thresholds of its row are not above each weight: the cell [a, b) that holds it.

    Args:
        rows: finite float32 or float64, contiguous, shape ``[R, C]``.
        thresholds: non-decreasing, infinite where there is none, shape ``[R, K - 1]``, K <= 256.
        threads: at most so many; no result depends on it.

    Returns:
        uint8, shape ``[R, C]``.
    """
    num_rows, columns = rows.shape
    size = 1 << max(thresholds.shape[1], 1).bit_length()
    padded = np.full((num_rows, size - 1), np.inf)
    padded[:, : thresholds.shape[1]] = thresholds
    # For a float32 x and a float64 t, x >= t says the same as x >= the next float32 that is not below t.
    borders = rounded_up(padded) if rows.dtype == np.float32 else padded
    codes = np.empty(rows.shape, dtype=np.uint8)
    if num_rows >= threads:
        run_blocks(lambda a, b: _encode(rows[a:b], borders[a:b], codes[a:b]), num_rows, threads)
    else:
        for row, border, code in zip(rows, borders, codes, strict=True):
            run_blocks(partial(_encode_range, row, border, code), columns, threads)
    return codes


def _encode_range(
    row: NDArray[np.floating], border: NDArray[np.floating], code: Codes, start: int, stop: int
) -> None:
    _encode_row(row[start:stop], border, code[start:stop])


def rounded_up(numbers: FloatArray) -> NDArray[np.float32]:
    """The least float32 that is not below each number."""
    with np.errstate(over="ignore"):
        narrow = numbers.astype(np.float32)
    return np.where(narrow.astype(np.float64) < numbers, np.nextafter(narrow, np.float32(np.inf)), narrow)


@kernel
def _encode_row(row: NDArray[np.floating], border: NDArray[np.floating], code: Codes) -> None:
    """A search by halving, without branches, for 2**b - 1 borders."""
    half = (border.size + 1) // 2
    found = np.empty(LANES, dtype=np.int32)
    whole = row.size // LANES * LANES
    for start in range(0, whole, LANES):
        for lane in range(LANES):
            found[lane] = 0
        step = half
        while step > 0:
            for lane in range(LANES):
                place = found[lane] + step
                found[lane] = place if row[start + lane] >= border[place - 1] else found[lane]
            step //= 2
        for lane in range(LANES):
            code[start + lane] = np.uint8(found[lane])
    for i in range(whole, row.size):
        place = 0
        step = half
        while step > 0:
            if row[i] >= border[place + step - 1]:
                place += step
            step //= 2
        code[i] = np.uint8(place)


@kernel
def _encode(rows: NDArray[np.floating], borders: NDArray[np.floating], codes: Codes) -> None:
    for r in range(rows.shape[0]):
        _encode_row(rows[r], borders[r], codes[r])


def squared_error_rows(
    rows: NDArray[np.floating],
    codes: Codes,
    levels: FloatArray,
    mass: FloatArray | None = None,
    threads: int = 1,
) -> FloatArray:
    """sum w (x - levels[code])**2 of each row, compensated.

    Args:
        rows: float32 or float64, shape ``[R, C]``.
        codes: shape ``[R, C]``.
        levels: shape ``[R, K]``.
        mass: w, shape ``[R, C]``; None where all are 1.
        threads: at most so many.

    Returns:
        shape ``[R]``.
    """
    weights = np.empty((rows.shape[0], 0)) if mass is None else mass
    if rows.shape[0] >= threads:
        parts = run_blocks(
            lambda a, b: _squared_errors(rows[a:b], codes[a:b], levels[a:b], weights[a:b]),
            rows.shape[0],
            threads,
        )
        return np.concatenate(parts)
    errors = np.empty(rows.shape[0])
    for r, row in enumerate(zip(rows, codes, levels, weights, strict=True)):
        errors[r] = np.sum(run_blocks(partial(_squared_error_range, *row), rows.shape[1], threads))
    return errors


def _squared_error_range(
    row: NDArray[np.floating], code: Codes, level: FloatArray, mass: FloatArray, start: int, stop: int
) -> float:
    return _squared_error(row[start:stop], code[start:stop], level, mass[start:stop])


@kernel
def _squared_error(row: NDArray[np.floating], code: Codes, level: FloatArray, mass: FloatArray) -> float:
    lanes = np.empty(LANES)
    total = lost = 0.0
    for start in range(0, row.size, CHUNK):
        lanes[:] = 0.0
        for i in range(start, min(start + CHUNK, row.size)):
            gap = np.float64(row[i]) - level[code[i]]
            lanes[i % LANES] += mass[i] * gap * gap if mass.size > 0 else gap * gap
        for lane in range(LANES):
            total, error = two_sum(total, lanes[lane])
            lost += error
    return total + lost


@kernel
def _squared_errors(
    rows: NDArray[np.floating], codes: Codes, levels: FloatArray, mass: FloatArray
) -> FloatArray:
    errors = np.empty(rows.shape[0])
    for r in range(rows.shape[0]):
        errors[r] = _squared_error(rows[r], codes[r], levels[r], mass[r])
    return errors
