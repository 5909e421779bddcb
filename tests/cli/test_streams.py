"""What becomes of results where standard output is small, full, closed, or left by its reader."""

import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import fmq_theory

pytestmark = pytest.mark.skipif(os.name == "nt", reason="descriptors and signals of POSIX")

# A command of ours in its smallest form: a file, then a table, then a line.
PROGRAM = """
import sys, time
from pathlib import Path
import click
from fmq_theory.cli.running import FmqCommand
from fmq_theory.errors import OutputError

@click.command(cls=FmqCommand)
@click.option("--lines", default=3)
@click.option("--how", default="")
def main(lines, how):
    if how == "wait":
        print("ready", flush=True)
        time.sleep(60)
    if how == "memory":
        raise MemoryError
    if how == "torch":
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes")
    if how == "library":
        raise ImportError("numpy:\\n libopenblas-a.so: failed to map segment from shared object")
    if how == "llvmlite":
        raise OSError("Could not find/load shared object file 'libllvmlite.so' from resource location")
    if how == "absent":
        import no_such_library.part
    if how == "absent part":
        import fmq_theory.no_such_part
    if how == "other library":
        raise ImportError("libopenblas-a.so: undefined symbol: free")
    if how == "system":
        raise PermissionError(13, "Permission denied", "/root/x\\ny")
    if how == "fault":
        raise KeyError("conv\\x1b[2J")
    if how == "ours":
        raise OutputError("output a.json", "it exists already", "pass --force")
    if how == "check":
        print("a check failed")
        raise SystemExit(1)
    from rich.console import Console
    from rich.table import Table
    table = Table(title="\\u2016W \\u2212 Q\\u2016 \\u00d7 \\u03c1")
    table.add_column("sch\\u00e9ma \\u2013 \\u6f22")
    for line in range(lines):
        table.add_row(f"{line} \\u2264 1 \\u2026 \\u0416")
    Console(width=60).print(table)
    click.echo("Verdict: \\u03c1_W2 \\u2265 0.25 \\u00b1 1 \\u6f22")
    Path("after.json").write_text("{}")

main()
"""
CLEAN = {
    key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LC_", "LANG", "FMQ_"))
}
HERE = {**CLEAN, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
ENVIRONMENTS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "ascii strict": {"PYTHONIOENCODING": "ascii:strict"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "LANG=C": {"LANG": "C"},
    "LC_ALL=C": {"LC_ALL": "C"},
    "no coercion": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "POSIX": {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "NO_COLOR": {"NO_COLOR": "1", "LC_ALL": "C.UTF-8"},
    "dumb": {"TERM": "dumb", "LC_ALL": "C.UTF-8"},
    "unbuffered": {"PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"},
    "development": {"PYTHONDEVMODE": "1", "LC_ALL": "C.UTF-8"},
}


def _shell(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    (folder / "program.py").write_text(PROGRAM)
    told = {**HERE, **environment, "PY": sys.executable}
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=told, capture_output=True, timeout=120, check=False
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_every_encoding(environment: dict[str, str], tmp_path: Path) -> None:
    done = _shell("$PY program.py", tmp_path, **environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "after.json").exists()
    encoding = environment.get("PYTHONIOENCODING", "utf-8").split(":")[0]
    if "PYTHONUTF8" in environment:
        encoding = "ascii"
    text = done.stdout.decode(encoding)
    assert "Verdict: " in text
    if encoding == "utf-8":
        assert "ρ_W2 ≥ 0.25 ± 1 漢" in text
    else:
        assert "r_W2 > 0.25" in text
        assert "\\u6f22" in text  # what has no near letter keeps its code
        assert "+--" in text  # a box of ASCII
    assert "Traceback" not in text


def _letters_printed() -> set[str]:
    """Letters beyond ASCII in the texts of what prints, docstrings apart."""
    package = Path(fmq_theory.__file__).parent
    found: set[str] = set()
    for path in (path for room in ("cli", "report", "claims") for path in (package / room).rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
                found |= {letter for letter in node.value if not letter.isascii()}
    return found


def test_every_letter_that_is_printed_has_one_of_ascii_in_its_place(tmp_path: Path) -> None:
    """Its code in place of it would push the columns of a table apart."""
    letters = sorted(_letters_printed())
    assert {"†", "ρ", "≤"} <= set(letters)
    program = (
        "import sys; from fmq_theory.cli.streams import open_streams; "
        "open_streams(); print(sys.argv[1] + '漢')"
    )
    told = {**HERE, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program, "".join(letters)],
        cwd=tmp_path, env={**told, "LC_ALL": "C.UTF-8"}, capture_output=True, check=True,
    )  # fmt: skip
    printed = done.stdout.decode("ascii").rstrip("\n")
    assert len(printed) == len(letters) + len("\\u6f22")  # 漢 has no near letter


def test_a_reader_that_leaves(tmp_path: Path) -> None:
    for reader in ("true", "head -1 >/dev/null", "head -c 5 >/dev/null"):
        for unbuffered in ("", "1"):
            (tmp_path / "after.json").unlink(missing_ok=True)
            script = f"$PY program.py --lines 5000 | {reader}; echo ${{PIPESTATUS[0]}}"
            done = _shell(script, tmp_path, PYTHONUNBUFFERED=unbuffered)
            assert (done.stdout, done.stderr) == (b"0\n", b""), reader
            assert (tmp_path / "after.json").exists()
    # A check that failed has failed, whoever reads.
    done = _shell("$PY program.py --how check | true; echo ${PIPESTATUS[0]}", tmp_path)
    assert (done.stdout, done.stderr) == (b"1\n", b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_a_full_output_is_one_line_and_no_success(tmp_path: Path) -> None:
    for lines in ("1", "5000"):
        (tmp_path / "after.json").unlink(missing_ok=True)
        done = _shell(f"$PY program.py --lines {lines} >/dev/full", tmp_path)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert b"No space left" in done.stderr
        assert (tmp_path / "after.json").exists()
    assert _shell("$PY program.py 2>/dev/full", tmp_path).returncode == 0  # control: nothing is lost
    assert _shell("$PY program.py --how ours 2>/dev/full", tmp_path).returncode == 2
    assert _shell("$PY program.py --help >/dev/full", tmp_path).returncode == 2


def test_closed_descriptors(tmp_path: Path) -> None:
    for closed in (">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"):
        (tmp_path / "after.json").unlink(missing_ok=True)
        done = _shell(f"$PY program.py {closed}", tmp_path)
        assert (done.returncode, done.stderr) == (0, b""), closed
        assert (tmp_path / "after.json").read_text() == "{}", closed  # and nothing printed into it
        assert _shell(f"$PY program.py --how ours {closed}", tmp_path).returncode == 2


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("memory", 2, b"Error: memory: there is not enough"),
        ("torch", 2, b"Error: memory: there is not enough"),
        ("library", 2, b"Error: library libopenblas-a.so: it cannot be loaded; close other programs"),
        ("llvmlite", 2, b"Error: library libllvmlite.so: it cannot be loaded; close other programs"),
        ("'other library'", 70, b"Error: this is a fault of fmq_theory"),
        ("absent", 2, b"Error: library no_such_library: it is not installed for "),
        ("'absent part'", 70, b"Error: this is a fault of fmq_theory"),
        ("system", 2, b"Error: /root/x\\ny: Permission denied"),
        ("ours", 2, b"Error: output a.json: it exists already"),
        ("fault", 70, b"Error: this is a fault of fmq_theory"),
    ],
)
def test_what_is_said_of_an_error(how: str, code: int, said: bytes, tmp_path: Path) -> None:
    done = _shell(f"$PY program.py --how {how}", tmp_path, TMPDIR=str(tmp_path))
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1
    assert b"\x1b" not in done.stderr
    kept = list(tmp_path.glob("fmq-fault-*.txt"))
    if code != 70:
        assert kept == []
        return
    assert str(kept[0]).encode() in done.stderr
    assert "Traceback" in kept[0].read_text()
    shown = _shell(f"$PY program.py --how {how}", tmp_path, FMQ_TRACEBACK="1")
    assert b"Traceback" in shown.stderr  # as in these tests


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    gone = f"mkdir gone && cd gone && rmdir ../gone && $PY {tmp_path}/program.py"
    done = _shell(f"{gone} --lines 1", tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        b"Error: the current folder: it does not exist any more; change to one that does"
    ]
    assert _shell(f"{gone} --help", tmp_path).returncode == 0


def _as_from_a_terminal(*arguments: str) -> list[str]:
    """Python with these arguments and the signals of a terminal.

    A command in the background of a script, or under nohup, is born with Ctrl-C or SIGHUP ignored, and so is
    all that it starts: these tests too.
    """
    heard = "(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)"
    program = (
        f"import os, signal, sys; [signal.signal(one, signal.SIG_DFL) for one in {heard}]; "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    return [sys.executable, "-c", program, *arguments]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_have_their_codes(number: signal.Signals, code: int, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    process = subprocess.Popen(
        _as_from_a_terminal("program.py", "--how", "wait"),
        cwd=tmp_path, env=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == code
    assert b"Traceback" not in said
    assert len(said.splitlines()) <= 1


def _fmq(arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    program = "from fmq_theory.cli.main import main; main()"
    return _shell(f"exec $PY -c '{program}' {arguments}", folder, **environment)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.safetensors"
    save_file({"w": torch.randn(16, 64, generator=torch.Generator().manual_seed(0))}, path)
    return path


AUDIT = "audit m.safetensors --bits 4 --schemes uniform,lloyd_max,equal_mass --json a.json --force"


@pytest.mark.deep
@pytest.mark.parametrize(
    ("more", "environment"),
    [
        ("", {"PYTHONIOENCODING": "ascii"}),
        ("", {"PYTHONIOENCODING": "cp1252"}),
        (" | head -1 >/dev/null", {"PYTHONUNBUFFERED": "1"}),
        (" >&-", {}),
        (" >/dev/full", {}),
    ],
)
@pytest.mark.usefixtures("model")
def test_an_audit_keeps_its_json(more: str, environment: dict[str, str], tmp_path: Path) -> None:
    done = _fmq(AUDIT + more, tmp_path, **environment)
    assert b"Traceback" not in done.stderr
    assert (done.returncode != 0) == ("full" in more)
    assert json.loads((tmp_path / "a.json").read_text("ascii"))["format"] == "fmq-audit-1"
    assert len(done.stderr.splitlines()) == ("full" in more)


@pytest.mark.deep
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
@pytest.mark.usefixtures("model")
def test_every_command_in_a_small_encoding(encoding: str, tmp_path: Path) -> None:
    for arguments in (
        "bounds --tail gaussian --n 2000 --bits 2 --schemes uniform,lloyd_max --json b.json --force",
        "quantize m.safetensors -o q.safetensors --bits 2 --force",
        "codebook --source gaussian --levels 2 --digits 5",
        "doctor",
        "flow --samples 2 --seeds 1 --steps 1 --schemes uniform --bits 2 --ladder-samples 0 --no-plot",
        "claims --only C1",
        "--help", "audit --help", "bounds --help", "flow --help",
    ):  # fmt: skip
        done = _fmq(arguments, tmp_path, PYTHONIOENCODING=encoding)
        assert b"Traceback" not in done.stderr, arguments
        assert b"fault of fmq_theory" not in done.stderr, arguments
        assert done.returncode in {0, 1}, (arguments, done.stderr)
        done.stdout.decode(encoding)


def test_help_of_every_command_ends_with_the_exit_codes() -> None:
    from click.testing import CliRunner

    from fmq_theory.cli.bounds import bounds
    from fmq_theory.cli.main import main

    for arguments in ([], *([name] for name in main.commands)):
        page = " ".join(CliRunner().invoke(main, [*arguments, "--help"]).output.split())
        assert "Exit codes: 0 done;" in page, arguments
        assert "130 stopped by Ctrl-C" in page
    assert "Exit codes:" in CliRunner().invoke(bounds, ["--help"]).output


@pytest.mark.deep
def test_ctrl_c_among_worker_processes_leaves_no_traceback(tmp_path: Path) -> None:
    tensors = {f"w{i}": torch.randn(256, 512) for i in range(24)}
    save_file(tensors, tmp_path / "m.safetensors")
    command = "from fmq_theory.cli.main import main; main()"
    arguments = ["audit", "m.safetensors", "--jobs", "2", "--resume", "--schemes", "all", "--bits", "2-8"]
    process = subprocess.Popen(
        _as_from_a_terminal("-c", command, *arguments),
        cwd=tmp_path, env=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    store = tmp_path / "fmq-audit-m.jsonl"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        if store.exists() and store.stat().st_size:
            break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    said = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1, said
    assert "go on with the same command" in said
