"""Compiles kernels ahead of their use, into the cache that all processes share.

``python -m fmq_theory.cli.compile_kernels KIND`` compiles those of one kind of work in a process of its own:
numba compiles one kernel at a time in a process, and another process may use another core. A kernel that both
need is compiled by one of them (``kernels/runtime/sealed_cache.py``).
"""

import subprocess
import sys
from collections.abc import Callable, Sequence

from fmq_theory.cli.start import python_module
from fmq_theory.errors import FmqError

__all__ = ["KINDS", "compile_ahead", "compile_schemes", "schemes_to_compile"]

_POINTS = 1 << 15
"""Of a sample: as many as the searches for many points want."""
_LONG = 1 << 19
"""As many weights as outgrow a core's cache, in float32 too."""
_MANY = 1 << 17
"""Of a sample for which nothing is compiled that a million weights do not need."""


_LONGEST = {
    "uniform_clipped": "search._search",
    "ecq": "entropy_iterations.entropy_iterations",
    "lloyd_max": "breakpoint_path.relaxed_values",
}
"""The kernel of a scheme that takes longest to compile, as its file in the cache begins. In the order in
which another process compiles them best, for ``compare_law`` comes to Lloyd-Max first itself."""


def compile_schemes(schemes: Sequence[str]) -> None:
    """Compiles what codebooks of a sample of a law need.

    Args:
        schemes: names; none where nothing is to be compiled.
    """
    if not schemes:
        return
    import numpy as np

    from fmq_theory.quantizers import get_scheme
    from fmq_theory.sources import Empirical

    # Sorted by numpy, and too many for the kernels of few points: those would be compiled for nothing.
    points = np.sort(np.random.default_rng(0).standard_normal(_MANY))
    sample = Empirical.from_sorted(points)
    for name in schemes:
        get_scheme(name).design(sample, 16)


def _main_job() -> None:
    """``fmq bounds`` with a law."""
    import numpy as np

    from fmq_theory.claims import compare_law
    from fmq_theory.cli.scheme_names import COMPARED
    from fmq_theory.sources import Empirical, Gaussian

    compare_law(Gaussian(), "", bits=(4,), schemes=COMPARED, n=_POINTS, repeats=1, seed=0)
    Empirical(np.zeros(_LONG))  # a million weights are sorted by other kernels than some thousands


def _weights() -> None:
    """Weights by channel and by tensor, in float32, as files have them."""
    import numpy as np

    from fmq_theory.cli.scheme_names import COMPARED
    from fmq_theory.quantizers import quantize
    from fmq_theory.sources import Empirical

    weights = np.random.default_rng(0).standard_normal((16, _POINTS // 16), dtype=np.float32)
    for granularity in ("channel", "tensor"):
        for name in COMPARED:
            quantize(weights, name, bits=4, granularity=granularity)
    Empirical(np.zeros(_LONG + 1, dtype=np.float32))


KINDS: dict[str, Callable[[], None]] = {
    "bounds": _main_job,
    "weights": _weights,
}


def _started(kind: str) -> subprocess.Popen[bytes]:
    """A process that compiles the kernels of a kind of work; it says nothing.

    Args:
        kind: one of ``KINDS``.
    """
    command, environment = python_module("fmq_theory.cli.compile_kernels", kind)
    silent = subprocess.DEVNULL
    return subprocess.Popen(command, stdin=silent, stdout=silent, stderr=silent, env=environment)  # noqa: S603


def schemes_to_compile(schemes: Sequence[str]) -> tuple[str, ...]:
    """Which of the schemes that are slow to compile have no kernel kept, though kernels can be kept.

    Args:
        schemes: names of those that a run asks for.
    """
    from fmq_theory.kernels.runtime.jit import cache_directory

    directory = cache_directory()
    if directory is None:
        return ()
    return tuple(
        scheme
        for scheme, kernel in _LONGEST.items()
        if scheme in schemes and not any(directory.glob(f"*/{kernel}-*.nbi"))
    )


def compile_ahead(progress: Callable[[float, str], None]) -> None:
    """Compiles the kernels of the commands, two kinds of work at a time; what is kept is not compiled again.

    Args:
        progress: called with the share done, from 0 to 1, and what is being done.

    Raises:
        FmqError: a process ended in an error; ``fmq doctor`` says more of it.
    """
    kinds = ("bounds", "weights")
    helpers = [_started(kind) for kind in kinds]
    try:
        for done, (kind, helper) in enumerate(zip(kinds, helpers, strict=True)):
            progress(done / len(kinds), f"compiling kernels, once: {kind}")
            if helper.wait() != 0:
                raise FmqError(
                    f"the kernels of {kind}",
                    f"the process that compiles them ended with {helper.returncode}",
                    "run fmq doctor without --compile, which says what is broken",
                )
    finally:
        for helper in helpers:
            helper.terminate()
            helper.wait()


def main() -> None:
    """Compiles the kernels of the kind that is named."""
    KINDS[sys.argv[1]]()


if __name__ == "__main__":
    main()
