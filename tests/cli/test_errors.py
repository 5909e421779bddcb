"""The library speaks Python, the command line speaks options, and each says only what there is."""

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

import fmq_theory
from fmq_theory import quantizers
from fmq_theory.checkpoint.plan.sensitivities import read_sensitivities
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


# Rooms whose errors a command can meet. What only Python calls may name Python.
_KEYS = ("quantization_config",)  # of JSON, and a function of that name
_OF_COMMANDS = ("checkpoint", "claims", "flow", "report", "storage")
_OF_PYTHON = {
    "checkpoint/in_memory/": "modules are Python's",
    "checkpoint/modules/": "modules are Python's",
    "flow/foreign.py": "a factory is Python, whoever names it",
    "flow/loading.py": "a factory is Python, whoever names it",
}


def _names_of_ours() -> set[str]:
    """Functions and classes that a Python caller may be told of; no plain word, no field, no argument."""
    trees = {path: ast.parse(path.read_text("utf-8")) for path in BELOW}
    made = {
        node.name
        for tree in trees.values()
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    data: set[str] = set(quantizers.SCHEMES)
    for path, tree in trees.items():
        for node in ast.walk(tree) if path.name != "__init__.py" else ():
            if isinstance(node, ast.arg):
                data.add(node.arg)
            elif isinstance(node, ast.AnnAssign):
                data.add(ast.unparse(node.target))
            elif isinstance(node, ast.Constant) and node.value in _KEYS:
                data.add(str(node.value))
    return {name for name in made if "_" in name.strip("_") or re.search("[a-z][A-Z]", name)} - data


def _python_in_errors(tree: ast.AST, names: set[str]) -> set[str]:
    """Names of ours in the texts of errors, outside of ways: a command would say them as they are."""
    in_ways = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Way", "argument")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) in in_ways:
            node.value = None
    words = {word for text in _raised_texts(tree) for word in re.findall(r"[A-Za-z_]\w+", text)}
    return words & names


def test_no_error_that_a_command_meets_names_a_function() -> None:
    names = _names_of_ours()
    assert {"read_state", "write_quantized", "FlowModel"} <= names
    places = {path: path.relative_to(PACKAGE).as_posix() for path in BELOW}
    found = {
        (place, word)
        for path, place in places.items()
        if place.startswith(_OF_COMMANDS) and not place.startswith(tuple(_OF_PYTHON))
        for word in _python_in_errors(ast.parse(path.read_text("utf-8")), names)
    }
    assert not found, found


def test_control_a_function_in_an_error_is_seen() -> None:
    for text, seen in (
        ('raise OutputError("a", "b", "read it with read_state")', {"read_state"}),
        ('raise OutputError("a", "b", f"{n} of load_packed")', {"load_packed"}),
        ('raise OutputError("a", "b", (Way("k", "read_state"), " or scheme lloyd_max"))', set()),
    ):
        assert _python_in_errors(ast.parse(text), _names_of_ours()) == seen


def test_each_way_has_words_of_the_command_line_and_each_of_these_is_used() -> None:
    named = set[str]().union(*(_ways(ast.parse(path.read_text("utf-8"))) for path in BELOW))
    assert named == set(WAYS)
    assert _ways(ast.parse('Way("nobody", "x")')) == {"nobody"}


@pytest.mark.parametrize("key", WAYS)
def test_the_options_of_a_way_exist(key: str) -> None:
    words = WAYS[key]
    options = set(_OPTION.findall(words))
    named = re.search(r"fmq (\w+)", words)
    assert options or named
    commands = [named[1]] if named else list(main.commands)
    assert set(commands) <= main.commands.keys()
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


QUANTIZE = "quantize m.safetensors -o q.safetensors"
CHECK = "codebook --source gaussian --check"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("dequantize m.safetensors -o p.safetensors", "no quantized checkpoint of fmq; pass a file that fmq"),
        ("export m.pt -o folder", "no quantized checkpoint of fmq; pass a file that fmq quantize wrote"),
        ("dequantize none.pt -o p.safetensors", "there is no such file"),
        ("audit m.safetensors --html a.html --plan m.safetensors", "checkpoint, and no JSON; pass a file"),
        (f"{QUANTIZE} --plan m.pt", "and no JSON; pass a file that fmq quantize --plan-only wrote"),
        (f"{QUANTIZE} --plan latin.json", "it is no text, and so no JSON"),
        (f"{QUANTIZE} --plan empty.json", "the file is empty"),
        (f"{QUANTIZE} --plan .", "Is a directory"),
        (f"{QUANTIZE} --plan deep.json", "too many brackets"),
        (f"{QUANTIZE} --budget 4 --sensitivities m.pt", "checkpoint, and no JSON; pass a JSON object with a"),
        (f"{QUANTIZE} --budget 4 --sensitivities list.json", "no JSON object"),
        (f"{QUANTIZE} --budget 4 --sensitivities twice.json", "a name stands twice"),
        (f"{CHECK} m.safetensors", "it is a checkpoint, and no JSON; name a JSON file of levels"),
        (f"{CHECK} nf3", "no such file; name a JSON file of levels, or one of nf4, fp4; did you mean 'nf4'?"),
        (f"{CHECK} cut.json", "it is no JSON: expecting value (line 1, column 5)"),
        ("claims --only P7 --fidelity m.safetensors", "and no JSON; write one by fmq flow --json"),
        ("claims --only P7 --fidelity list.json", "it is no JSON object with 'rows'"),
        ("audit m.safetensors --schemes lloyd-max", "did you mean 'lloyd_max'? Else choose one of"),
        ("audit m.safetensors --schemes best", "no such scheme; choose one of"),
        ("export m.safetensors -o e --config none.json", "there is no such file; name a model's config.json"),
        ("export m.safetensors -o e --config m.pt", "it is a checkpoint, and no JSON; name a model's config"),
        ("export m.safetensors -o e --config list.json", "it is no JSON object; name a model's config.json"),
        ("codebook --source student-t --df abc --bits 2", "or a quotient; write it as 3, '0.1' or '7/2'"),
        ("audit ema.pt", "pass --include 'ema.*', or another file"),
        ("quantize ema.pt -o q.safetensors", "pass --include 'ema.*', or another file"),
        ("bounds --checkpoint ema.pt --no-plot", "pass --include 'ema.*', or another file"),
        ("audit lora.pt", "pass --include '*', or another file"),
        ("quantize flat.pt -o q.safetensors", "'a': fewer than 2 dimensions); pass another file"),
        ("quantize wide.safetensors -o q.safetensors --budget 64", "lower the budget, or put a tensor into"),
        (f"{QUANTIZE} --scheme nf4 --bits 3", "scheme 'nf4' with 8 levels: nf4 has 16 levels; use 4 bits"),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_named_for_what_it_is(
    arguments: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = {"a.weight": torch.ones(4, 8)}
    save_file(weights, "m.safetensors")
    save_file({"a.weight": torch.randn(16, 64)}, "wide.safetensors")
    torch.save(weights, "m.pt")
    torch.save({"ema": {"shadow_params": list(weights.values())}}, "ema.pt")
    torch.save({"a.lora_A.weight": torch.ones(2, 8), "a.lora_B.weight": torch.ones(8, 2)}, "lora.pt")
    torch.save({"a": torch.ones(8)}, "flat.pt")
    for name, content in {
        "latin.json": '{"é": 1}'.encode("latin-1"), "empty.json": b" \n", "deep.json": b"[" * 100_000,
        "twice.json": b'{"a": 1, "a": 2}', "cut.json": b"[1, ", "list.json": b"[]",
    }.items():  # fmt: skip
        Path(name).write_bytes(content)
    found = CliRunner().invoke(main, arguments.split())
    assert found.exit_code == 2
    assert said in " ".join(found.output.split())
    assert "codec" not in found.output
    assert len(found.output.splitlines()) == 1


def test_an_editor_may_put_a_mark_before_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"a": 2.5}')
    assert read_sensitivities(path) == {"a": 2.5}
