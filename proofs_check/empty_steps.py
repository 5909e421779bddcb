"""Steps that compare an expression with itself: no operation between what is typed and what is claimed.

A derivation that types a formula and compares it with the same formula in the claim shows nothing. Such a
step has both sides equal as they stand, and stays so when the result of *every* integral, derivative, limit,
series, solution and simplification in the derivation is replaced by something else. That is how it is found.
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


class _Lenient(Derivation):
    """Records which identities have the same expression on both sides, and demands nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.same: dict[str, bool] = {}

    def identity(self, name: str, left: sp.Expr, right: sp.Expr, **_: object) -> None:
        equal = sp.sympify(left) == sp.sympify(right)
        self.same[name] = self.same.get(name, True) and equal

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
        lenient = _Lenient()
        with _tainted(changed), suppress(Exception):
            derive(lenient, claim)
        left = {name for name in left if lenient.same.get(name, True)}
    return sorted(left)


@contextmanager
def _tainted(changed: Sequence[str]) -> Iterator[None]:
    """These operations of sympy, where a derivation calls them by name, answer something else."""
    depth, count = 0, 0

    def false(operation: Callable[..., Any], *, only_if_changed: bool) -> Callable[..., Any]:
        def answer(*arguments: Any, **options: Any) -> Any:
            nonlocal depth, count
            depth += 1  # sympy calls some of these from one another: only the outermost is changed
            try:
                result = operation(*arguments, **options)
            finally:
                depth -= 1
            if depth or (only_if_changed and result == arguments[0]):
                return result
            count += 1  # not the same for all: a ratio of two results must move as well
            amount = sp.Rational(97 + count, 1009)
            if isinstance(result, list):
                return [_moved(entry, amount) for entry in result]
            if isinstance(result, dict):
                return {unknown: _moved(entry, amount) for unknown, entry in result.items()}
            return _moved(result, amount)

        return answer

    true = {name: getattr(sp, name) for name in changed}
    try:
        for name, operation in true.items():
            setattr(sp, name, false(operation, only_if_changed=name in _REWRITING))
        yield
    finally:
        for name, operation in true.items():
            setattr(sp, name, operation)


def _moved(result: Any, amount: sp.Rational) -> Any:
    """A number is added, so that it goes wherever a result goes."""
    return result + amount if isinstance(result, sp.Expr) else result
