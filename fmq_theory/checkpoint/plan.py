"""A plan: how each tensor of a checkpoint is to be quantized, as data that a file can hold."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self, cast, get_args

from fmq_theory.errors import FmqError, SchemeError
from fmq_theory.quantizers import get_scheme
from fmq_theory.quantizers.block_scaled import BlockScheme
from fmq_theory.quantizers.layout import Granularity

__all__ = ["Plan", "PlanError", "TensorPlan"]

_FORMAT = "fmq plan"
_VERSION = 1


class PlanError(FmqError, ValueError):
    """A plan that says something impossible, or text that is no plan."""


@dataclass(frozen=True, slots=True)
class TensorPlan:
    """How one tensor is quantized.

    Attributes:
        name: of the tensor.
        scheme: a name that ``get_scheme`` knows, or "block:..." as ``BlockScheme.parse`` reads it.
        bits: of a code, 1 to 8.
        granularity: "tensor", "channel" (axis 0) or "group"; a block scheme goes with "group".
        group_size: weights of a group; None for the others.
        sse: sum of squared errors over the tensor, as measured for the plan.
        effective_bits: bits a weight with all side numbers.
        weights: how many there are.

    Raises:
        PlanError: a field is out of its domain.
    """

    name: str
    scheme: str
    bits: int
    granularity: str
    group_size: int | None
    sse: float
    effective_bits: float
    weights: int

    def __post_init__(self) -> None:
        thing = f"tensor {self.name!r} of the plan"
        _check(thing, "name", self.name, _is_text(self.name) and self.name != "", "a name")
        _check(thing, "bits", self.bits, _is_integer(self.bits) and 1 <= self.bits <= 8, "1 to 8")
        known = get_args(Granularity)
        _check(
            thing, "granularity", self.granularity, self.granularity in known, f"one of {', '.join(known)}"
        )
        grouped = self.granularity == "group"
        size_fits = (_is_integer(self.group_size) and cast(int, self.group_size) >= 1) == grouped
        size_fits = size_fits and (grouped or self.group_size is None)
        wanted = "a positive integer for groups" if grouped else f"null for granularity {self.granularity!r}"
        _check(thing, "group_size", self.group_size, size_fits, wanted)
        _check(thing, "sse", self.sse, _is_real(self.sse) and self.sse >= 0.0, "a finite number >= 0")
        _check(
            thing,
            "effective_bits",
            self.effective_bits,
            _is_real(self.effective_bits) and self.effective_bits > 0.0,
            "a finite number > 0",
        )
        _check(
            thing, "weights", self.weights, _is_integer(self.weights) and self.weights >= 1, "an integer >= 1"
        )
        self._check_scheme(thing)

    def _check_scheme(self, thing: str) -> None:
        _check(thing, "scheme", self.scheme, _is_text(self.scheme), "a name")
        try:
            block = BlockScheme.parse(self.scheme)
            if block is None:
                get_scheme(self.scheme)
        except SchemeError as error:
            raise PlanError(thing, str(error), "correct the plan") from error
        if block is not None:
            _check(
                thing,
                "granularity",
                self.granularity,
                self.granularity == "group",
                "'group' for a block scheme",
            )


@dataclass(frozen=True, slots=True)
class Plan:
    """How a checkpoint is quantized; tensors that are not named are kept as they are.

    Attributes:
        tensors: in the order of the file.
        effective_bits: bits a weight over all tensors that were to be decided on, those kept at their
            stored width included (see ``config["kept"]``).
        mse: squared error a weight over the same tensors.
        optimality_gap: the sum over tensors of sensitivity times squared error is at most (1 + gap) times
            the least one within the budget that the options allow; None where none was sought.
        config: what the plan was made with; plain JSON.

    Raises:
        PlanError: a tensor comes twice, or a number is out of its domain.
    """

    tensors: tuple[TensorPlan, ...]
    effective_bits: float
    mse: float
    optimality_gap: float | None
    config: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for tensor in self.tensors:
            _check("plan", "tensor", tensor.name, tensor.name not in seen, "each tensor once")
            seen.add(tensor.name)
        for name, least in (("effective_bits", 0.0), ("mse", 0.0)):
            value = getattr(self, name)
            _check("plan", name, value, _is_real(value) and value >= least, "a finite number >= 0")
        gap = self.optimality_gap
        fits = gap is None or (_is_real(gap) and gap >= 0.0)
        _check("plan", "optimality_gap", gap, fits, "a finite number >= 0 or null")
        _check("plan", "config", self.config, _is_object(self.config), "an object")

    def __getitem__(self, name: str) -> TensorPlan:
        """The plan of one tensor.

        Raises:
            KeyError: it is kept as it is, or there is none.
        """
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor
        raise KeyError(name)

    def to_json(self) -> str:
        """Text that ``from_json`` reads; the same plan gives the same text."""
        body = {"format": _FORMAT, "version": _VERSION, **asdict(self)}
        return json.dumps(body, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The plan that ``text`` holds.

        Raises:
            PlanError: the text is no JSON, no plan, of another version, or lacks or misspells a field.
        """
        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PlanError(
                "plan", f"it is no JSON ({error})", "pass a file that --plan-only wrote"
            ) from error
        body = _object("plan", body)
        if body.pop("format", None) != _FORMAT:
            raise PlanError("plan", f"its 'format' is not {_FORMAT!r}", "pass a file that --plan-only wrote")
        if (version := body.pop("version", None)) != _VERSION:
            raise PlanError("plan", f"its version is {version!r}, not {_VERSION}", "make the plan again")
        tensors = body.get("tensors")
        if not isinstance(tensors, list):
            raise PlanError("plan", "its 'tensors' are no list", "pass a file that --plan-only wrote")
        entries = cast("list[object]", tensors)
        body["tensors"] = tuple(
            _made(TensorPlan, f"tensor {i} of the plan", e) for i, e in enumerate(entries)
        )
        return _made(cls, "plan", body)


def _made(kind: Any, thing: str, value: object) -> Any:
    """A dataclass from an object with exactly its fields."""
    body = _object(thing, value)
    names = [f.name for f in fields(kind)]
    _report(thing, "lacks", [name for name in names if name not in body])
    _report(thing, "has the unknown", [name for name in body if name not in names])
    return kind(**body)


def _report(thing: str, verb: str, names: Iterable[str]) -> None:
    listed = ", ".join(repr(name) for name in names)
    if listed:
        raise PlanError(thing, f"it {verb} {listed}", "correct the plan, or make it again")


def _object(thing: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise PlanError(thing, f"it is no JSON object but {type(value).__name__}", "correct the plan")
    return dict(cast("Mapping[str, Any]", value))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check(thing: str, name: str, value: object, fits: bool, wanted: str) -> None:
    if not fits:
        raise PlanError(thing, f"{name} = {value!r} is not allowed", f"it must be {wanted}")
