"""What the tests of bounds draw from."""

from typing import TypeVar

from hypothesis import strategies as st

from fmq_theory.sources import FAMILIES, SymmetricSource, make

Quantity = TypeVar("Quantity")


def standard_laws() -> dict[str, SymmetricSource]:
    """One law of unit variance for each class of tail and each shape of the centre."""
    laws = {
        "gaussian": make("gaussian"),
        "laplace": make("laplace"),
        "logistic": make("logistic"),
        "t3": make("student-t", df=3.0),
        "t5": make("student-t", df=5.0),
        "stretched": make("generalized-gaussian", beta=0.6),
        "flat": make("generalized-gaussian", beta=6.0),
        "pole": make("gamma", shape=0.5),
        "two-humped": make("gamma", shape=2.5),
        "uniform": make("uniform"),
    }
    return {name: law.standard_deviation_one() for name, law in laws.items()}


@st.composite
def laws(draw: st.DrawFn) -> SymmetricSource:
    """A law of each family with finite variance, parameters from what the family calls typical."""
    name = draw(st.sampled_from(sorted(FAMILIES)))
    parameters = {}
    for parameter in FAMILIES[name].parameters:
        low, high = parameter.typical
        if parameter.name == "df":
            low = 2.1
        parameters[parameter.name] = draw(st.floats(low, high))
    return make(name, **parameters)


def changed(law: SymmetricSource, **changes: float) -> SymmetricSource:
    """The law of the same family with some parameters changed."""
    return make(law.name, **({p.name: getattr(law, p.name) for p in law.parameters} | changes))


def there(bound: Quantity | None) -> Quantity:
    """A bound, or a mean over samples, that must exist."""
    assert bound is not None
    return bound
