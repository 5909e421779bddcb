"""Standard output and error that lose no result to a reader that leaves, a full disk, a small encoding.

What a command prints is a copy of what it found, and must never end the command. So a write to a stream that
nobody reads any more goes nowhere, a write that the system refuses is remembered for the end, and a character
that the stream's encoding lacks is replaced.
"""

import codecs
import io
import os
import select
import sys
from typing import Any, TextIO, cast

__all__ = ["open_streams", "trouble_of_output"]

_ERRORS = "fmq_ink"
_ASCII = "fmq_ascii"
# One letter for one, so that tables stay in line; what is not here becomes its code.
_NEAREST = str.maketrans(
    {
        "–": "-", "—": "-", "−": "-", "‖": "|", "·": "-", "×": "x", "…": "~", "→": ">", "≤": "<", "≥": ">",
        "≈": "~", "≠": "#", "±": "~", "†": "+", "²": "2", "³": "3",
        "₂": "2", "√": "V", "∞": "8", "’": "'", "“": '"', "”": '"', "é": "e",
        "α": "a", "β": "b", "ε": "e", "θ": "t", "κ": "k", "λ": "l", "μ": "u", "ν": "n", "ξ": "x", "ρ": "r",
        "σ": "s", "φ": "f", "Δ": "D", "Σ": "S", "ö": "o",
        "─": "-", "━": "-", "│": "|", "┃": "|", "╇": "+", "┼": "+", "╸": "-", "╺": "-",
    }
)  # fmt: skip


class _Outlet(io.RawIOBase):
    """A file descriptor that can always be written to.

    Args:
        descriptor: it stays open.

    Attributes:
        trouble: why the system refused a write; None where it did not, or only the reader has left.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lost = False
        self.trouble: OSError | None = None

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        try:
            return os.isatty(self._descriptor)
        except OSError:
            return False

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        size = len(view)
        while len(view) and not self._lost:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [], 1.0)
            except (BrokenPipeError, ConnectionError):
                self._lost = True
            except OSError as error:
                self._lost, self.trouble = True, error
        return size


def open_streams() -> None:
    """Puts streams that lose nothing in the place of this process's own; those of a test are left alone."""
    _fill_closed_descriptors()
    codecs.register_error(_ERRORS, _replaced)
    codecs.register(_named_ascii)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = cast("TextIO | None", getattr(sys, name))
        if stream is None:
            setattr(sys, name, _text(descriptor, "utf-8", write_through=False))
        elif stream is getattr(sys, f"__{name}__") and _is_plain(stream, descriptor):
            stream.flush()
            write_through = bool(getattr(stream, "write_through", False))
            setattr(sys, name, _text(descriptor, stream.encoding or "utf-8", write_through=write_through))


def trouble_of_output() -> OSError | None:
    """Why standard output was not written to its end; None if it was, or if its reader left."""
    stream = sys.stdout
    try:
        stream.flush()
    except OSError as error:
        return error
    outlet = getattr(getattr(stream, "buffer", None), "raw", None)
    return outlet.trouble if isinstance(outlet, _Outlet) else None


def _fill_closed_descriptors() -> None:
    """Else the first file that is opened becomes standard output, and libraries print into it."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)


def _is_plain(stream: TextIO, descriptor: int) -> bool:
    if os.name == "nt" and stream.isatty():
        return False  # Windows has a stream of its own for consoles
    try:
        return isinstance(stream, io.TextIOWrapper) and stream.fileno() == descriptor
    except (OSError, ValueError):
        return False


def _text(descriptor: int, encoding: str, *, write_through: bool) -> TextIO:
    outlet = _Outlet(descriptor)
    # click writes UTF-8 to a stream that calls itself ASCII; under another name ours is left as it is.
    plain = codecs.lookup(encoding).name == "ascii"
    return io.TextIOWrapper(
        io.BufferedWriter(outlet),
        encoding=_ASCII if plain else encoding,
        errors=_ERRORS,
        line_buffering=outlet.isatty() or descriptor == 2 or write_through,
        write_through=write_through,
    )


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """What is written in place of characters that an encoding lacks; itself all ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end].translate(_NEAREST)
    return lacking.encode("ascii", "backslashreplace").decode("ascii"), error.end


def _named_ascii(name: str) -> codecs.CodecInfo | None:
    if name != _ASCII:
        return None
    ascii_codec = codecs.lookup("ascii")
    return codecs.CodecInfo(
        ascii_codec.encode,
        ascii_codec.decode,
        incrementalencoder=ascii_codec.incrementalencoder,
        incrementaldecoder=ascii_codec.incrementaldecoder,
        streamreader=ascii_codec.streamreader,
        streamwriter=ascii_codec.streamwriter,
        name=_ASCII,
    )
