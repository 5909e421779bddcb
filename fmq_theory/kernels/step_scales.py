"""Equal steps from a least value, both of float16, for each row: the least squared error over all of them.

Levels are d q + m, q = 0 .. K - 1, with codes nearest. For a step d the codes of the weights change at known
m only: weight w passes from q to q - 1 at m = w - d (q - 1/2), so the phases of the weights within one step,
in order, are the order of all changes. Between two changes the residuals w - d q stay, and the error of m is
that about their mean plus n (m - mean)**2: the best m of float16 is the one nearest to the mean. The step -d
with the least value m + (K - 1) d has the same levels, and another number to round.

Not every step is tried. With E(d) the least error over all real m, and q the codes that attain E(d'),

    sqrt E(d) <= sqrt E(d') + |d - d'| ||q - mean q||,    d' ||q - mean q|| <= ||w - mean w|| + sqrt E(d')

so a step at which E is far above what is known rules out those next to it. Below the steps at which the range
of the weights is too wide for K levels, and above those at which two weights of different codes are too far
from them, nothing is tried either: there the codes are all equal, which is a row of equal numbers.

A row whose spread is below the spacing of float16 at its weights is a matter of the last digits of d q + m
and not of codes: of such a row some steps are tried and the best is taken. Of any other row the result is the
optimum among steps with which codes differ.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.half_numbers import LARGEST_HALF, half_above, nearest_half, next_half
from fmq_theory.kernels.runtime.jit import kernel

__all__ = ["best_steps"]

FloatArray = NDArray[np.float64]

_WINDOW = 1.5  # roots of the known error by which an outer weight may be off the levels that are looked at
_SAFE = 1.0 - 1e-9  # of what is ruled out, for the rounding of what says so
_FIRST_TRIES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)  # of the step from the least weight to the largest


@kernel
def _try_step(
    row: FloatArray, mean: float, num_levels: int, step: float, known: float, best: FloatArray
) -> float:
    """Tries every m with a step.

    Args:
        row: the weights less their mean, shape ``[n]``.
        mean: what was taken off.
        num_levels: K.
        step: d, above 0.
        known: an error; m at which an outer weight alone costs ``_WINDOW**2`` times it are left out.
        best: the least error found so far, its step and its least value; written where there is less.

    Returns:
        the least error over all real m, or of those that were left out a bound, where that is lower.
    """
    n, last = row.size, num_levels - 1
    reach = _WINDOW * np.sqrt(known)
    low, high = row.min() - last * step, row.max()  # nothing to gain outside
    low, high = max(low, row.max() - last * step - reach), min(high, row.min() + reach)
    bound = _WINDOW * _WINDOW * known
    if low > high:
        return bound
    whole = np.empty(n)
    phase = np.empty(n)
    codes = np.empty(n)
    sum_q = sum_qq = sum_wq = sum_w = sum_ww = 0.0
    for i in range(n):
        place = (row[i] - low) / step - 0.5
        whole[i] = np.floor(place)
        phase[i] = place - whole[i]
        codes[i] = min(max(0.0, np.ceil(place)), last)
        sum_q += codes[i]
        sum_qq += codes[i] * codes[i]
        sum_wq += row[i] * codes[i]
        sum_w += row[i]
        sum_ww += row[i] * row[i]
    order = np.argsort(phase)
    end = (high - low) / step
    least = np.inf
    turn, at, going = 0, 0, True
    changed = True
    while going:
        if changed:
            residual = sum_w - step * sum_q
            error = sum_ww - step * (2.0 * sum_wq - step * sum_qq) - residual * residual / n
            least = min(least, error)
            if error < best[0]:
                value = float(mean + residual / n)
                held = nearest_half(value)
                whole_error = max(0.0, error) + n * (value - held) ** 2
                if whole_error < best[0]:
                    best[0], best[1], best[2] = whole_error, step, held
                value += float(last * step)
                held = nearest_half(value)
                whole_error = max(0.0, error) + n * (value - held) ** 2
                if whole_error < best[0]:
                    best[0], best[1], best[2] = whole_error, -step, held
        i = order[at]
        going = turn + phase[i] <= end
        code = min(max(0.0, whole[i] - turn), last)
        changed = code != codes[i]
        if changed and going:
            sum_q += code - codes[i]
            sum_qq += code * code - codes[i] * codes[i]
            sum_wq += row[i] * (code - codes[i])
            codes[i] = code
        at += 1
        if at == n:
            turn, at = turn + 1, 0
    return min(max(0.0, float(least)), float(bound))


@kernel
def _first_tries(row: FloatArray, mean: float, num_levels: int, best: FloatArray) -> None:
    """Steps about the widest one, and those that take a row of equal numbers to the mean."""
    spread = row.max() - row.min()
    for part in _FIRST_TRIES:
        step = nearest_half(part * spread / (num_levels - 1))
        if step > 0.0:
            _try_step(row, mean, num_levels, step, best[0], best)
    held = nearest_half(mean)
    if spread < abs(mean - held):
        below = held if held <= mean else held - (next_half(abs(held)) - abs(held))
        for count in range(1, num_levels):
            step = nearest_half((mean - below) / count)
            if step > 0.0:
                _try_step(row, mean, num_levels, step, best[0], best)


@kernel
def best_steps(
    rows: FloatArray, num_levels: int, errors: FloatArray, steps: FloatArray, least: FloatArray
) -> None:
    """min over d and m of float16 of sum_i min_q (w_i - d q - m)**2 for each row, and where it is attained.

    Args:
        rows: finite, their squares too, shape ``[R, n]``.
        num_levels: K, at least 2.
        errors: written, shape ``[R]``.
        steps: written, d, which may be negative, shape ``[R]``.
        least: written, m, shape ``[R]``.
    """
    n, last = rows.shape[1], num_levels - 1
    best = np.empty(3)
    for r in range(rows.shape[0]):
        mean = rows[r].sum() / n
        row = rows[r] - mean
        spread, energy, offset = row.max() - row.min(), 0.0, 0.0
        for i in range(n):
            energy += row[i] * row[i]
            offset += row[i]
        held = nearest_half(mean)
        best[0] = energy + 2.0 * offset * (mean - held) + n * (mean - held) ** 2
        best[1], best[2] = 0.0, held
        if spread > 0.0 or mean != held:
            _first_tries(row, mean, num_levels, best)
        largest = min(np.abs(rows[r]).max(), LARGEST_HALF)
        if spread > next_half(nearest_half(largest)) - largest:
            root = np.sqrt(energy)
            step = half_above(max(0.0, (spread - np.sqrt(2.0 * best[0])) / last * _SAFE))
            step = max(step, next_half(0.0))
            while step <= min(LARGEST_HALF, spread + np.sqrt(2.0 * best[0])):
                found = _try_step(row, mean, num_levels, step, best[0], best)
                known = np.sqrt(best[0])
                ahead = (np.sqrt(found) - known) * step / (root + known)
                step = max(next_half(step), half_above(step + max(0.0, ahead) * _SAFE))
        errors[r], steps[r], least[r] = best[0], best[1], best[2]
