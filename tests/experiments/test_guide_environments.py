"""The guides in a narrow pipe, without colour, in ASCII: what the users of each page meet."""

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.guide.command import PAGES
from experiments.guide.environments import ENVIRONMENTS, WIDTH, Replayed, faults, replayed
from experiments.guide.page import AS_PRINTED, Block

# The newcomer, the practitioner, the owner of a flow.
USERS = (
    "start", "practitioner-audit", "practitioner-quantize", "practitioner-load", "practitioner-machine",
    "own-flow-model",
)  # fmt: skip
COMMAND = "$ fmq audit m.pt"
SHOWN = Block("console", (COMMAND, "scheme  2 bits  3 bits", "Lloyd–Max (W2)  0.1  0.2"))


def _ran(*lines: str, environment: str = "pipe", shown: Block = SHOWN) -> Replayed:
    return Replayed(environment, shown, replace(SHOWN, lines=(COMMAND, *lines)))


GOOD = ("scheme  2 bits", "Lloyd–Max (W2)  0.1", "scheme  3 bits", "Lloyd–Max (W2)  0.2")


@pytest.mark.parametrize(
    ("ran", "said"),
    [
        (_ran(*GOOD), []),
        (_ran("\x1b[1m", *GOOD), ["an escape sequence"]),
        (_ran(*GOOD, "a.very.long.na…"), ["an ellipsis"]),
        (_ran(*GOOD[:2]), ["missing: 0.2 3"]),
        (_ran(*GOOD, "[exit status 1]"), ["[exit status 1], the page has exit status 0"]),
        (_ran(*GOOD, "Traceback (most recent call last):"), ["a traceback"]),
        (_ran(*GOOD, "Error: this is a fault of fmq_theory, not"), ["a fault of ours"]),
        (_ran(*GOOD, "a  " + "b" * WIDTH), ["a row of 83 columns"]),
        (_ran(*GOOD, "─" * (WIDTH + 1)), ["a row of 81 columns"]),
        (_ran(*GOOD, "a sentence that is not folded " * 4), []),
        (_ran(*GOOD, "  or: fmq quantize m.pt -o OUT --budget 4.39  # scheme and bits layer by layer"), []),
        (_ran(*GOOD, environment="ASCII"), ["not ASCII: Lloyd–Max"]),
        (_ran(*(line.replace("–", "-") for line in GOOD), environment="ASCII"), []),
        (_ran(*(line.replace("–", "-") for line in GOOD[:2]), environment="ASCII"), ["missing: 0.2 3"]),
        (replace(_ran(*GOOD), broken=("a.json",)), ["a.json is no JSON"]),
        (_ran(shown=replace(SHOWN, mark=AS_PRINTED)), []),
    ],
)  # fmt: skip
def test_what_is_a_fault(ran: Replayed, said: list[str]) -> None:
    found = faults(ran)
    assert len(found) == len(said)
    for one, beginning in zip(found, said, strict=True):
        assert one.startswith(beginning)


def test_a_page_is_replayed_in_its_environment(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    program = "import json, os; print(os.environ['COLUMNS'], os.environ.get('NO_COLOR')); json.dump"
    page.write_text(
        "# A page\n\n```console\n"
        f"$ python -c \"{program}(1, open('whole.json', 'w'))\"\n80 None\n"
        "$ echo '[NaN]' > nan.json; echo '[1' > cut.json\n```\n\n"
        "<!-- not run -->\n```console\n$ rm -r /nowhere\n```\n",
        "utf-8",
    )
    (pipe,) = replayed(page, "pipe", tmp_path)
    assert faults(pipe) == ["cut.json is no JSON", "nan.json is no JSON"]
    assert pipe.seconds > 0
    (ascii_only,) = replayed(page, "ASCII", tmp_path)
    assert "missing: None" in faults(ascii_only)  # NO_COLOR=1 is printed in its place


@pytest.mark.deep
@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", USERS)
def test_the_users_paths(name: str, environment: str, shared_checkpoints: Path) -> None:
    ran = list(replayed(PAGES / f"{name}.md", environment, shared_checkpoints))
    assert ran
    assert {one.now.lines[0]: faults(one) for one in ran if faults(one)} == {}
