"""``fmq``: the group of all commands."""

import click

from fmq_theory.cli.audit import audit
from fmq_theory.cli.bounds import bounds
from fmq_theory.cli.claims import claims
from fmq_theory.cli.codebook import codebook
from fmq_theory.cli.compare import compare
from fmq_theory.cli.dequantize import dequantize
from fmq_theory.cli.doctor import doctor
from fmq_theory.cli.export import export
from fmq_theory.cli.flow import flow
from fmq_theory.cli.quantize import quantize
from fmq_theory.cli.running import FmqGroup

__all__ = ["main"]


@click.group(cls=FmqGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fmq_theory")
def main() -> None:
    """Check the theory of optimal-transport weight quantization, on laws and on real weights.

    \b
    Begin with one of these; the --help of each command has more:
      fmq bounds --tail student-t    does the theory hold for weights of this law?
      fmq audit model.safetensors    what does every scheme cost on your weights?
      fmq doctor                     is this installation sound?
    """  # noqa: D301 (click reads \\b as "keep these lines")


main.add_command(audit)
main.add_command(bounds)
main.add_command(claims)
main.add_command(codebook)
main.add_command(compare)
main.add_command(dequantize)
main.add_command(doctor)
main.add_command(export)
main.add_command(flow)
main.add_command(quantize)
