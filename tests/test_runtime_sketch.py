"""Tests that a sketch bounds distances, merges exactly and stays small."""

import itertools
import json

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from poet_runtime.drift.sketch import EDGES, Sketch, edges_of, merge
from poet_runtime.errors import SampleError

CHANCE = np.random.default_rng(0)
SAMPLES = {
    "normal": CHANCE.normal(size=20_000),
    "lognormal": CHANCE.lognormal(0.0, 3.0, 20_000),
    "rounded": CHANCE.normal(size=20_000).round(1),
    "heavy": CHANCE.standard_cauchy(20_000),
    "constant": np.full(20_000, 3.0),
    "few": np.array([1.0, 2.0]),
}
numbers = st.floats(-1e6, 1e6, allow_subnormal=False) | st.integers(-3, 3).map(float)
samples = st.lists(numbers, min_size=1, max_size=60)


def distance(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Return the Kolmogorov-Smirnov distance, by its definition."""
    x, y = np.sort(np.asarray(reference)), np.sort(np.asarray(current))
    at = np.union1d(x, y)
    differences = np.searchsorted(x, at, "right") / x.size - np.searchsorted(y, at, "right") / y.size
    return float(np.abs(differences).max())


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_bounds_are_valid_and_narrow(name: str, shift: float) -> None:
    """They contain the exact distances for heavy tails, ties and constants."""
    reference = SAMPLES[name]
    current = CHANCE.permutation(reference)[:5000] + shift * CHANCE.random(min(5000, reference.size))
    own = Sketch.of(reference)
    new = own.counted(current)
    exact = distance(reference, current)
    low, high = own.ks(new)
    assert low <= exact + 1e-12
    assert exact <= high + 1e-12
    assert high - low <= max(own.error, new.error) + 1e-12
    assert own.error <= 2.0 / EDGES
    earth, moved = stats.wasserstein_distance(reference, current), own.wasserstein(new)
    assert moved.low <= earth * (1 + 1e-9) + 1e-12
    assert moved.high >= earth * (1 - 1e-9) - 1e-12


@given(samples, samples, st.integers(2, 12))
def test_the_bounds_are_valid_for_any_numbers(
    reference: list[float], current: list[float], edges: int
) -> None:
    """The sketches have few edges, ties with edges and values beyond them."""
    own = Sketch.of(reference, edges=edges_of(reference, edges))
    low, high = own.ks(own.counted(current))
    exact = distance(reference, current)
    assert low - 1e-12 <= exact <= high + 1e-12


def test_the_p_value_is_within_its_bounds() -> None:
    """It uses the number of rows and not the number of edges."""
    reference, current = SAMPLES["normal"], SAMPLES["normal"][:3000] + 0.03
    own = Sketch.of(reference)
    low, high = own.ks_p_value(own.counted(current))
    exact = stats.ks_2samp(reference, current, method="asymp").pvalue
    assert low <= exact * 1.05
    assert high >= exact * 0.95


def test_psi_is_that_of_quantile_bins() -> None:
    """It is close to the value from ten quantile bins of all values."""
    reference, current = SAMPLES["normal"], CHANCE.normal(0.5, 1.0, 8000)
    own = Sketch.of(reference)
    bins = np.quantile(reference, np.arange(1, 10) / 10)
    p, q = (
        np.bincount(np.searchsorted(bins, each), minlength=10) / len(each) for each in (current, reference)
    )
    assert own.psi(own.counted(current)) == pytest.approx(((p - q) * np.log(p / q)).sum(), rel=0.05)
    assert own.psi(own) == 0.0
    assert 0.0 < own.jensen_shannon(own.counted(current)) < 1.0


def test_merged_parts_equal_the_whole_in_any_order() -> None:
    """Their bytes are equal."""
    values = SAMPLES["lognormal"]
    whole = Sketch.of(values)
    parts = [whole.counted(part) for part in np.array_split(values, 4)]
    for order in itertools.permutations(parts):
        assert merge(order).to_bytes() == whole.to_bytes()


def test_the_size_of_a_sketch_does_not_depend_on_the_rows() -> None:
    """A stored sketch is read back unchanged."""
    sketch = merge([Sketch.of(SAMPLES["normal"])] * 100)
    document = sketch.to_bytes()
    assert len(document) < 6500
    again = Sketch.from_bytes(document)
    assert again.to_bytes() == document
    assert again.n == sketch.n == 2_000_000


def test_missing_and_infinite_values_are_counted_separately() -> None:
    """Infinite values count as values beyond the edges."""
    sketch = Sketch.of([1.0, 2.0, float("nan"), float("inf"), 2.0])
    assert (sketch.n, sketch.missing) == (4, 1)
    assert sketch.at.tolist() == [1, 2]
    assert sketch.between.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "not a sketch"),
        (b"{}\n", "not a sketch"),
        (b"[1]\n", "not a sketch"),
        (json.dumps({"format": 1, "edges": 3, "missing": 0}).encode() + b"\nabc", "has 80 bytes"),
        (json.dumps({"format": 9, "edges": 1, "missing": 0}).encode() + b"\n" + bytes(32), "has 32 bytes"),
        (
            json.dumps({"format": 1, "edges": 2, "missing": 0}).encode() + b"\n" + bytes(56),
            "must be increasing",
        ),
        (
            json.dumps({"format": 1, "edges": 1, "missing": -1}).encode() + b"\n" + bytes(32),
            "negative counts",
        ),
    ],
)
def test_an_invalid_sketch_is_refused(document: bytes, message: str) -> None:
    """Reading checks the document completely."""
    with pytest.raises(SampleError, match=message):
        Sketch.from_bytes(document)


def test_misuse_raises_an_error() -> None:
    """Sketches need finite numbers, equal edges and at least one part to merge."""
    with pytest.raises(SampleError, match="needs numbers"):
        Sketch.of(["a", "b"])
    with pytest.raises(SampleError, match="no finite value"):
        Sketch.of([float("inf")])
    with pytest.raises(SampleError, match="different edges"):
        Sketch.of([1.0, 2.0]).ks(Sketch.of([1.0, 3.0]))
    with pytest.raises(SampleError, match="cannot be added"):
        merge([Sketch.of([1.0, 2.0]), Sketch.of([1.0, 3.0])])
    with pytest.raises(SampleError, match="no sketches"):
        merge([])
