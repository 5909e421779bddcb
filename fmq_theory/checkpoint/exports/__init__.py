"""Quantized models in the formats of other tools, a format a file: those tools load them by themselves."""

from fmq_theory.checkpoint.exports.sdnq import SdnqExport, export_sdnq

__all__ = ["SdnqExport", "export_sdnq"]
