"""The network of ``fmq flow`` as the command line names it: any process can load it from that."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fmq_theory.flow import FlowModel

__all__ = ["Network"]


class Network(NamedTuple):
    """A network and where its weights are.

    Attributes:
        checkpoint: the file of the weights; None for those that the factory gives.
        model: the factory; None for the bundled digits.
        include: which tensors of the checkpoint, where it holds several models.
    """

    checkpoint: Path | None
    model: str | None
    include: str | None

    def load(self) -> "tuple[FlowModel, str, str]":
        """The model, what to call it, and what to call its folder."""
        if self.checkpoint is not None:
            from fmq_theory.checkpoint.modules.models import load_flow

            include = () if self.include is None else (self.include,)
            loaded = load_flow(self.checkpoint, str(self.model), include=include)
            part = "" if self.include is None else f", {self.include}"
            return loaded, f"{self.checkpoint.name}{part} ({self.model})", self.checkpoint.stem
        if self.model is not None:
            from fmq_theory.flow import build_model

            return build_model(self.model), self.model, re.sub(r"\W+", "-", self.model)
        from fmq_theory.flow import load_digits

        return load_digits(), "the bundled digits", "digits"
