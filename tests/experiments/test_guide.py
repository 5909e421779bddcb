"""The guides: what they show is what their commands print."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.guide.command import PAGES, PATTERN
from experiments.guide.compare import differences
from experiments.guide.page import NOT_RUN, SLOW, Block, commands, parse, written
from experiments.guide.workplace import rerun, workplace

PATHS = sorted(PAGES.glob(PATTERN))

PAGE = """# A page

```console
$ echo one; echo "0.500 of 3" \\
    | cat
stale
$ false
```

<!-- not run -->
```console
$ rm -r /nowhere
```

```python
print(6 * 7)
```

```text
```

<!-- as printed -->
```console
$ date
```
"""


def _blocks(path: Path) -> list[Block]:
    return parse(path.read_text(encoding="utf-8"))


def test_a_block_that_is_a_file_is_there_for_the_commands_after_it(tmp_path: Path) -> None:
    page = parse("<!-- file a.py -->\n```python\nprint(6 * 7)\n```\n\n```console\n$ python a.py\n```\n")
    with workplace(tmp_path) as place:
        found = rerun(page, place)
    assert found[1].lines == ("print(6 * 7)",)
    assert found[-1].lines == ("$ python a.py", "42")


def test_pages_survive_parsing() -> None:
    assert len(PATHS) >= 8
    for path in PATHS:
        assert written(_blocks(path)) == path.read_text(encoding="utf-8")
    assert written(parse(PAGE)) == PAGE
    with pytest.raises(ValueError, match="no end"):
        parse("```console\n$ ls\n")


def test_a_page_is_run(tmp_path: Path) -> None:
    with workplace(tmp_path) as place:
        now = rerun(parse(PAGE), place)
    text = written(now)
    assert '$ echo one; echo "0.500 of 3" \\\n    | cat\none\n0.500 of 3\n$ false\n[exit status 1]\n' in text
    assert "stale" not in text
    assert "$ rm -r /nowhere\n```" in text  # not run
    assert "```text\n42\n```" in text
    assert next(commands(block) for block in now if block.kind == "console")[1] == "false"
    assert differences(now, now) == []


@pytest.mark.parametrize(
    ("shown", "now", "alike"),
    [
        ("4.389 bits", "4.390 bits", True),  # the last digit
        ("1,290,716 bytes", "1,290,720 bytes", True),
        ("mean squared error 6.155e-06", "mean squared error 6.156e-06", True),
        ("4.389 bits", "4.489 bits", False),
        ("68 tensors", "67 tensors", False),
        ("38% (2.4)", "39% (2.4)", False),
        ("uniform is best", "log2 is best", False),
    ],
)
def test_what_counts_as_a_difference(shown: str, now: str, alike: bool) -> None:
    one, other = Block("console", ("$ fmq", shown)), Block("console", ("$ fmq", now))
    assert (differences([one], [other]) == []) is alike
    assert differences([replace(one, mark="as printed")], [replace(other, mark="as printed")]) == []
    assert differences([one], [Block("console", ("$ fmq", shown, "more"))]) != []


@pytest.mark.deep
def test_the_audit_page_shows_what_is_printed(shared_checkpoints: Path) -> None:
    """The fast commands; the deep test runs them all."""
    shown = [block for block in _blocks(PAGES / "practitioner-audit.md") if block.kind in ("", "console")]
    fast = [block for block in shown if "molecule_fno" in block.text or not block.kind]
    assert any(block.kind for block in fast)
    with workplace(shared_checkpoints) as place:
        assert differences(fast, rerun(fast, place)) == []


@pytest.mark.deep
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_page_shows_what_is_printed(path: Path, shared_checkpoints: Path) -> None:
    shown = _blocks(path)
    with workplace(shared_checkpoints) as place:
        assert differences(shown, rerun(shown, place)) == []


def test_marks_are_known() -> None:
    """A misspelt mark would be prose, and its block be compared."""
    for path in PATHS:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("<!--"):
                known = ("<!-- as printed -->", f"<!-- {SLOW} -->", f"<!-- {NOT_RUN} -->")
                assert line in known or re.fullmatch(r"<!-- (file [\w.]+|= table \w+|/) -->", line)
