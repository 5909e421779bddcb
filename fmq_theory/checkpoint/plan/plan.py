"""A plan: how each tensor of a checkpoint is to be quantized, as data that a file can hold."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self, cast

from fmq_theory.brief import brief_repr
from fmq_theory.checkpoint.plan.checks import (
    PlanError,
    check,
    check_config,
    is_integer,
    is_real,
    is_text,
    text_digest,
)
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.errors import FmqError, Way
from fmq_theory.storage.json_objects import json_value, text_of_json

__all__ = ["Plan", "PlanError", "TensorPlan"]

_FORMAT = "fmq plan"
_VERSION = 1


_PASS_A_PLAN = ("pass a file that ", Way("plan_only", "Plan.to_json"), " wrote")
_FIELDS = ("name", "scheme", "bits", "granularity", "group_size", "sse", "effective_bits", "weights")
# What a plan proves of itself; gone from one that was changed after it was made.
_CLAIMS = ("objective", "objective_lower_bound", "best_single", "input")


@dataclass(frozen=True, slots=True)
class TensorPlan:
    """How one tensor is quantized.

    Attributes:
        name: of the tensor.
        choice: how.
        sse: sum of squared errors over the tensor, as measured for the plan.
        effective_bits: bits a weight with the overhead of codebooks and scales.
        weights: how many there are.

    Raises:
        PlanError: a field is out of its domain.
    """

    name: str
    choice: Choice
    sse: float
    effective_bits: float
    weights: int

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        thing = f"tensor {self.name!r} of the plan"
        check(thing, "name", self.name, is_text(self.name) and self.name != "", "a name")
        check(thing, "sse", self.sse, is_real(self.sse) and self.sse >= 0.0, "a finite number >= 0")
        check(
            thing,
            "effective_bits",
            self.effective_bits,
            is_real(self.effective_bits) and self.effective_bits > 0.0,
            "a finite number > 0",
        )
        check(
            thing, "weights", self.weights, is_integer(self.weights) and self.weights >= 1, "an integer >= 1"
        )

    @property
    def scheme(self) -> str:
        """See ``Choice``."""
        return self.choice.scheme

    @property
    def bits(self) -> int:
        """Of a code."""
        return self.choice.bits

    @property
    def granularity(self) -> str:
        """See ``Choice``."""
        return self.choice.granularity

    @property
    def group_size(self) -> int | None:
        """See ``Choice``."""
        return self.choice.group_size

    def as_json(self) -> dict[str, Any]:
        """A plain object, which ``from_json`` reads."""
        own = {"sse": self.sse, "effective_bits": self.effective_bits, "weights": self.weights}
        return {"name": self.name, **self.choice.as_json(), **own}

    @classmethod
    def from_json(cls, thing: str, value: object) -> Self:
        """The entry that a JSON object with exactly its fields describes.

        Args:
            thing: what to call it in an error.
            value: the object.

        Raises:
            PlanError: it lacks a field or has another one, or a field is out of its domain.
        """
        body = _object(thing, value)
        _check_names(thing, body, _FIELDS)
        name = body.pop("name")
        own = {key: body.pop(key) for key in ("sse", "effective_bits", "weights")}
        try:
            choice = Choice(**body)
        except FmqError as error:
            thing = f"tensor {name!r} of the plan" if is_text(name) else thing
            raise PlanError(f"{thing}: {error.thing}", error.cause, "correct the plan") from error
        return cls(name, choice, **own)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a checkpoint is quantized; tensors that are not named are kept as they are.

    Attributes:
        tensors: in the order of the file.
        effective_bits: bits a weight over all tensors that were to be decided on, those kept at their
            stored width included (see ``config["kept"]``), the file's header not.
        mse: squared error a weight over the same tensors.
        optimality_gap: the sum over tensors of sensitivity times squared error is at most (1 + gap) times
            the least one within the budget that the options allow; None where none was sought.
        config: what the plan was made with; plain JSON.

    Raises:
        PlanError: a tensor comes twice, or a number is out of its domain.

    Examples:
        A file of it is read back as it was; one that somebody changed proves nothing any more:

        >>> from fmq_theory import Plan
        >>> plan = Plan((), 32.0, 0.0, 0.0, {"objective": 0.0})
        >>> text = plan.to_json()
        >>> Plan.from_json(text) == plan
        True
        >>> print(Plan.from_json(text.replace("32.0", "4.0")).optimality_gap)
        None
    """

    tensors: tuple[TensorPlan, ...]
    effective_bits: float
    mse: float
    optimality_gap: float | None
    config: dict[str, Any] = field(default_factory=dict[str, Any])

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for tensor in self.tensors:
            check("plan", "tensor", tensor.name, tensor.name not in seen, "each tensor once")
            seen.add(tensor.name)
        for name, least in (("effective_bits", 0.0), ("mse", 0.0)):
            value = getattr(self, name)
            check("plan", name, value, is_real(value) and value >= least, "a finite number >= 0")
        gap = self.optimality_gap
        fits = gap is None or (is_real(gap) and gap >= 0.0)
        check("plan", "optimality_gap", gap, fits, "a finite number >= 0 or null")
        check_config(self.config)

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
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        own["tensors"] = [tensor.as_json() for tensor in self.tensors]
        body = {"format": _FORMAT, "version": _VERSION, **own}
        return json.dumps({**body, "digest": text_digest(body)}, indent=2, allow_nan=False) + "\n"

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """The plan that a file holds; see ``from_json``.

        Args:
            path: of what ``to_json`` wrote.

        Raises:
            PlanError: there is no such file, it is a checkpoint or no text, or as of ``from_json``.
        """
        thing = f"plan {str(path)!r}"
        return cls.from_json(text_of_json(Path(path), lambda cause: PlanError(thing, cause, _PASS_A_PLAN)))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The plan that ``text`` holds.

        A plan whose text was changed after it was made, or that has no digest, proves nothing: it comes
        without ``optimality_gap`` and without what ``config`` says of the least possible.

        Args:
            text: what ``as_json`` wrote, as read from its file.

        Raises:
            PlanError: the text is no JSON, no plan, of another version, or lacks or misspells a field.
        """
        body = _object("plan", json_value(text, lambda cause: PlanError("plan", cause, _PASS_A_PLAN)))
        untouched = _fits_its_digest(body)
        if body.pop("format", None) != _FORMAT:
            raise PlanError("plan", f"its 'format' is not {_FORMAT!r}", _PASS_A_PLAN)
        if (version := body.pop("version", None)) != _VERSION:
            raise PlanError("plan", f"its version is {version!r}, not {_VERSION}", "make the plan again")
        tensors = body.get("tensors")
        if not isinstance(tensors, list):
            raise PlanError("plan", "its 'tensors' are no list", _PASS_A_PLAN)
        entries = cast("list[object]", tensors)
        body["tensors"] = tuple(
            TensorPlan.from_json(f"tensor {i} of the plan", e) for i, e in enumerate(entries)
        )
        _check_names("plan", body, [field.name for field in fields(cls)])
        plan = cls(**body)
        if untouched:
            return plan
        config = {name: value for name, value in plan.config.items() if name not in _CLAIMS}
        return replace(plan, optimality_gap=None, config=config)


def _fits_its_digest(body: dict[str, Any]) -> bool:
    """Whether the text is what ``to_json`` wrote; takes the digest out."""
    digest = body.pop("digest", None)
    check("plan", "digest", digest, digest is None or is_text(digest), "text")
    try:
        return digest is not None and digest == text_digest(body)
    except (ValueError, RecursionError):
        return False  # nan somewhere: said by name where the field is checked


def _check_names(thing: str, body: Mapping[str, Any], names: Sequence[str]) -> None:
    """Refuses an object that has not exactly these names."""
    _report(thing, "lacks", [name for name in names if name not in body])
    _report(thing, "has the unknown", [name for name in body if name not in names])


def _report(thing: str, verb: str, names: Iterable[str]) -> None:
    listed = ", ".join(repr(name) for name in names)
    if listed:
        raise PlanError(thing, f"it {verb} {listed}", "correct the plan, or make it again")


def _object(thing: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise PlanError(thing, f"it is no JSON object but {type(value).__name__}", "correct the plan")
    return dict(cast("Mapping[str, Any]", value))
