"""Tests that distances of long samples on a grid equal those of the sorted samples."""

import math
import pickle
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import stats

from poet_runtime.drift.columns import read
from poet_runtime.drift.reference import Reference
from poet_runtime.drift.statistics import NUMERIC
from poet_runtime.drift.statistics.baseline import Baseline, Rows
from poet_runtime.drift.statistics.distances import area_on_grid, ks_on_grid
from poet_runtime.drift.statistics.grid import BLOCK, Grid, Gridded, cells_for

Floats = NDArray[np.float64]
MANY = settings(max_examples=300, deadline=None)


def by_sorting(current: Floats, reference: Floats) -> float:
    """Return the largest difference of the two distribution functions, by its definition."""
    pooled = np.concatenate((current, reference)).astype(np.float64)
    places = [
        np.searchsorted(np.sort(each), pooled, side="right") / len(each) for each in (current, reference)
    ]
    return float(np.abs(places[0] - places[1]).max())


def area_by_fractions(current: Floats, reference: Floats) -> float:
    """Return the area between the distribution functions, computed without rounding."""
    m, n = len(current), len(reference)
    steps = sorted(
        [(Fraction(float(x)), Fraction(1, m)) for x in current]
        + [(Fraction(float(y)), Fraction(-1, n)) for y in reference]
    )
    difference, area = Fraction(0), Fraction(0)
    for (here, step), (there, _) in pairwise(steps):
        difference += step
        area += abs(difference) * (there - here)
    return float(area)


values = st.one_of(
    st.floats(-1e6, 1e6),
    st.floats(-3, 3).map(lambda x: round(x, 1)),
    st.floats(-40, 40).map(math.exp),
    st.sampled_from([0.0, -0.0, 1.0, 5e-324, -5e-324, 1e140, -1e140]),
)
samples = hnp.arrays(np.float64, st.integers(1, 80), elements=values)
ties = hnp.arrays(np.float64, st.integers(1, 80), elements=st.sampled_from([-0.0, 0.0, 0.1, 0.2, 7.0]))


@MANY
@given(
    current=st.one_of(samples, ties),
    reference=st.one_of(samples, ties),
    cells=st.sampled_from([4, 16, 64, 4096]),
)
def test_the_largest_distance_equals_that_of_sorted_samples(
    current: Floats, reference: Floats, cells: int
) -> None:
    """It is bit-identical for ties, heavy tails and tiny samples, on suitable and unsuitable grids."""
    grid = Grid.over(np.sort(reference), cells)
    assert by_sorting(current, reference) == ks_on_grid(Gridded.of(current, grid))


@MANY
@given(
    current=st.one_of(samples, ties),
    reference=st.one_of(samples, ties),
    cells=st.sampled_from([4, 16, 64, 4096]),
)
def test_the_area_equals_that_of_sorted_samples(current: Floats, reference: Floats, cells: int) -> None:
    """The tolerance allows for rounding in sums of outlying values."""
    grid = Grid.over(np.sort(reference), cells)
    scale = float(np.abs(np.concatenate((current, reference))).max())
    assert area_by_fractions(current, reference) == pytest.approx(
        area_on_grid(Gridded.of(current, grid)), rel=1e-9, abs=1e-13 * scale
    )


SHAPES: dict[str, Callable[[np.random.Generator, int], NDArray[Any]]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: rng.lognormal(0, 3, n),
    "rounded": lambda rng, n: rng.normal(size=n).round(1),
    "far from zero": lambda rng, n: 1e9 + rng.normal(size=n),
    "two scales": lambda rng, n: np.where(rng.random(n) < 0.5, rng.normal(size=n), 1e9 * rng.normal(size=n)),
    "an atom": lambda rng, n: np.maximum(rng.normal(size=n), 0.0),
    "constant": lambda _, n: np.full(n, 0.1),
    "float32": lambda rng, n: rng.normal(size=n).astype(np.float32),
    "integers": lambda rng, n: rng.integers(-1000, 1000, n),
    "bytes": lambda rng, n: rng.integers(0, 255, n).astype(np.uint8),
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
}


