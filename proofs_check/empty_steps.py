"""Steps that compare an expression with itself: no operation between what is typed and what is claimed.

A derivation that types a formula and compares it with the same formula in the claim shows nothing. Such a
step has both sides equal as they stand, and stays so when the result of *every* integral, derivative, limit,
series, solution and simplification in the derivation is replaced by a number. That is how it is found.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import sympy as sp

from proofs_check.derivation import Derivation
from proofs_check.mutant import Claim

__all__ = ["empty_steps"]

_OPERATIONS = ("integrate", "diff", "limit", "solve", "series", "summation", "dsolve")
_REWRITING = ("expand", "simplify", "factor", "powsimp", "expand_log", "expand_power_base")
"""These count only where they change the expression."""

_ALL = (*_OPERATIONS, *_REWRITING)


class _AllClearedError(Exception):
    """No suspect is left: the rest of the derivation need not run."""


class _Lenient(Derivation):
    """Clears the suspects whose two sides differ, and demands nothing.

    Attributes:
        left: the suspects that are not cleared, because their sides agree or they were not reached.
    """

    def __init__(self, suspects: set[str]) -> None:
        super().__init__()
        self.left = set(suspects)

    def identity(self, name: str, left: sp.Expr, right: sp.Expr, **_: object) -> None:
        if name in self.left and sp.sympify(left) != sp.sympify(right):
            self.left.discard(name)
            if not self.left:
                raise _AllClearedError

    def decided(self, *_: object, **__: object) -> None: ...
    def agrees(self, *_: object, **__: object) -> None: ...
    def check(self, *_: object, **__: object) -> None: ...
    def deliver(self, *_: object, **__: object) -> None: ...
    def example(self, *_: object, **__: object) -> None: ...
    def holds(self, *_: object, **__: object) -> None: ...


def empty_steps(derive: Callable[[Derivation, Claim], None], claim: Claim, suspects: set[str]) -> list[str]:
    """The names among ``suspects`` whose sides agree whatever the operations of the derivation deliver.

    Args:
        derive: the derivation.
        claim: what it is run on.
        suspects: the steps whose two sides are the same expression.
    """
    left = set(suspects)
    # All at once; then, as false results may break the derivation before a suspect is reached, one by one.
    for changed in (_ALL, *((name,) for name in _ALL)):
        if not left:
            break
        lenient = _Lenient(left)
        with _tainted(changed), suppress(Exception):
            derive(lenient, claim)
        left = lenient.left
    return sorted(left)


@contextmanager
def _tainted(changed: Sequence[str]) -> Iterator[None]:
    """These operations of sympy, where a derivation calls them by name, answer something else."""
    depth, count = 0, 0

    def false(operation: Callable[..., Any], *, only_if_changed: bool) -> Callable[..., Any]:
        def answer(*arguments: Any, **options: Any) -> Any:
            nonlocal depth, count
            if depth or only_if_changed:
                depth += 1  # sympy calls some of these from one another: only the outermost is changed
                try:
                    result = operation(*arguments, **options)
                finally:
                    depth -= 1
                if depth or result == arguments[0]:
                    return result
            count += 1  # not the same for all: a ratio of two results must change as well
            number = sp.Rational(97 + count, 1009)
            return _in_shape(operation.__name__, number, arguments)

        return answer

    true = {name: getattr(sp, name) for name in changed}
    try:
        for name, operation in true.items():
            setattr(sp, name, false(operation, only_if_changed=name in _REWRITING))
        yield
    finally:
        for name, operation in true.items():
            setattr(sp, name, operation)


def _in_shape(name: str, number: sp.Rational, arguments: Sequence[Any]) -> Any:
    """The number, as an answer of that operation."""
    if name == "dsolve":
        return sp.Eq(sp.Symbol("solution"), number, evaluate=False)
    if name == "solve":
        several = isinstance(arguments[0], list)
        return dict.fromkeys(arguments[1], number) if several else [number]
    return number
