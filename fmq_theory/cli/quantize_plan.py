"""How ``fmq quantize`` comes to its plan: one recipe for all, a file, or the best within a budget."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from fmq_theory.checkpoint.io.files import OpenCheckpoint
    from fmq_theory.checkpoint.plan import Plan
    from fmq_theory.checkpoint.quantized.recipe import KeptTensor, Misfit, Planned, Recipe

__all__ = ["Budget", "PlanOptions", "read_budget"]

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


class Budget(NamedTuple):
    """A size.

    Attributes:
        bits: a weight; None where it is given in bytes.
        num_bytes: of the whole file.
    """

    bits: float | None
    num_bytes: int | None = None


def read_budget(_context: click.Context, _option: click.Parameter, text: str | None) -> Budget | None:
    """``3.5``, bits a weight, or ``300KB`` (also B, MB, GB, KiB, MiB, GiB), the size of the file.

    Raises:
        click.BadParameter: with the accepted forms.
    """
    if text is None:
        return None
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:e-?[0-9]+)?)\s*([kmg]?i?b)?\s*", text, re.IGNORECASE)
    number, unit = (float(found[1]), found[2]) if found else (0.0, None)
    size = number * _UNITS.get((unit or "B").upper(), 0)
    if not 0.0 < size < 2.0**63 or (unit and size < 1.0):
        raise click.BadParameter(f"{text!r} is no size; write bits a weight, as 3.5, or bytes, as 300KB")
    return Budget(None, int(size)) if unit else Budget(number)


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the user said of the plan, as the options hold it.

    Attributes:
        checkpoint: what is quantized.
        scheme: None where it was not given; so for the next three.
        bits: of a code.
        granularity: "tensor", "channel" or "group".
        group_size: weights that share a codebook, for granularity "group".
        misfit: what becomes of tensors that groups do not fit: an error, channels, or they are kept.
        plan: the file of a plan.
        budget: bits a weight, or bytes of the file.
        sensitivities: the file of them.
        include: patterns.
        exclude: patterns.
        skip_nonfinite: leave tensors with nan or inf out of the plan.
        end_bits: the floor of the first and the last layer; None where it was not given.
    """

    checkpoint: Path
    scheme: str | None
    bits: int | None
    granularity: str | None
    group_size: int | None
    misfit: "Misfit"
    plan: Path | None
    budget: "Budget | None"
    sensitivities: Path | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    skip_nonfinite: bool
    end_bits: int | None = None

    def check(self) -> None:
        """Refuses options that contradict each other.

        Raises:
            click.UsageError: with the one to leave out.
        """
        uniform: dict[str, object] = {
            "--scheme": self.scheme,
            "--bits": self.bits,
            "--granularity": self.granularity,
            "--group-size": self.group_size,
        }
        patterns: dict[str, object] = {"--include": self.include or None, "--exclude": self.exclude or None}
        if self.plan is not None:
            _refuse("--plan, which says it", uniform | patterns | {"--budget": self.budget})
        if self.budget is not None:
            _refuse("--budget, which chooses it", uniform)
        if self.budget is None and self.sensitivities is not None:
            raise click.UsageError("--sensitivities has no meaning without --budget; leave it out")
        if self.end_bits is not None and (self.budget is None or self.sensitivities is not None):
            why = "without --budget" if self.budget is None else "with --sensitivities, which know the layers"
            raise click.UsageError(f"--end-bits has no meaning {why}; leave it out")

    def settle(self, stored: "OpenCheckpoint") -> "tuple[Sequence[Planned], list[KeptTensor], Plan | None]":
        """How each tensor is quantized, why the others are not, and the plan if there is one.

        Raises:
            FmqError: the input, the plan or the options do not fit.
        """
        from fmq_theory.checkpoint.plan import Plan
        from fmq_theory.checkpoint.plan.proof import check_plan

        if self.plan is not None:
            plan = Plan.read(self.plan)
            check_plan(stored, plan)
            return plan.tensors, [], plan
        if self.budget is not None:
            plan = self._for_budget(stored, self.budget)
            return plan.tensors, self._kept(plan), plan
        return *self._uniform(stored), None

    def measured(self, stored: "OpenCheckpoint") -> "Plan":
        """The plan with measured errors.

        Raises:
            FmqError: see ``settle``.
        """
        from fmq_theory.checkpoint.plan.measured import measured_plan
        from fmq_theory.report import progress_bar

        if self.plan is not None or self.budget is not None:
            plan = self.settle(stored)[2]
            if plan is not None:
                return plan
        recipes, _ = self._uniform(stored)
        bad = self._nonfinite(stored, [recipe.name for recipe in recipes])
        with progress_bar("measuring", "reading the checkpoint") as progress:
            return measured_plan(
                stored,
                [recipe for recipe in recipes if recipe.name not in bad],
                lambda name, done, total: progress(done / total, name),
            )

    def _uniform(self, stored: "OpenCheckpoint") -> "tuple[list[Recipe], list[KeptTensor]]":
        from fmq_theory.checkpoint.quantized.choice import Choice
        from fmq_theory.checkpoint.quantized.recipe import recipes_for

        granularity = self.granularity or ("channel" if self.group_size is None else "group")
        wanted = Choice(self.scheme or "lloyd_max", self.bits or 4, granularity, self.group_size)
        return recipes_for(stored, wanted, self.include, self.exclude, self.misfit)

    def _for_budget(self, stored: "OpenCheckpoint", budget: "Budget") -> "Plan":
        from fmq_theory.checkpoint.plan.budget import plan_for_budget, read_sensitivities
        from fmq_theory.checkpoint.plan.end_layers import END_BITS
        from fmq_theory.checkpoint.quantized.recipe import wanted_names
        from fmq_theory.report import progress_bar

        names = wanted_names(stored, self.include, self.exclude)
        bad = self._nonfinite(stored, names)
        with progress_bar("measuring", "reading the checkpoint") as progress:
            return plan_for_budget(
                stored,
                budget.bits,
                num_bytes=budget.num_bytes,
                sensitivities=None if self.sensitivities is None else read_sensitivities(self.sensitivities),
                names=[name for name in names if name not in bad],
                end_bits=END_BITS if self.end_bits is None else self.end_bits,
                progress=lambda name, done, total: progress(done / total, name),
            )

    def _nonfinite(self, stored: "OpenCheckpoint", names: Sequence[str]) -> set[str]:
        from fmq_theory.checkpoint.quantized.recipe import nonfinite_names

        return nonfinite_names(stored, names) if self.skip_nonfinite else set()

    def _kept(self, plan: "Plan") -> "list[KeptTensor]":
        """Tensors that the budget leaves as they are; the rest speak for themselves."""
        from fmq_theory.checkpoint.quantized.recipe import KeptTensor

        kept: dict[str, Any] = plan.config.get("kept", {})
        return [KeptTensor(name, (), "worth its bits: the budget allows them") for name in kept]


def _refuse(reason: str, values: dict[str, object]) -> None:
    for option, value in values.items():
        if value is not None:
            raise click.UsageError(f"{option} has no meaning with {reason}; leave it out")
