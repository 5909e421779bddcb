"""The library speaks Python, the command line speaks options, and each says only what there is."""

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import fmq_theory
from fmq_theory.cli.errors import WAYS, in_options, reported_errors
from fmq_theory.cli.main import main
from fmq_theory.errors import CheckpointError, FmqError, Way, argument
from fmq_theory.storage import check_output

PACKAGE = Path(fmq_theory.__file__).parent
BELOW = [path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).parts[0] != "cli"]
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def _raised_texts(tree: ast.AST) -> Iterator[str]:
    """The texts that go into errors: in what is raised or made as an error, and in words kept for one."""
    for node in ast.walk(tree):
        name = ast.unparse(node.func).split(".")[-1] if isinstance(node, ast.Call) else ""
        words = isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and re.search("remedy|cause|otherwise|fitting|what", target.id)
            for target in node.targets
        )
        if isinstance(node, ast.Raise) or name.endswith(("Error", "Way")) or words:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    yield inner.value


def _ways(tree: ast.AST) -> set[str]:
    """Keys of the ways that a file names."""
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    first = [call.args[0] for call in calls if ast.unparse(call.func) in ("Way", "argument") and call.args]
    return {str(key.value) for key in first if isinstance(key, ast.Constant)}


def _options(command: str) -> set[str]:
    return {name for option in main.commands[command].params for name in option.opts}


def test_no_error_of_the_library_names_an_option() -> None:
    found = {
        f"{path.relative_to(PACKAGE)}: {text}"
        for path in BELOW
        for text in _raised_texts(ast.parse(path.read_text("utf-8")))
        if _OPTION.search(text)
    }
    assert found == set()
    assert len(BELOW) > 100


@pytest.mark.parametrize(
    "offence",
    [
        'raise OutputError("a", "b", "pass --force")',
        'error = OutputError("a", "b", f"pass --group-size {n}")',
        'remedy = "pass --force to go on"',
    ],
)
def test_control_an_option_in_an_error_is_seen(offence: str) -> None:
    assert any(_OPTION.search(text) for text in _raised_texts(ast.parse(offence)))


def test_each_way_has_words_of_the_command_line_and_each_of_these_is_used() -> None:
    named = set[str]().union(*(_ways(ast.parse(path.read_text("utf-8"))) for path in BELOW))
    assert named == set(WAYS)
    assert _ways(ast.parse('Way("nobody", "x")')) == {"nobody"}


@pytest.mark.parametrize("key", WAYS)
def test_the_options_of_a_way_exist(key: str) -> None:
    words = WAYS[key]
    options = set(_OPTION.findall(words))
    assert options
    named = re.match(r"fmq (\w+)", words)
    commands = [named[1]] if named else list(main.commands)
    assert any(options <= _options(command) for command in commands), f"no command has {options}"


def _as_told(words: tuple[str | Way, ...], *options: str) -> str:
    """What a command with these options says of an error."""

    @click.command()
    def command(**_given: object) -> None:
        with reported_errors():
            raise CheckpointError(words, "it is wrong", ("pass ", *words))

    command.params += [click.Option([option]) for option in options]
    return CliRunner().invoke(command).output


def test_a_command_says_only_options_that_it_has() -> None:
    ways = (argument("group_size", 8),)
    assert "group_size=8: it is wrong; pass group_size=8" in _as_told(ways)
    assert "--group-size 8: it is wrong; pass --group-size 8" in _as_told(ways, "--group-size")
    assert "pass fmq quantize --plan-only" in _as_told((Way("plan_only", "Plan.to_json"),))


def test_an_error_keeps_its_ways() -> None:
    thing, remedy = (Way("include", "include"), " 'x'"), ("pass ", argument("overwrite", True))
    error = CheckpointError(thing, "it fits nothing", remedy)
    assert str(error) == "include 'x': it fits nothing; pass overwrite=True"
    assert (error.thing, error.remedy) == ("include 'x'", "pass overwrite=True")
    for same in (error, pickle.loads(pickle.dumps(error))):
        assert in_options(same) == "--include 'x': it fits nothing; pass --force"
    assert in_options(error.renamed("tensor 'w'")) == "tensor 'w': it fits nothing; pass --force"
    assert in_options(FmqError("a", "b", "c")) == "a: b; c"


def test_a_python_caller_is_told_of_arguments(tmp_path: Path) -> None:
    (tmp_path / "there.json").write_text("{}")
    with pytest.raises(FmqError, match="pass overwrite=True to replace it") as caught:
        check_output(tmp_path / "there.json", overwrite=False)
    assert in_options(caught.value).endswith("it exists already; pass --force to replace it")
