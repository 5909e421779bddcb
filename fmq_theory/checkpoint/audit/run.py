"""The audit of a checkpoint: what every scheme costs at every bit-width, tensor by tensor and in all."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

from fmq_theory.checkpoint.audit.advice import advise
from fmq_theory.checkpoint.audit.budgets import BUDGETS, budget_points, checked_budgets
from fmq_theory.checkpoint.audit.result import Audit, totals_of
from fmq_theory.checkpoint.audit.store import AuditStore, audit_key
from fmq_theory.checkpoint.audit.tasks import AuditRun, Progress
from fmq_theory.checkpoint.audit.tensor import AuditSettings, OnNonfinite
from fmq_theory.checkpoint.audit.workers import check_workers
from fmq_theory.checkpoint.foreign.files import refuse_quantized
from fmq_theory.checkpoint.io.files import OpenCheckpoint, Readable, opened
from fmq_theory.checkpoint.io.naming import Entry, check_patterns, matches, other_choice
from fmq_theory.checkpoint.io.reader import entries_by_name
from fmq_theory.checkpoint.io.tensors import SkippedTensor
from fmq_theory.checkpoint.quantized.recipe import MIN_NDIM, misfit_error
from fmq_theory.counts import checked_threads
from fmq_theory.errors import CheckpointError, FmqError, Way, argument
from fmq_theory.quantizers import SCHEMES, get_scheme
from fmq_theory.quantizers.layout import Layout
from fmq_theory.quantizers.tensor import checked_bits

__all__ = ["AUDIT_SCHEMES", "AuditError", "audit"]

AUDIT_SCHEMES = tuple(name for name in SCHEMES if name not in ("ecq", "fp4"))
"""What is measured unless other schemes are named; NF4 exists at 4 bits only."""


class AuditError(FmqError, ValueError):
    """An audit of nothing, or by no rule."""


def audit(
    path: Readable,
    schemes: Sequence[str] = AUDIT_SCHEMES,
    bits: Sequence[int] = range(2, 9),
    granularity: str = "channel",
    group_size: int | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    names: Sequence[str] = (),
    on_nonfinite: OnNonfinite = "stop",
    budgets: Sequence[float] = BUDGETS,
    theory: bool = False,
    jobs: int = 1,
    backend: str = "local",
    scheduler: str | None = None,
    resume: Path | None = None,
    progress: Progress = lambda _done, _total, _what: None,
) -> Audit:
    """Measures every scheme at every bit-width on every tensor that can be quantized.

    Tensors are read one at a time, and large ones measured part by part: the memory is that of the largest
    tensor, once for each job, and some 300 MB.

    Args:
        path: what ``read_tensors`` reads; a sharded checkpoint or a folder too. Or one that is open.
        schemes: names that ``get_scheme`` knows. rho_W2 and rho_EM need uniform, lloyd_max, equal_mass.
        bits: 1 to 8 each.
        granularity: "tensor", "channel" (one codebook an output channel), or "group".
        group_size: weights that share a codebook, for granularity "group"; it must divide every channel.
        include: patterns of names; all tensors of two or more dimensions if there is none.
        exclude: patterns of names to leave out.
        names: only these tensors, as ``read_tensors`` takes them, whatever ``include`` and ``exclude`` say.
        on_nonfinite: "stop" at a tensor with nan or inf, or "skip" it.
        budgets: bits a weight at which the best mix of the measured choices is found, tensor by tensor.
        theory: fill in the bounds, the orders and the other roads to the error of each ``AuditCell``; this
            takes a millisecond or so a codebook.
        jobs: processes; each takes one tensor at a time.
        backend: "local", or "dask": the workers of a cluster.
        scheduler: address of the cluster's scheduler.
        resume: a file where finished tensors are kept, and from which those of an earlier run are taken if
            name, shape, type, every weight and the settings are the same.
        progress: called with weights done, weights in all, and the tensor's name.

    Raises:
        CheckpointError: the file cannot be read, changed meanwhile, or was quantized by another tool; a
            pattern fits nothing, or nothing is left to measure.
        WeightsError: groups that do not divide channels (all such tensors are told of before any work), or
            a tensor with nan or inf.
        SchemeError: an unknown scheme, granularity or bits out of 1..8.
        AuditError: nothing to measure, or an unknown rule.
        BudgetListError: a budget that is no positive number.
        WorkersError: a backend that does not work.
        OutputError: ``resume`` cannot be written.

    Examples:
        >>> from fmq_theory.checkpoint.audit import audit
        >>> from fmq_theory.flow.digits import DIGITS_FILE
        >>> found = audit(DIGITS_FILE, schemes=("uniform", "equal_mass", "lloyd_max"), bits=(2, 4))
        >>> for ratio in found.totals.ratios:
        ...     print(f"{ratio.bits} bits: rho_EM {ratio.rho_em:.2f}, rho_W2 {ratio.rho_w2:.2f}")
        2 bits: rho_EM 0.47, rho_W2 0.34
        4 bits: rho_EM 2.02, rho_W2 0.43
    """
    settings = _settings(schemes, bits, granularity, group_size, on_nonfinite, jobs, backend, scheduler)
    sizes = checked_budgets(budgets)
    settings = replace(settings, theory=theory, digests=resume is not None)
    config = _config(settings)
    with opened(path) as stored:
        path = stored.path if isinstance(path, OpenCheckpoint) else Path(path)
        refuse_quantized(stored)
        entries = stored.entries(() if names else include)
        if names:
            chosen, skipped = entries_by_name(path, entries, names), Skipped()
        else:
            chosen, skipped = _select(path, entries, settings, include, exclude)
        store = None if resume is None else AuditStore.open(resume, audit_key(_with_version(config)))
        run = AuditRun(stored, settings, chosen, jobs, scheduler, progress)
        finished = {} if store is None else run.kept(store)
        reused = len(finished)
        for name, outcome in run.outcomes(finished):
            if isinstance(outcome.found, SkippedTensor):
                skipped[name] = (outcome.found.shape, outcome.found.reason)
                continue
            finished[name] = outcome.found
            if store is not None:
                store.put(outcome.found, outcome.weights)
        stored.verify_in_place()
    tensors = tuple(finished[entry.name] for entry in chosen if entry.name in finished)
    if not tensors:
        raise _nothing(path, skipped, entries)
    order = dict.fromkeys(entry.name for entry in entries)
    totals = totals_of(tensors, settings.bits)
    return Audit(
        path=str(stored.file),
        config={
            **config,
            "include": list(include),
            "exclude": list(exclude),
            "names": list(names),
            "on_nonfinite": on_nonfinite,
            "quantized_before": stored.quantized,
        },
        tensors=tensors,
        skipped=tuple((name, *skipped[name]) for name in order if name in skipped),
        totals=totals,
        advice=asdict(advise(tensors, totals)),
        reused=reused,
        budgets=budget_points(tensors, totals, sizes),
    )


Skipped = dict[str, tuple[tuple[int, ...], str]]


def _settings(
    schemes: Sequence[str],
    bits: Sequence[int],
    granularity: str,
    group_size: int | None,
    on_nonfinite: OnNonfinite,
    jobs: int,
    backend: str,
    scheduler: str | None,
) -> AuditSettings:
    """What can be refused before the file is opened."""
    for scheme in schemes:
        get_scheme(scheme)
    if not schemes or not bits:
        raise AuditError("audit", "no scheme or no bit-width is named", "name at least one of each")
    if on_nonfinite not in get_args(OnNonfinite):
        raise AuditError(f"on_nonfinite {on_nonfinite!r}", "no such rule", "choose stop or skip")
    check_workers(backend, scheduler, jobs)
    Layout.of((1, group_size or 1), granularity, 0, group_size)
    return AuditSettings(
        schemes=tuple(dict.fromkeys(schemes)),
        bits=tuple(sorted({checked_bits(b) for b in bits})),
        granularity=granularity,
        group_size=group_size,
        on_nonfinite=on_nonfinite,
        threads=max(1, checked_threads(None) // jobs),
    )


def _config(settings: AuditSettings) -> dict[str, Any]:
    return {
        "schemes": list(settings.schemes),
        "bits": list(settings.bits),
        "granularity": settings.granularity,
        "group_size": settings.group_size,
        "theory": settings.theory,
    }


def _with_version(config: dict[str, Any]) -> dict[str, Any]:
    from fmq_theory import __version__

    return {**config, "fmq_theory": __version__}


def _select(
    path: Path,
    entries: Sequence[Entry],
    settings: AuditSettings,
    include: Sequence[str],
    exclude: Sequence[str],
) -> tuple[list[Entry], Skipped]:
    """The tensors to measure, and the others with the reason."""
    check_patterns(entries, include, exclude)
    chosen: list[Entry] = []
    skipped: Skipped = {}
    misfits: list[tuple[str, int]] = []
    for entry in entries:
        shape = entry.stored.shape
        reason = entry.excluded or entry.stored.unusable(MIN_NDIM)
        if not reason and not matches(entry.name, include, exclude):
            reason = "not asked for"
        if reason:
            skipped.setdefault(entry.name, (shape, reason))
            continue
        chosen.append(entry)
        channel = math.prod(shape[1:])
        if settings.group_size is not None and channel % settings.group_size:
            misfits.append((entry.name, channel))
    if misfits:
        otherwise = Way("exclude", "exclude"), " for them, or ", argument("granularity", "channel")
        raise misfit_error(misfits, settings.group_size or 0, otherwise)
    if not chosen:
        raise _nothing(path, skipped, entries)
    return chosen, skipped


def _nothing(path: Path, skipped: Skipped, entries: Sequence[Entry]) -> CheckpointError:
    if not skipped:
        return CheckpointError(
            f"checkpoint {str(path)!r}", "it holds no tensors", "pass a file with a state dict"
        )
    examples = "; ".join(f"{name!r}: {reason}" for name, (_, reason) in list(skipped.items())[:3])
    return CheckpointError(
        f"checkpoint {str(path)!r}",
        f"none of its {len(skipped)} tensors is left to measure ({examples})",
        other_choice(entries),
    )
