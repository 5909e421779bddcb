"""How the tests of ``fmq flow`` run it."""

from click.testing import CliRunner, Result

from fmq_theory.cli.main import main

TINY = ("--samples", "4", "--seeds", "2", "--steps", "2", "--schemes", "uniform,lloyd_max", "--bits", "2,3")
PICTURES = ("--model", "tests.flow.tiny_models:pictures")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["flow", *TINY, *arguments])
