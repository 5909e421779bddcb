"""Blocks with scales in 4.25 bits a weight or fewer, beside NF4 of bitsandbytes in 4.5: error and time."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.benchmark.clock import Pace, Timing, in_turn
from experiments.benchmark.contender import Contender
from experiments.benchmark.datasets import LAWS, Dataset, Law
from experiments.benchmark.duel import Outcome
from experiments.benchmark.rows import Goal, GoalRow, TimeRow, judged
from fmq_theory.quantizers.block_scaled import BlockQuantized, quantize_blocks

__all__ = ["GAIN", "OURS", "PEER", "TABLE", "BlockScaling"]

TOPIC = "block scaling"
BLOCK = 64
OURS, HALF, IMPROVED = "ours", "ours, float16 scales", "ours, float16 scales, 3 sweeps"
PEER, TABLE = "bitsandbytes NF4", "our NF4 table, float32 scales"
# Bits a weight: the most that ours may take, and those of NF4 with a float32 scale for 64 weights.
MOST_BITS, PEER_BITS = 4.25, 4.5
# By which part the error must be less.
GAIN: Mapping[Law, float] = {"gaussian": 0.08, "student-t": 0.22}
FASTER = 3.0
# Relative: how far the error of our NF4 may lie from the peer's.
SAME = 1e-3
_CHUNK = 1 << 8


def _ours(name: str, **options: Any) -> Contender:
    return Contender(name, lambda x: quantize_blocks(x, bits=4, group_size=BLOCK, **options))


def _nf4_of_the_peer(x: Any) -> tuple[Any, Any]:
    return importlib.import_module("bitsandbytes.functional").quantize_4bit(
        x, blocksize=BLOCK, quant_type="nf4"
    )


def _as_tensor(x: NDArray[np.float32]) -> Any:
    return importlib.import_module("torch").from_numpy(x)


CONTENDERS = (
    _ours(OURS, scale_type="float8_e4m3"),
    _ours(HALF),
    _ours(IMPROVED, sweeps=3),
    _ours(TABLE, scheme="nf4", scale_type="float32", signed=False),
    Contender(PEER, _nf4_of_the_peer, _as_tensor, "bitsandbytes"),
)


def _dequantized(result: Any) -> NDArray[np.float32]:
    if isinstance(result, BlockQuantized):
        return result.dequantize()
    return importlib.import_module("bitsandbytes.functional").dequantize_4bit(*result).numpy()


def mean_squared_error(x: NDArray[np.float32], reached: NDArray[np.float32]) -> float:
    """In float64, by the definition."""
    parts = [
        float(np.square(x[start : start + _CHUNK].astype(np.float64) - reached[start : start + _CHUNK]).sum())
        for start in range(0, len(x), _CHUNK)
    ]
    return sum(parts) / x.size


@dataclass(frozen=True, slots=True)
class BlockScaling:
    """One law; without the peer its table in our code takes its place in the goal on the error."""

    law: Law
    shape: tuple[int, int]
    contenders: Sequence[Contender] = CONTENDERS
    dequantized: Callable[[Any], NDArray[np.float32]] = _dequantized
    topic: str = TOPIC

    @property
    def what(self) -> str:
        """Size and block."""
        return f"{self.shape}, blocks of {BLOCK}"

    def run(self, pace: Pace) -> Outcome:
        """Errors by the definition, and times in turn."""
        dataset = Dataset(self.law, self.shape)
        x, tiny = dataset.make(), Dataset(self.law, (8, 2 * BLOCK), seed=7).make()
        present = [contender for contender in self.contenders if contender.is_installed]
        timings = {timing.name: timing for timing in in_turn(present, x, tiny, pace)}
        errors = {name: mean_squared_error(x, self.dequantized(t.result)) for name, t in timings.items()}
        problems = self._problems(timings, errors)
        peer = PEER if PEER in errors else TABLE
        gain = GAIN[self.law]
        words = f"at ≤ {MOST_BITS:g} bits ≥ {100.0 * gain:g} % less error than NF4 at {PEER_BITS:g}"
        where: dict[str, Any] = {"topic": TOPIC, "what": self.what, "law": LAWS[self.law]}
        goals = [
            judged(
                Goal(words, (peer,), 1.0 - gain),
                **where,
                ours=errors[OURS],
                reference=peer,
                reference_value=errors[peer],
                unit="",
                problems=problems,
            )
        ]
        fast = Goal(f"≥ {FASTER:g} × faster than {PEER}", (PEER,), FASTER, faster=True)
        if PEER in timings:
            ours, reference = 1e3 * timings[OURS].seconds, 1e3 * timings[PEER].seconds
            goals.append(
                judged(fast, **where, ours=ours, reference=PEER, reference_value=reference, problems=problems)
            )
        else:
            where["goal"], where["note"] = fast.words, f"{PEER}: not installed"
            unknown = dict.fromkeys(("ours", "reference_value", "ratio", "met", "by"))
            goals.append(GoalRow(**where, reference=PEER, unit="ms", **unknown))
        return Outcome(goals, [self._time(contender, timings, errors) for contender in self.contenders])

    def _problems(self, timings: Mapping[str, Timing], errors: Mapping[str, float]) -> tuple[str, ...]:
        found: list[str] = []
        for name in (OURS, TABLE):
            result = timings[name].result
            if abs(result.mse / errors[name] - 1.0) > SAME:
                found.append(
                    f"{name}: the error it tells is {result.mse:g}, and {errors[name]:g} is measured"
                )
        if timings[OURS].result.effective_bits > MOST_BITS:
            found.append(f"ours takes {timings[OURS].result.effective_bits:g} bits")
        if PEER in errors and abs(errors[TABLE] / errors[PEER] - 1.0) > SAME:
            found.append(f"{TABLE}: error {errors[TABLE]:g} beside the peer's {errors[PEER]:g}")
        return tuple(found)

    def _time(
        self, contender: Contender, timings: Mapping[str, Timing], errors: Mapping[str, float]
    ) -> TimeRow:
        where = TOPIC, self.what, LAWS[self.law], contender.name, contender.threads
        if contender.name not in timings:
            return TimeRow(*where, None, None, 0, f"{contender.needs} is not installed")
        timing = timings[contender.name]
        bits = timing.result.effective_bits if isinstance(timing.result, BlockQuantized) else PEER_BITS
        note = f"error {errors[contender.name]:.4g} at {bits:.5g} bits"
        return TimeRow(*where, 1e3 * timing.seconds, 1e3 * timing.least_s, timing.runs, note)
