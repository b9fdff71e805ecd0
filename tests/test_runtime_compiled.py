"""Tests of the optional compiled code, which puts every value into the same cell as numpy."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from poet_runtime.drift.statistics import grid as _compiled
from poet_runtime.drift.statistics.grid import BLOCK, Grid, cells_for, placed_by

pytest.importorskip("numba", reason="numba is not installed")

ANSWER = """
import numpy as np
import numpy.typing as npt
from poet_runtime.drift.reference import Reference
from poet_runtime.drift.comparison import compare
chance = np.random.default_rng(0)
reference, current = Reference.prepare(chance.normal(size=90_000)), chance.normal(0.01, 1.0, 90_000)
samples = compare(current, reference)
print([samples.score(name, "raw").statistic.hex() for name in ("ks", "wasserstein", "psi")])
import sys; print("numba" in sys.modules)
"""


@pytest.mark.parametrize("type_", [np.float64, np.float32, np.int64])
def test_compiled_code_uses_the_same_cells(monkeypatch: pytest.MonkeyPatch, type_: type) -> None:
    """Values beyond both ends are included, and the counts are equal."""
    chance = np.random.default_rng(1)
    ordered = np.sort(100.0 * chance.normal(size=2 * BLOCK))
    grid = Grid.over(ordered, cells_for(len(ordered)))
    values: npt.NDArray[Any] = (300.0 * chance.normal(size=3 * BLOCK + 7)).astype(type_)
    plain = placed_by(grid.map, values, grid.cells)
    monkeypatch.setenv("POET_COMPILED", "1")
    _compiled.placing.cache_clear()
    try:
        compiled = placed_by(grid.map, values, grid.cells)
        assert _compiled.placing() is not None
    finally:
        monkeypatch.undo()
        _compiled.placing.cache_clear()
    for one, other in zip(plain, compiled, strict=True):
        assert np.array_equal(one, other)
    assert _compiled.placing() is None


def test_compiled_answers_are_bit_identical_and_numba_is_optional() -> None:
    """Fresh processes run with and without the environment variable."""
    outputs = [
        subprocess.run(
            [sys.executable, "-c", ANSWER],
            env=os.environ | {"POET_COMPILED": value},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for value in ("", "1")
    ]
    assert outputs[0][0] == outputs[1][0]
    assert [each[1] for each in outputs] == ["False", "True"]
