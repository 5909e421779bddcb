"""``fmq export``: a model in the format of another tool, or a quantized checkpoint in its folder layout."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.export_packed import PACKED_FILES, export_packed
from fmq_theory.cli.export_report import report_folder, report_gguf, report_nf4, report_sdnq
from fmq_theory.cli.inputs import json_object, reading_checkpoint
from fmq_theory.cli.options import force_option, selection_options
from fmq_theory.cli.quantize import read_config
from fmq_theory.cli.running import FmqCommand
from fmq_theory.cli.start import leave_torch_out_of_pot

if TYPE_CHECKING:
    from fmq_theory.checkpoint.exports import Export, SdnqExport

__all__ = ["export"]

# Said again here, so that --help needs no numerics; tests compare with FORMATS and TYPES.
FORMATS = ("diffusers", "transformers")
GGUF_TYPES = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL", "F32", "F16", "BF16")
PLAIN_MODELS = ("sdnq", "gguf", "bnb-nf4")
"""Formats that a plain model is quantized into."""
# Which formats each option is for.
_OF = {
    "--config": (*FORMATS, "sdnq", "bnb-nf4"),
    "--bits": ("sdnq",),
    "--scheme": ("sdnq",),
    "--granularity": ("sdnq",),
    "--type": ("gguf",),
    "--types": ("gguf",),
    "--plan": ("gguf",),
    "--architecture": ("gguf",),
    "--fold": ("gguf",),
    "--block-size": ("bnb-nf4",),
    "--double-quant": ("bnb-nf4",),
    "--graph": ("onnx",),
    "--include": PLAIN_MODELS,
    "--exclude": PLAIN_MODELS,
}


@click.command(cls=FmqCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder; with gguf, onnx and safetensors a file with that ending, with openvino an .xml file, "
    "with coreml an .mlpackage, with torchao a .pt file, with bnb-nf4 a folder or a .safetensors file.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice((*FORMATS, *PLAIN_MODELS, *PACKED_FILES)),
    default="diffusers",
    show_default=True,
    help="diffusers or transformers: the folder layout, for a file of fmq quantize. Of a plain model, sdnq: "
    "codebooks that diffusers 0.40 and later load by themselves where the package sdnq is installed; gguf: "
    "one file for ComfyUI, diffusers and stable-diffusion.cpp; bnb-nf4: NF4 that bitsandbytes loads. "
    "Of a file of fmq quantize, onnx, openvino, coreml, torchao: the same codes and levels there; "
    "safetensors: plain numbers.",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="The original model's config.json.  [default: the one beside CHECKPOINT, if it is there]",
)
@click.option("--bits", type=click.IntRange(1, 8), help="With sdnq: bits of a code.  [default: 4]")
@click.option(
    "--scheme",
    help="With sdnq: how the levels are chosen, as fmq quantize takes it.  [default: lloyd_max, the least "
    "squared error]",
)
@click.option(
    "--granularity",
    type=click.Choice(("channel", "tensor")),
    help="With sdnq: a table of levels for each row of input channels, or one for each tensor. Where tables "
    "a row take more than a bit a weight the tensor has one in any case.  [default: channel]",
)
@click.option(
    "--type",
    "gguf_type",
    type=click.Choice(GGUF_TYPES, case_sensitive=False),
    help="With gguf: of the weights. Q4_0 and IQ4_NL take 4.5 bits a weight with their scales, Q4_1 5, Q5_0 "
    "5.5, Q5_1 6, Q8_0 8.5.  [default: Q4_0]",
)
@click.option(
    "--types",
    "types_path",
    type=click.Path(path_type=Path),
    help='With gguf: a JSON object of types by patterns of names, as {"*.attn*": "Q8_0"}; the first that '
    "fits counts, and --type for the rest.",
)
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path),
    help="With gguf: a plan of fmq quantize --plan-only. Its bits choose the types: Q4_0 "
    "up to 4, Q5_0 for 5, Q8_0 from 6 on; tensors that it does not name are kept.",
)
@click.option(
    "--architecture",
    help="With gguf: what loaders are told of the model, as flux or sd3.  [default: the checkpoint's "
    "metadata]",
)
@click.option(
    "--fold",
    is_flag=True,
    help="With gguf: write weights whose rows hold no whole blocks of 32, as those of convolutions, in rows "
    "of 256 beside their shape. ComfyUI and fmq compare read that; without it they are kept.",
)
@click.option(
    "--block-size",
    type=click.Choice(("64", "128", "256", "512", "1024", "2048", "4096")),
    help="With bnb-nf4: weights that share a scale.  [default: 64]",
)
@click.option(
    "--double-quant",
    is_flag=True,
    help="With bnb-nf4: the scales in 8 bits, at 4.13 bits a weight in blocks of 64 in place of 4.5.",
)
@click.option(
    "--graph",
    "graph_path",
    type=click.Path(path_type=Path),
    help="With onnx: a model of yours, whose weights give way to the codes of CHECKPOINT. They are known by "
    "their numbers, whatever they are called there.  [default: one without inputs that gives all tensors]",
)
@selection_options(prefix="Of a plain model: ")
@force_option("a file, or files in a folder, that exists")
def export(checkpoint: Path, out: Path, kind: str, force: bool, **given: Any) -> None:
    """Write a model in the format of another tool.

    CHECKPOINT is a plain model for the formats that quantize it themselves, each weight to the least squared
    error that the format allows:

    \b
      sdnq    A model of diffusers, its folder for one, into codebooks of 1 to 8 bits.
              from_pretrained of diffusers loads the folder with no code of ours.
      gguf    Any checkpoint, into blocks of 32 weights with the best scales that float16 has.
              Names stay as they are, and so does what blocks do not fit.
      bnb-nf4 Linear layers into NF4 of bitsandbytes with the best scale of each block.
              Of a model of diffusers, whose config.json tells the layers; of any other
              checkpoint all matrices called weight: exclude embeddings.

    For these formats it is what fmq quantize wrote, whose codes and levels stay as they are:

    \b
      onnx    Codes that look tables up, for any runtime. With --graph inside a model of yours,
              else a model without inputs and with an output for each tensor.
      openvino
              The same without inputs, an .xml file with its numbers in a .bin file beside it.
      coreml  The same as an .mlpackage, of tables a tensor, a channel or a group of a row.
      torchao A state dict of its codebook tensors, with a byte for each code.
      safetensors
              Plain numbers in the types that the tensors had, as fmq dequantize writes them.

    With --format diffusers or transformers CHECKPOINT is what fmq quantize wrote, a file or its folder. The
    folder holds the packed tensors under the name that the library looks for, and a config.json whose
    quantization_config says how to read them. The library itself does not know the method "fmq": build the
    model from the config and fill it with fmq_theory.checkpoint.load_into or load_packed.

    \b
    Examples:
      fmq export dit/ -o dit-sdnq --format sdnq --bits 4
      fmq export unet/ -o unet.gguf --format gguf --type Q5_0 --architecture sd1 --fold
      fmq export dit/ -o dit-nf4 --format bnb-nf4 --double-quant
      fmq export small -o small-diffusers --config unet/config.json
      fmq export small -o weights.onnx --format onnx
    """  # noqa: D301 (click reads \\b as "keep these lines")
    _check_options(kind, given)
    leave_torch_out_of_pot()
    config_path, plan_path, types_path = given["config_path"], given["plan_path"], given["types_path"]
    graph_path = given["graph_path"]
    with reported_errors(), reading_checkpoint(checkpoint, config_path, plan_path, types_path, graph_path):
        if kind in PACKED_FILES:
            export_packed(checkpoint, out, kind, graph_path, overwrite=force)
            return
        if kind == "sdnq":
            report_sdnq(_sdnq(checkpoint, out, _config(checkpoint, config_path), given, force), out)
        elif kind == "gguf":
            report_gguf(_gguf(checkpoint, out, given, force), checkpoint, out, folded=given["fold"])
        elif kind == "bnb-nf4":
            report_nf4(_nf4(checkpoint, out, _config(checkpoint, config_path), given, force), checkpoint, out)
        else:
            _folder(checkpoint, out, kind, _config(checkpoint, config_path), force)


def _check_options(kind: str, given: dict[str, Any]) -> None:
    """Refuses options of other formats, and those that contradict each other."""
    named = {"config": "config_path", "types": "types_path", "plan": "plan_path", "type": "gguf_type"}
    named["graph"] = "graph_path"
    for option, formats in _OF.items():
        name = option.removeprefix("--").replace("-", "_")
        if given[named.get(name, name)] and kind not in formats:
            why = ", which holds a file of fmq quantize as it is" if kind in FORMATS else ""
            raise click.UsageError(
                f"{option} is for --format {' or '.join(formats)}, not for {kind}{why}; leave it out"
            )
    if given["plan_path"] and (given["types_path"] or given["gguf_type"]):
        raise click.UsageError("--plan says the types: leave out --type and --types")


def _config(checkpoint: Path, config_path: Path | None) -> dict[str, Any] | None:
    """The model's config.json, as it was named or as it lies beside the checkpoint."""
    from fmq_theory.checkpoint.io.shards import find_checkpoint

    beside = find_checkpoint(checkpoint).parent / "config.json"
    if config_path is None:
        return read_config(beside)
    return json_object("--config", config_path, "name a model's config.json")


