"""How every command ends: its exit code, what it says of an error, and what it leaves behind."""

import errno
import os
import re
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, NoReturn

import click

from fmq_theory.cli.errors import in_options
from fmq_theory.cli.streams import open_streams, trouble_of_output
from fmq_theory.counts import check_environment
from fmq_theory.errors import FmqError, is_lack_of_memory
from fmq_theory.shown import escaped, one_line

__all__ = ["DONE", "EXIT_CODES", "FAULT", "INTERRUPTED", "UNUSABLE", "FmqCommand", "FmqGroup"]

DONE, UNUSABLE, FAULT, INTERRUPTED = 0, 2, 70, 130
TRACEBACK = "FMQ_TRACEBACK"
"""Environment variable: where it is set, a fault of the package ends in Python's own traceback."""
_PACKAGE = "fmq_theory"
_ISSUES = "the project's issue tracker"
EXIT_CODES = (
    "Exit codes: 0 done; 1 done, and a check failed (a claim, a tolerance, a cell, the installation); 2 bad "
    "input, or a place, memory or a right that is missing; 70 a fault of fmq_theory itself; 130 stopped by "
    "Ctrl-C (128 + n: by signal n). A reader that leaves early, as head does, changes none of them."
)
# What the linker, and llvmlite after it, say of a library where there is no memory for it, or where its disk
# is mounted noexec.
_NOT_LOADED = re.compile(r"([\w.+-]+): failed to map segment|find/load shared object file '([\w.+-]+)'")


class _Guarded(click.Command):
    """A command whose errors are lines and whose results outlive its output."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        words = sys.argv[1:] if args is None else list(args)
        call = super().main
        raise SystemExit(
            _ended(words, lambda: call(words, prog_name, complete_var, standalone_mode=False, **extra))
        )

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would write an empty line first
            _say("stopped", "")
            raise SystemExit(INTERRUPTED) from None


class FmqCommand(_Guarded):
    """A command; ``--help`` ends with the exit codes.

    Args:
        diagnoses: it runs in a broken environment as well, to say what is broken.
    """

    def __init__(self, *args: Any, diagnoses: bool = False, **options: Any) -> None:
        options.setdefault("epilog", EXIT_CODES)
        super().__init__(*args, **options)
        self._diagnoses = diagnoses

    def invoke(self, ctx: click.Context) -> Any:
        if not self._diagnoses:
            check_environment()
        return super().invoke(ctx)


class FmqGroup(_Guarded, click.Group):
    """The group of all commands."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("epilog", EXIT_CODES)
        super().__init__(*args, **options)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands, each with its whole first sentence: click would end it where a line ends."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(limit=1000)) for name, command in commands if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _ended(words: Sequence[str], call: Callable[[], Any]) -> int:
    """The exit code of a command, once all that is to be said of it has been said."""
    open_streams()
    try:
        code = _code(words, call)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if (trouble := trouble_of_output()) is not None:
        why = trouble.strerror or trouble
        _say(f"standard output: {why}; what was to be printed is lost, files are whole")
        code = code or UNUSABLE
    return code


def _code(words: Sequence[str], call: Callable[[], Any]) -> int:
    last = _LastResort()
    with last:
        try:
            with _stopped_by_signals(last):
                _check_folder(words)
                result = call()
                return result if isinstance(result, int) else DONE
        except SystemExit as stop:
            return stop.code if isinstance(stop.code, int) else (DONE if stop.code is None else 1)
        except (KeyboardInterrupt, click.Abort):
            _say("stopped", "")
            return INTERRUPTED
        except click.ClickException as error:
            if last.interrupted:
                raise
            _show(error)
            return UNUSABLE if type(error) is click.ClickException else error.exit_code
        except FmqError as error:
            if last.interrupted:
                raise
            _say(in_options(error))
            return UNUSABLE
    return last.code


