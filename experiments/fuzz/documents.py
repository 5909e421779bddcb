"""Edited certificates, plans and sensitivities: refused, or proving nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from experiments.fuzz.bytes import damaged
from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError
from fmq_theory.certify import (
    codebook_certificate,
    constant_certificate,
    law,
    optimal_codebook,
    optimal_symmetric_codebook,
    sum_certificate,
)
from fmq_theory.checkpoint.plan import Plan, PlanError
from fmq_theory.checkpoint.plan.budget import plan_for_budget
from fmq_theory.checkpoint.plan.options import Search
from fmq_theory.checkpoint.plan.proof import check_plan
from fmq_theory.errors import FmqError
from proofs_check.check_certificate import RefusedError, check
from proofs_check.independent.reading import read
from tests.corpus.json_mutations import broken_files, mutations

__all__ = ["CERTIFICATES", "PLANS", "edits"]


class _RefusedByTheCheckerError(FmqError, ValueError):
    """The checker has no part in the package and so no error of its family."""


def edits(document: object, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Every edit of one place of a JSON document, then damages of its text without end."""
    yield from mutations(document)
    yield from broken_files(document)
    text = json.dumps(document).encode()
    while True:
        yield damaged(text, rng)


def _certificates(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    kinds = {
        "constant": constant_certificate(law("gamma", {"shape": "1/2"})),
        "sum": sum_certificate(num_terms=12),
        "codebook": codebook_certificate(optimal_codebook(law("gaussian"), 3)),
        "searched": codebook_certificate(optimal_codebook(law("gamma", {"shape": "1/3"}), 2)),
        "symmetric": codebook_certificate(optimal_symmetric_codebook(law("gamma", {"shape": "1/3"}), 2)),
    }
    path = folder / "certificate.json"
    made_of = {}
    for name, made in kinds.items():
        document = json.loads(json.dumps(made))
        honest = json.dumps(document).encode()
        yield Trial(f"{name}, as written", lambda d=document, b=honest: _certificate(path, d, b))
        made_of[name] = (document, edits(document, rng))
    while True:
        for name, (document, made) in made_of.items():
            what, content = next(made)
            yield Trial(f"{name}: {what}", lambda d=document, b=content: _certificate(path, d, b))


def _certificate(path: Path, honest: object, content: bytes) -> None:
    path.write_bytes(content)
    try:
        verdict = check(read(path))
    except RefusedError as error:
        raise _RefusedByTheCheckerError("certificate", str(error), "write it again") from None
    if json.loads(content) != honest:
        raise WrongAnswerError(f"accepted: {verdict}")


def _plans(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    checkpoint = folder / "model.safetensors"
    generator = torch.Generator().manual_seed(0)
    names = ("first.weight", "middle.weight", "last.weight")
    save_file({name: torch.randn(16, 32, generator=generator) for name in names}, checkpoint)
    search = Search(schemes=("lloyd_max",), bits=(1, 2, 4), granularities=("tensor",), block_schemes=())
    document = json.loads(plan_for_budget(checkpoint, 4.5, search=search, keep=False).to_json())
    honest = json.dumps(document).encode()
    yield Trial("as written", lambda: _plan(checkpoint, document, honest))
    for what, content in edits(document, rng):
        yield Trial(what, lambda b=content: _plan(checkpoint, document, b))


def _plan(checkpoint: Path, honest: object, content: bytes) -> None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise PlanError("plan", "it is no UTF-8", "write it again") from None
    found = Plan.from_json(text)
    check_plan(checkpoint, found)
    if found.optimality_gap is not None and json.loads(text) != honest:
        raise WrongAnswerError(f"a gap of {found.optimality_gap} is still told")


CERTIFICATES = Campaign(
    "certificates",
    "the independent checker accepts no certificate but the honest one",
    _certificates,
    whole=20_000,
)
PLANS = Campaign("plans", "an edited plan is refused, or proves nothing", _plans, whole=20_000)