def _sdnq(
    checkpoint: Path, out: Path, base: dict[str, Any] | None, given: dict[str, Any], force: bool
) -> "SdnqExport":
    from fmq_theory.checkpoint.exports import export_sdnq

    return export_sdnq(
        checkpoint,
        out,
        base or {},
        bits=given["bits"] or 4,
        scheme=given["scheme"] or "lloyd_max",
        granularity=given["granularity"] or "channel",
        include=given["include"],
        exclude=given["exclude"],
        overwrite=force,
    )


def _gguf(checkpoint: Path, out: Path, given: dict[str, Any], force: bool) -> "Export":
    from fmq_theory.checkpoint.exports import export_gguf
    from fmq_theory.report import progress_bar

    kind, types = given["gguf_type"] or "Q4_0", {}
    if given["types_path"] is not None:
        types = _named_types(given["types_path"])
    if given["plan_path"] is not None:
        kind, types = "", _planned_types(checkpoint, given["plan_path"])
    with progress_bar("export", "reading the checkpoint") as progress:
        return export_gguf(
            checkpoint,
            out,
            kind=kind,
            types=types,
            architecture=given["architecture"] or "",
            fold=given["fold"],
            include=given["include"],
            exclude=given["exclude"],
            overwrite=force,
            progress=progress,
        )


