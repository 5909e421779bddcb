"""The comparison of a file with its original, a tensor at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from fmq_theory.checkpoint.compare.keeping import keep_in_16_bits
from fmq_theory.checkpoint.compare.layer import Settings, score_layer
from fmq_theory.checkpoint.compare.matching import Matched, match_weights
from fmq_theory.checkpoint.compare.result import FileScore, LayerScore, totals_of
from fmq_theory.checkpoint.foreign.files import StoredFile, open_stored
from fmq_theory.checkpoint.foreign.stored import StoredWeight
from fmq_theory.checkpoint.io.naming import matches
from fmq_theory.checkpoint.io.tensors import as_numpy, nonfinite
from fmq_theory.counts import checked_threads
from fmq_theory.errors import CheckpointError, Way, WeightsError, argument
from fmq_theory.shown import counted

__all__ = ["compare"]

OnNonfinite = Literal["stop", "skip"]
Progress = Callable[[int, int, str], None]

_LEAST_NDIM = 2
_MOST_NAMED = 4
_UNLIKE = 0.9  # relative error: numbers that say nothing of the weights have 1 or more


def compare(
    original: Path | str,
    quantized: Path | str,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    on_nonfinite: OnNonfinite = "stop",
    allow_missing: bool = False,
    best: bool = True,
    own: bool = True,
    threads: int | None = None,
    progress: Progress = lambda _done, _total, _what: None,
) -> FileScore:
    """Scores a quantized file against the original, layer by layer.

        relative error = ||W - Q|| / ||W||,   SQNR = 10 log10(||W||**2 / ||W - Q||**2) dB

    Q is what the format stands for, rebuilt as its own tool does it; effective bits count every byte that the
    file stores of a layer. A layer is a weight of two or more dimensions. One layer is in memory at a time.

    Args:
        original: the weights before they were quantized: any checkpoint that ``read_tensors`` reads, or a
            GGUF file of plain numbers.
        quantized: a file of any of the formats that ``checkpoint.foreign.files.KNOWN`` lists, recognised by
            what is in it.
        include: patterns of the original's names; all layers if there is none.
        exclude: patterns of names to leave out.
        names: names of the file by names of the original, for those that are not found by themselves.
        on_nonfinite: "stop" at a layer with nan or inf in either file, or "skip" it.
        allow_missing: score what both files have, where the quantized one lacks layers of the original.
        best: also find the least error at each layer's size among what ``plan_for_budget`` chooses from.
        own: also find the least error of each layer's own format, where that is computed: free tables of
            levels, equal steps, fixed tables of 4 and 5 bits with a scale a row or block, and plain numbers.
        threads: at most so many at once; None for FMQ_THREADS, or all CPUs. No result depends on it.
        progress: called with weights done, weights in all, and the layer's name.

    Raises:
        CheckpointError: a file cannot be read or is of a format that is not; the original is quantized; the
            files do not belong together (what is missing, and what has another shape, is named); names that
            could stand for two weights.
        WeightsError: nan or inf.
        SettingError: threads that are no whole number from 1 on.

    Examples:
        The bundled digits model in bfloat16: a relative error near 2**-9 / sqrt(3), and 16 effective bits.

        >>> import tempfile
        >>> from pathlib import Path
        >>> import fmq_theory
        >>> from fmq_theory import checkpoint
        >>> from fmq_theory.flow.digits import DIGITS_FILE
        >>> from safetensors.torch import load_file, save_file
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "half.safetensors"
        ...     save_file({name: w.bfloat16() for name, w in load_file(DIGITS_FILE).items()}, path)
        ...     found = fmq_theory.compare(DIGITS_FILE, path)
        >>> found.totals.effective_bits, found.totals.over_own
        (16.0, 1.0)
        >>> 0.001 < found.totals.relative_error < 2**-8
        True
    """
    settings = Settings(best, own, checked_threads(threads))
    with open_stored(original) as first, open_stored(quantized) as second:
        _check_original(first)
        originals = {weight.name: weight for weight in first.weights}
        _check_patterns(originals, include, exclude)
        matched = match_weights(originals, second.weights, second.architecture, names)
        wanted, left_out = _selected(originals, include, exclude)
        layers = _paired(first, second, wanted, matched, left_out, allow_missing=allow_missing)
        total, done = sum(weight.count for weight, _ in layers), 0
        found: list[LayerScore] = []
        for weight, theirs in layers:
            progress(done, total, weight.name)
            score = _score(weight, theirs, settings, on_nonfinite)
            if isinstance(score, LayerScore):
                found.append(score)
            else:
                left_out.append((weight.name, weight.shape or (), score))
            done += weight.count
        progress(total, total, "")
        if not found:
            raise CheckpointError(
                f"file {str(quantized)!r}", "no layer of it is left to score", "choose other layers"
            )
        return _result(first, second, found, left_out, matched)


def _check_original(file: StoredFile) -> None:
    quantized = [weight for weight in file.weights if not weight.plain]
    if quantized:
        raise CheckpointError(
            f"original {str(file.path)!r}",
            f"it is quantized itself: {quantized[0].name!r} is {quantized[0].format}",
            "name the weights from which the files were made first",
        )


def _check_patterns(
    originals: Mapping[str, StoredWeight], include: Sequence[str], exclude: Sequence[str]
) -> None:
    for what, patterns in ((Way("include", "include"), include), (Way("exclude", "exclude"), exclude)):
        for pattern in patterns:
            if not any(matches(name, [pattern], ()) for name in originals):
                raise CheckpointError(
                    (what, f" {pattern!r}"),
                    "it fits no weight of the original",
                    f"the names are like {_some(list(originals))}",
                )


def _selected(
    originals: Mapping[str, StoredWeight], include: Sequence[str], exclude: Sequence[str]
) -> tuple[list[str], list[tuple[str, tuple[int, ...], str]]]:
    """The layers that are asked for, and why each other weight is none of them."""
    wanted: list[str] = []
    left_out: list[tuple[str, tuple[int, ...], str]] = []
    for name, weight in originals.items():
        shape = weight.shape or ()
        if not matches(name, include, exclude):
            left_out.append((name, shape, "not asked for"))
        elif len(shape) < _LEAST_NDIM:
            left_out.append((name, shape, f"fewer than {_LEAST_NDIM} dimensions"))
        else:
            wanted.append(name)
    return wanted, left_out


def _paired(
    first: StoredFile,
    second: StoredFile,
    wanted: Sequence[str],
    matched: Matched,
    left_out: list[tuple[str, tuple[int, ...], str]],
    *,
    allow_missing: bool,
) -> list[tuple[StoredWeight, StoredWeight]]:
    """The layers of both files.

    Raises:
        CheckpointError: some are missing, or of another shape.
    """
    originals = {weight.name: weight for weight in first.weights}
    missing = [name for name in wanted if name not in matched.pairs]
    pairs = [(originals[name], matched.pairs[name]) for name in wanted if name in matched.pairs]
    odd = [
        f"{ours.name!r} is {theirs.shape or theirs.count} instead of {ours.shape}"
        for ours, theirs in pairs
        if theirs.count != ours.count or theirs.shape not in (None, ours.shape)
    ]
    if odd or not pairs or (missing and not allow_missing):
        causes = (
            [f"{len(missing)} of its {len(wanted)} layers are missing ({_some(missing)})"] if missing else []
        )
        causes += [f"{len(odd)} have another shape ({'; '.join(odd[:_MOST_NAMED])})"] if odd else []
        if matched.extra and missing:
            causes.append(f"it has others ({_some([weight.name for weight in matched.extra])})")
        more: tuple[str | Way, ...] = ("name the checkpoint from which it was made",)
        if missing and pairs and not odd:
            more = (*more, ", or pass ", argument("allow_missing", True), " to score what both have")
        raise CheckpointError(
            f"file {str(second.path)!r} beside {str(first.path)!r}",
            "they do not belong together: " + ", and ".join(causes or ["nothing is asked for"]),
            more,
        )
    left_out += [(name, originals[name].shape or (), "not in the quantized file") for name in missing]
    return pairs


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(repr, names[:_MOST_NAMED])) + more


def _score(
    weight: StoredWeight, theirs: StoredWeight, settings: Settings, on_nonfinite: OnNonfinite
) -> LayerScore | str:
    """The score of a layer, or why there is none."""
    ours = as_numpy(weight.decoded().weights)
    decoded = theirs.decoded(weight.shape)
    numbers = as_numpy(decoded.weights)
    for whose, array in (("the original", ours), ("the quantized file", numbers)):
        if reason := nonfinite(array):
            if on_nonfinite == "skip":
                return f"{reason} in {whose}"
            raise WeightsError(
                f"tensor {weight.name!r} of {whose}",
                reason,
                ("pass ", argument("on_nonfinite", "skip"), " to leave such layers out"),
            )
    return score_layer(weight.name, ours, theirs, decoded, settings)


def _result(
    first: StoredFile,
    second: StoredFile,
    found: Sequence[LayerScore],
    left_out: Sequence[tuple[str, tuple[int, ...], str]],
    matched: Matched,
) -> FileScore:
    totals = totals_of(found)
    layers = tuple(
        replace(
            layer,
            share_of_error=layer.sse / totals.sse if totals.sse > 0.0 else None,
            share_of_weights=layer.weights / totals.weights,
        )
        for layer in found
    )
    left = [*left_out, *((name, (), reason) for name, reason in second.others.items())]
    return FileScore(
        original=str(first.path),
        path=str(second.path),
        formats=second.formats,
        file_bytes=second.num_bytes,
        layers=layers,
        totals=totals,
        keep=keep_in_16_bits(layers),
        left_out=tuple(left),
        notes=tuple(_notes(layers, matched)),
    )


def _notes(layers: Sequence[LayerScore], matched: Matched) -> list[str]:
    notes = [f"{counted(count, 'weight')} found {words}" for words, count in matched.roads.items()]
    if matched.extra:
        notes.append(
            f"of the file, {counted(len(matched.extra), 'weight')} not in the original "
            f"({_some([weight.name for weight in matched.extra])})"
        )
    unlike = [layer.name for layer in layers if (layer.relative_error or 0.0) > _UNLIKE]
    if unlike:
        notes.append(
            f"errors as large as the weights themselves in {_some(unlike)}: the rows may "
            "be in another order, as llama.cpp stores query and key, or they are of another model"
        )
    absent: dict[str, int] = {}
    for layer in layers:
        if layer.own_sse is None:
            absent[layer.own] = absent.get(layer.own, 0) + 1
    notes += [f"optimum of the own format, {count} without: {why}" for why, count in sorted(absent.items())]
    return notes
