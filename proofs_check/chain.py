"""From assumptions over steps to the conclusions: what is idle, and what breaks if a link is taken out."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from proofs_check.derivation import Step

__all__ = ["faults", "support"]


def faults(steps: Sequence[Step], assumptions: Collection[str], statement: str) -> list[str]:
    """What is wrong with a chain; empty if it is whole.

    A chain is whole if each conclusion is a part of the statement, word for word; every name in ``uses`` is
    an earlier step or an assumption; and each proving step and each assumption, taken out alone, leaves some
    conclusion without support. A check at finite size proves nothing: nothing may rest on it.
    """
    conclusions = [step.name for step in steps if step.how == "concluded"]
    if not conclusions:
        return ["no conclusion"]
    flat = " ".join(statement.split())
    wrong = [f"not in the statement: {name!r}" for name in conclusions if name not in flat]
    wrong += [f"{name!r} does not exist before it is used" for name in _dangling(steps, assumptions)]
    if wrong:
        return wrong
    nodes = support(steps, assumptions)
    whole = _reached(nodes, assumptions, "")
    for name in (*(s.name for s in steps if s.how not in ("checked", "concluded")), *assumptions):
        left = _reached(nodes, assumptions, name)
        if all(conclusion in left for conclusion in conclusions if conclusion in whole):
            wrong.append(f"nothing changes without {name!r}")
    return list(dict.fromkeys(wrong))


def support(steps: Sequence[Step], assumptions: Collection[str]) -> Mapping[str, frozenset[str]]:
    """What each step rests on directly, by name; steps of one name are one node."""
    nodes: dict[str, frozenset[str]] = {}
    known = [*assumptions]
    for step in steps:
        if step.how == "checked":
            continue
        found = {name for use in step.uses for name in _matches(use, known)}
        nodes[step.name] = nodes.get(step.name, frozenset[str]()) | found - {step.name}
        known.append(step.name)
    return nodes


def _matches(use: str, known: Collection[str]) -> Iterator[str]:
    for name in known:
        if name == use or (use.endswith("*") and name.startswith(use[:-1])):
            yield name


def _dangling(steps: Sequence[Step], assumptions: Collection[str]) -> Iterator[str]:
    known = [*assumptions]
    for step in steps:
        for use in step.uses:
            if not any(_matches(use, known)):
                yield use
        if step.how != "checked":
            known.append(step.name)


def _reached(nodes: Mapping[str, frozenset[str]], assumptions: Collection[str], without: str) -> set[str]:
    """The nodes that stand when one is taken out: a node stands on all that it uses."""
    reached = {name for name in assumptions if name != without}
    for name, uses in nodes.items():  # in the order of the derivation, so one pass is enough
        if name != without and uses <= reached:
            reached.add(name)
    return reached