def _nf4(
    checkpoint: Path, out: Path, base: dict[str, Any] | None, given: dict[str, Any], force: bool
) -> "Export":
    from fmq_theory.checkpoint.exports import export_bnb_nf4
    from fmq_theory.report import progress_bar

    with progress_bar("export", "reading the checkpoint") as progress:
        return export_bnb_nf4(
            checkpoint,
            out,
            base,
            block_size=int(given["block_size"] or 64),
            double_quant=given["double_quant"],
            include=given["include"],
            exclude=given["exclude"],
            overwrite=force,
            progress=progress,
        )


def _planned_types(checkpoint: Path, path: Path) -> dict[str, str]:
    from fmq_theory.checkpoint.exports.gguf_plan import types_of_plan
    from fmq_theory.checkpoint.plan import Plan
    from fmq_theory.checkpoint.plan.proof import check_plan

    plan = Plan.read(path)
    check_plan(checkpoint, plan)
    return types_of_plan(plan)


def _folder(checkpoint: Path, out: Path, kind: str, base: dict[str, Any] | None, force: bool) -> None:
    from fmq_theory.checkpoint.io.packed.index import NOT_QUANTIZED
    from fmq_theory.checkpoint.quantized.plain_file import export_folder
    from fmq_theory.errors import CheckpointError

    try:
        file = export_folder(checkpoint, out, kind, base, overwrite=force)
    except CheckpointError as error:
        if error.cause != NOT_QUANTIZED:
            raise
        raise CheckpointError(
            error.thing,
            error.cause,
            "pass a file that fmq quantize wrote, or name the format into which a plain model is quantized: "
            f"--format {' or '.join(PLAIN_MODELS)}",
        ) from error
    report_folder(file, out)


def _named_types(path: Path) -> dict[str, str]:
    """The types of the file that ``--types`` names.

    Raises:
        CheckpointError: it holds something else.
    """
    from fmq_theory.errors import CheckpointError

    remedy = 'name a JSON object of types by patterns of names, as {"*.attn*": "Q8_0"}'
    types = json_object("--types", path, remedy)
    for pattern, kind in types.items():
        if not isinstance(kind, str):
            raise CheckpointError(f"--types {str(path)!r}", f"the type of {pattern!r} is no text", remedy)
    return types