@pytest.mark.parametrize("sizes", [(3_000, 3_000), (40_000, 500), (2 * BLOCK + 7, 50_000)])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("against", ["itself", "rounded", "normal"])
def test_distances_of_long_samples_equal_scipys(shape: str, against: str, sizes: tuple[int, int]) -> None:
    """The samples span several blocks and types, and have equal and different shapes."""
    rng = np.random.default_rng(7)
    current = SHAPES[shape](rng, sizes[0])
    reference = SHAPES[shape if against == "itself" else against](rng, sizes[1])
    rows = Rows(current[None], Baseline(reference.astype(np.float64)))
    assert by_sorting(current, reference) == NUMERIC["ks"](rows)[0]
    distance = stats.wasserstein_distance(current.astype(np.float64), reference.astype(np.float64))
    scale = float(np.abs(current).max()) + float(np.abs(reference).max())
    assert distance == pytest.approx(area_on_grid(rows.gridded[0]), rel=1e-9, abs=1e-12 * scale)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_long_sample_has_distance_zero_from_itself(shape: str) -> None:
    """The order of its values does not matter."""
    values = SHAPES[shape](np.random.default_rng(3), 20_000)
    rows = Rows(values[::-1][None], Baseline(values.astype(np.float64)))
    assert NUMERIC["ks"](rows)[0] == 0.0
    assert NUMERIC["wasserstein"](rows)[0] <= 1e-12


def test_the_number_of_cells_grows_up_to_a_limit() -> None:
    """The limit bounds the memory of a reference."""
    assert [cells_for(n) for n in (1, 10_000, 100_000, 1_000_000, 10**9)] == [16, 2048, 32768, 131072, 131072]


def test_heavy_tails_use_a_grid_on_the_bits_of_numbers() -> None:
    """A linear grid would put most values into one cell."""
    heavy = np.sort(np.random.default_rng(1).lognormal(0, 3, 50_000))
    grid = Grid.over(heavy, 4096)
    assert np.diff(grid.before).max() < 200
    assert type(grid.map) is not type(Grid.over(np.log(heavy), 4096).map)


def test_a_current_sample_is_read_without_a_copy() -> None:
    """Single-precision numbers and integers are not copied either."""
    for dtype in (np.float64, np.float32, np.int64, np.int8):
        column = np.arange(100).astype(dtype)
        rows = Reference.prepare(column).rows(read(column), "raw")
        assert np.shares_memory(rows.given, column)


@pytest.mark.parametrize("statistic", sorted(NUMERIC))
@pytest.mark.parametrize("preparation", ["raw", "differenced"])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int8, np.uint8])
def test_statistics_do_not_depend_on_the_number_type(statistic: str, preparation: str, dtype: type) -> None:
    """Statistics use double precision, so differences of unsigned bytes can be negative."""
    rng = np.random.default_rng(11)
    current: NDArray[Any] = rng.integers(0, 100, 4000).astype(dtype)
    reference: NDArray[Any] = rng.integers(0, 100, 5000).astype(dtype)
    found = [
        float(NUMERIC[statistic](Reference.prepare(reference).rows(read(each), preparation))[0])
        for each in (current, current.astype(np.float64))
    ]
    assert found[0] == found[1]


def test_a_reference_with_a_grid_can_be_pickled() -> None:
    """The copy gives the same distances with both kinds of grid."""
    rng = np.random.default_rng(5)
    for reference in (rng.normal(size=4000), rng.lognormal(0, 3, 4000)):
        prepared, current = Reference.prepare(reference), read(rng.permutation(reference)[:3500] * 1.1)
        expected = [float(NUMERIC[name](prepared.rows(current, "raw"))[0]) for name in ("ks", "wasserstein")]
        again = pickle.loads(pickle.dumps(prepared))  # noqa: S301 -- our own
        found = [float(NUMERIC[name](again.rows(current, "raw"))[0]) for name in ("ks", "wasserstein")]
        assert expected == found
