"""The compiled way puts every value into the same cell, and is taken only by those who ask for it."""

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
def test_every_value_lies_in_the_same_cell(monkeypatch: pytest.MonkeyPatch, type_: type) -> None:
    """Beyond both ends as well; the counts are those of the cells."""
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


def test_answers_are_the_same_to_the_bit_and_nobody_else_waits_for_numba() -> None:
    """In fresh processes, with and without the word."""
    said = [
        subprocess.run(
            [sys.executable, "-c", ANSWER],
            env=os.environ | {"POET_COMPILED": word},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for word in ("", "1")
    ]
    assert said[0][0] == said[1][0]
    assert [each[1] for each in said] == ["False", "True"]
