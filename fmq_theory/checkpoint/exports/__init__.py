"""Quantized models in the formats of other tools, a format a file: those tools load them by themselves."""

from fmq_theory.checkpoint.exports.bitsandbytes import export_bnb_nf4
from fmq_theory.checkpoint.exports.coreml import export_coreml
from fmq_theory.checkpoint.exports.gguf import export_gguf
from fmq_theory.checkpoint.exports.onnx_file import export_onnx
from fmq_theory.checkpoint.exports.onnx_graph import export_onnx_graph
from fmq_theory.checkpoint.exports.openvino import export_openvino
from fmq_theory.checkpoint.exports.repacked import Held, Repacked
from fmq_theory.checkpoint.exports.result import Export, Written
from fmq_theory.checkpoint.exports.sdnq import SdnqExport, export_sdnq
from fmq_theory.checkpoint.exports.torchao import export_torchao

__all__ = [
    "Export",
    "Held",
    "Repacked",
    "SdnqExport",
    "Written",
    "export_bnb_nf4",
    "export_coreml",
    "export_gguf",
    "export_onnx",
    "export_onnx_graph",
    "export_openvino",
    "export_sdnq",
    "export_torchao",
]
