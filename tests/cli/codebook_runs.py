"""How the tests of ``fmq codebook`` run it."""

import json

from click.testing import CliRunner, Result

from fmq_theory.cli.codebook import codebook


def run(*arguments: str) -> Result:
    return CliRunner().invoke(codebook, arguments)


def printed(*arguments: str) -> dict[str, object]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
