"""The names a user meets first."""

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fmq_theory


def test_all_names_are_there() -> None:
    for name in fmq_theory.__all__:
        assert getattr(fmq_theory, name) is not None
        assert name in dir(fmq_theory)
    assert fmq_theory.__version__.count(".") == 2


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        _ = fmq_theory.quantise  # pyright: ignore[reportAttributeAccessIssue]


def test_import_takes_the_standard_library_only() -> None:
    code = (
        "import json, sys; before = set(sys.modules); import fmq_theory; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(json.dumps(sorted(new - set(sys.stdlib_module_names))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == ["fmq_theory"]


def test_first_steps() -> None:
    weights = np.random.default_rng(0).standard_normal((4, 100)).astype(np.float32)
    quantized = fmq_theory.quantize(weights, bits=4)
    assert isinstance(quantized, fmq_theory.QuantizedTensor)
    # T1: per channel the squared Wasserstein distance is the error.
    distances = [
        fmq_theory.w2_squared(channel, rebuilt)
        for channel, rebuilt in zip(weights, quantized.dequantize(), strict=True)
    ]
    assert np.mean(distances) == pytest.approx(quantized.mse, rel=1e-9)
    assert issubclass(fmq_theory.quantizers.get_scheme("ecq").__class__, fmq_theory.quantizers.Scheme)
    with pytest.raises(fmq_theory.FmqError):
        fmq_theory.quantize(weights, bits=9)


_ROOT = Path(__file__).resolve().parents[1]


def _imports_of_examples() -> set[tuple[str, str]]:
    """Module and name of all that the README, the guides and the gallery import from the package."""
    pages = [_ROOT / "README.md", *(_ROOT / "docs").glob("*.md"), *(_ROOT / "docs" / "guide").glob("*.md")]
    code = [
        block
        for page in pages
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    ]
    code += [path.read_text("utf-8") for path in (_ROOT / "docs" / "gallery").glob("plot_*.py")]
    return {
        (node.module, alias.name)
        for text in code
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fmq_theory")
        for alias in node.names
    }


def test_what_the_examples_import_is_public() -> None:
    found = _imports_of_examples()
    assert len(found) > 25
    assert ("fmq_theory.metrics", "distortion") in found
    private = {
        (module, name) for module, name in found if name not in importlib.import_module(module).__all__
    }
    assert private == set()
