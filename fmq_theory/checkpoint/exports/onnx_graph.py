"""A user's ONNX model with its weights taken from a quantized checkpoint.

A graph keeps weights as initializers, often under names of its own, and those of matrix products transposed.
So an initializer is known by its numbers: it is a tensor's if its squared distance from what the codes of
that tensor stand for is at most the error that the checkpoint records of it, and it has not the numbers of a
tensor that the checkpoint keeps. It gives way to nodes that look the same codes up (see ``onnx_nodes``), the
last of which has its name: nothing else of the graph changes.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.exports.lookup import lookup_of
from fmq_theory.checkpoint.exports.onnx_file import check_suffix, finish, ir_version
from fmq_theory.checkpoint.exports.onnx_nodes import TYPES, Nodes, needed_opset, onnx_package
from fmq_theory.checkpoint.exports.repacked import Held, Repacked, quantized_file
from fmq_theory.checkpoint.io.inputs import checkpoint_files
from fmq_theory.checkpoint.io.packed.file import QuantizedFile
from fmq_theory.checkpoint.io.tensors import as_numpy
from fmq_theory.errors import CheckpointError
from fmq_theory.storage import check_output, reading

__all__ = ["export_onnx_graph"]

# The types that weights have, and by how much a number may change when it is rounded to them.
_ROUNDING = {"F64": 2.0**-53, "F32": 2.0**-24, "F16": 2.0**-11, "BF16": 2.0**-8}
_NAMES = {number: name for name, number in TYPES.items() if name in _ROUNDING}
_SLACK = 1.001  # of the root of a mean that another program may sum in another order
_SAMPLE = 4096


def export_onnx_graph(
    path_in: Path | str, path_out: Path | str, path_graph: Path | str, *, overwrite: bool = False
) -> Repacked:
    """Writes an ONNX model in which quantized weights are looked up by their codes.

    What the model computes is what it would with the dequantized checkpoint. Weights that the checkpoint does
    not quantize stay as they are.

    Args:
        path_in: a file of ``fmq quantize``, or its folder.
        path_out: a file that ends in ``.onnx``.
        path_graph: the model, with the weights that were quantized or those that came of it.
        overwrite: replace a file that exists.

    Raises:
        CheckpointError: the input is no quantized checkpoint, or is damaged; the graph is no ONNX model, has
            none of these weights, or cannot be brought to operators that take codes of so few bits; the
            package onnx is missing.
        OutputError: the file exists, or cannot be written.
    """
    place, graph_path = check_suffix(path_out), Path(path_graph)
    onnx = onnx_package()
    with reading(*checkpoint_files(Path(path_in)), graph_path), quantized_file(path_in, "ONNX") as file:
        check_output(place, overwrite=overwrite)
        model = _loaded(onnx, graph_path)
        found = _matched(onnx, file, model.graph.initializer)
        if not found:
            raise CheckpointError(
                f"graph {str(graph_path)!r}",
                "none of its initializers has the weights of this checkpoint",
                "export the graph from the model that was quantized, without folding or fusing its weights",
            )
        bits = [int(file.config["tensors"][name]["bits"]) for name, _ in found.values()]
        model = _upgraded(onnx, model, max(needed_opset(count) for count in bits), graph_path)
        held = _replace(onnx, file, model.graph, found)
        size = finish(onnx, model, place)
        missing = tuple(name for name in file.quantized if name not in held)
        return Repacked(place, size, file.path.stat().st_size, held, missing)


def _loaded(onnx: Any, path: Path) -> Any:
    try:
        model = onnx.load(str(path))
    except OSError as error:
        raise CheckpointError(
            f"graph {str(path)!r}", error.strerror or str(error), "name an ONNX model"
        ) from error
    except Exception as error:  # protobuf and onnx have several
        raise CheckpointError(
            f"graph {str(path)!r}", f"it is no ONNX model ({error})", "name one, as torch.onnx.export writes"
        ) from error
    if not model.HasField("graph") or not model.opset_import:
        raise CheckpointError(f"graph {str(path)!r}", "it holds no graph", "name an ONNX model")
    return model


def _matched(
    onnx: Any, file: QuantizedFile, initializers: Iterable[Any]
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """For each initializer that holds a quantized tensor, that tensor and the order of its axes there."""
    by_shape: dict[tuple[int, ...], list[Any]] = {}
    for initializer in initializers:
        if initializer.data_type in _NAMES and len(initializer.dims) > 1:
            by_shape.setdefault(tuple(sorted(initializer.dims)), []).append(initializer)
    best: dict[str, tuple[float, str, tuple[int, ...]]] = {}
    for name in file.quantized:
        entry = file.config["tensors"][name]
        candidates = by_shape.get(tuple(sorted(file.shape(name))), [])
        if not candidates:
            continue
        rebuilt = as_numpy(file.dequantize(name))
        for initializer in candidates:
            for order in _orders(rebuilt.ndim):
                turned = rebuilt.transpose(order)
                if turned.shape != tuple(initializer.dims):
                    continue
                numbers = np.asarray(onnx.numpy_helper.to_array(initializer))
                unit = max(
                    _ROUNDING[_NAMES[initializer.data_type]], _ROUNDING.get(str(entry["dtype"]), 2.0**-3)
                )
                error = _distance(numbers, turned, float(entry["mse"]), unit)
                if error is not None and error < best.get(initializer.name, (np.inf,))[0]:
                    best[initializer.name] = error, name, order
    _leave_kept(onnx, file, by_shape, best)
    return {wanted: (name, order) for wanted, (_, name, order) in best.items()}


def _leave_kept(
    onnx: Any,
    file: QuantizedFile,
    by_shape: dict[tuple[int, ...], list[Any]],
    best: dict[str, tuple[float, str, tuple[int, ...]]],
) -> None:
    """Takes out of ``best`` what has the numbers of a tensor that the checkpoint keeps as it is.

    A copy of a quantized weight that was trained on differs from it by less than the codes do.
    """
    for name in file.names:
        if name in file.quantized or name in file.ties:
            continue
        near = [i for i in by_shape.get(tuple(sorted(file.shape(name))), []) if i.name in best]
        if not near:
            continue
        kept = as_numpy(file.dequantize(name))
        for initializer in near:
            numbers = np.asarray(onnx.numpy_helper.to_array(initializer))
            turned = [kept.transpose(order) for order in _orders(kept.ndim)]
            unit = _ROUNDING[_NAMES[initializer.data_type]]
            same = any(
                t.shape == numbers.shape and _distance(numbers, t, 0.0, unit) is not None for t in turned
            )
            if same and initializer.name != best[initializer.name][1]:
                del best[initializer.name]


def _orders(rank: int) -> list[tuple[int, ...]]:
    """The orders of axes in which graphs keep weights: their own, and a matrix transposed."""
    return [tuple(range(rank)), *([(1, 0)] if rank == 2 else [])]


def _distance(numbers: NDArray[Any], rebuilt: NDArray[np.floating], mse: float, unit: float) -> float | None:
    """The mean squared difference, if it is no more than the recorded error and rounding."""
    flat, other = numbers.reshape(-1), rebuilt.reshape(-1)
    step = max(1, flat.size // _SAMPLE)
    for part, slack in ((slice(None, None, step), 4.0), (slice(None), 1.0)):
        # A sample first: most pairs of one shape are strangers.
        own = flat[part].astype(np.float64)
        error = float(np.mean(np.square(own - other[part])))
        size = float(np.mean(np.square(own)))
        if not error <= slack * (_SLACK * np.sqrt(mse) + 2 * unit * np.sqrt(size)) ** 2:
            return None
    return error


def _upgraded(onnx: Any, model: Any, opset: int, path: Path) -> Any:
    """The model with operators of at least that version."""
    own = next((entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")), None)
    if own is None or own.version < opset:
        try:
            model = onnx.version_converter.convert_version(model, opset)
        except Exception as error:  # of several kinds, and RuntimeError among them
            raise CheckpointError(
                f"graph {str(path)!r}",
                f"its operators cannot be brought to version {opset}, which takes such codes ({error})",
                f"export it with opset_version={opset} or higher",
            ) from error
    model.ir_version = max(model.ir_version, ir_version(opset))
    return model


def _replace(
    onnx: Any, file: QuantizedFile, graph: Any, found: dict[str, tuple[str, tuple[int, ...]]]
) -> dict[str, Held]:
    taken = {value.name for value in (*graph.input, *graph.initializer)}
    taken |= {name for node in graph.node for name in (*node.input, *node.output)}
    nodes = Nodes(onnx, taken)
    held: dict[str, Held] = {}
    for initializer in graph.initializer:
        if initializer.name not in found:
            continue
        name, order = found[initializer.name]
        lookup = lookup_of(file.packed(name))
        kind = _NAMES[initializer.data_type]
        size = nodes.look_up(name, lookup, initializer.name, kind, order)
        before = held.get(name, Held(0, 0))  # a graph may hold a tensor twice
        held[name] = Held(before.weights + lookup.codes.size, before.num_bytes + size)
    kept = [initializer for initializer in graph.initializer if initializer.name not in found]
    inputs = [value for value in graph.input if value.name not in found]
    for field, values in (("initializer", [*kept, *nodes.initializers]), ("input", inputs)):
        graph.ClearField(field)
        getattr(graph, field).extend(values)
    # They read nothing of the graph, so they can come first.
    own = list(graph.node)
    graph.ClearField("node")
    graph.node.extend([*nodes.nodes, *own])
    return held