class _LastResort:
    """What the machine lacks is one line; what nobody foresaw is a fault, with its traceback in a file.

    With ``FMQ_TRACEBACK`` set a fault passes through, as in the tests.

    Attributes:
        code: the exit code after an error.
        interrupted: Ctrl-C came. It may stop a library in the middle of its import and come out of it as an
            error of any kind.
    """

    def __init__(self) -> None:
        self.code = FAULT
        self.interrupted = False

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        if self.interrupted:
            _say("stopped", "")
            self.code = INTERRUPTED
            return True
        if (lacking := _of_the_system(error)) is not None:
            _say(lacking)
            self.code = UNUSABLE
            return True
        if os.environ.get(TRACEBACK):
            return False
        _say(_fault(error))
        return True


def _check_folder(words: Sequence[str]) -> None:
    if not words or {"-h", "--help", "--version"} & set(words):
        return
    try:
        os.getcwd()  # noqa: PTH109 (Path.cwd is the same)
    except OSError:
        raise click.ClickException(
            "the current folder: it does not exist any more; change to one that does"
        ) from None


def _show(error: click.ClickException) -> None:
    """What click says of wrong options; what the user typed may hold anything, as names of files do."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show(sys.stderr)
        return
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help' for help.\n", sys.stderr)
    choices = isinstance(error, click.MissingParameter)  # a line each
    _say(error.format_message() if choices else one_line(error.format_message()), keep_lines=choices)


def _of_the_system(error: Exception) -> str | None:
    """One line about what the machine lacks; None if the error is about something else."""
    text = str(error)
    if is_lack_of_memory(error):
        return "memory: there is not enough of it for this; close other programs, or ask for less at a time"
    if isinstance(error, (ImportError, OSError)) and (found := _NOT_LOADED.search(text)) is not None:
        return (
            f"library {found[1] or found[2]}: it cannot be loaded; close other programs, for there may not "
            "be enough memory for it, or see that it is installed and its file system allows programs"
        )
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith(_PACKAGE):
        return (
            f"library {error.name.partition('.')[0]}: it is not installed for {sys.executable}; install "
            "fmq_theory there with pip, which brings what it needs; fmq doctor says what else is missing"
        )
    if not isinstance(error, OSError) or error.errno is None:
        return None
    if error.errno == errno.ENOMEM:
        return "memory: there is not enough of it for this; close other programs, or ask for less at a time"
    place = "the system" if error.filename is None else str(error.filename)
    why = error.strerror or text
    return f"{one_line(place)}: {one_line(why)}; check the path, its permissions and the space that is left"


def _fault(error: Exception) -> str:
    """What is said of an error that nobody foresaw, and where its traceback is."""
    lines = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="fmq-fault-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(lines)
        where = f"the traceback is in {file.name}"
    except OSError:
        where = f"{TRACEBACK}=1 shows the traceback"
    gist = f"{type(error).__name__}: {error}"
    return (
        f"this is a fault of fmq_theory, not of your input ({one_line(gist, 300)}); {where}; please report "
        f"it with the command to {_ISSUES}"
    )


def _say(sentence: object, title: str = "Error: ", *, keep_lines: bool = False) -> None:
    text = "".join(c if keep_lines and c in "\n\t" else escaped(c) for c in str(sentence))
    sys.stderr.write(f"{title}{text}\n")
    sys.stderr.flush()


@contextmanager
def _stopped_by_signals(last: _LastResort) -> Generator[None]:
    """SIGTERM and SIGHUP end the command as Ctrl-C does, with no temporary file left; the next one at once.

    Handlers that somebody else has set, as a test may, stay.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_DFL)
        raise SystemExit(128 + number)

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        last.interrupted = True
        raise KeyboardInterrupt

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    wanted: dict[int, tuple[object, Callable[[int, FrameType | None], NoReturn]]] = {
        getattr(signal, name): (signal.SIG_DFL, stop) for name in names
    }
    wanted[signal.SIGINT] = (signal.default_int_handler, interrupt)
    set_here: dict[int, Any] = {}
    for number, (usual, handler) in wanted.items():
        if signal.getsignal(number) == usual:
            set_here[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, before in set_here.items():
            if signal.getsignal(number) != signal.SIG_DFL:  # after the first one the next ends it at once
                signal.signal(number, before)
