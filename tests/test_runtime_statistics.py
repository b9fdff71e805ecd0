"""Tests of the statistics against scipy and against their definitions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats
from scipy.spatial import distance

from poet_runtime.drift.statistics import COUNTS, NUMERIC, p_value
from poet_runtime.drift.statistics.baseline import LONG, Baseline, Counts, Rows, Windows, counts_between
from poet_runtime.drift.statistics.grid import BLOCK
from poet_runtime.drift.statistics.p_values import kolmogorov

Floats = NDArray[np.float64]
TOLERANCE = 1e-9


def samples(seed: int) -> tuple[Floats, Floats]:
    """Return a current and a reference sample of random size, scale and location, some with many ties."""
    rng = np.random.default_rng(seed)
    m, n = rng.integers(2, 300, 2)
    reference = rng.normal(rng.choice([0.0, 50.0]), 1.0, n)
    current = rng.choice(reference, m) * 1.1 + rng.normal(0.0, 0.1)
    if seed % 3 == 0:
        reference, current = reference.round(1), current.round(1)
    scale = rng.choice([1.0, 1e-5, 1e6])
    return current * scale, reference * scale


def untied(values: Floats) -> Floats:
    """Break ties by less than the distance to the next value."""
    moves = np.random.default_rng(len(values)).uniform(0.0, 1e-9 * float(values.std()), len(values))
    return values + moves


def rows(current: Floats, reference: Floats) -> Rows:
    """Return the rows that compare one sample with another."""
    return Rows(np.asarray(current, np.float64)[None], Baseline(np.asarray(reference, np.float64)))


def value(name: str, current: Floats, reference: Floats) -> float:
    """Return a statistic of two samples."""
    return float(NUMERIC[name](rows(current, reference))[0])


def p_of(name: str, current: Floats, reference: Floats) -> float:
    """Return the p-value of a statistic of two samples."""
    compared = rows(current, reference)
    p = p_value(name, float(NUMERIC[name](compared)[0]), compared)
    assert p is not None
    return p


def _mann_whitney(current: Floats, reference: Floats) -> float:
    u = stats.mannwhitneyu(current, reference, method="asymptotic").statistic
    return abs(float(2 * u / (len(current) * len(reference)) - 1))


SCIPY_STATISTICS: dict[str, Callable[[Floats, Floats], float]] = {
    "ks": lambda x, y: stats.ks_2samp(x, y, method="asymp").statistic,
    "wasserstein": lambda x, y: stats.wasserstein_distance(x, y) / y.std(),
    "cramer_von_mises": lambda x, y: stats.cramervonmises_2samp(x, y, method="asymptotic").statistic,
    "mann_whitney": _mann_whitney,
    "levene": lambda x, y: float(stats.levene(x, y, center="median").statistic),
    "mean_shift": lambda x, y: abs(x.mean() - y.mean()) / y.std(),
    "median_shift": lambda x, y: abs(np.median(x) - np.median(y)) / y.std(),
    "scale_shift": lambda x, y: abs(np.log(x.std() / y.std())),
}


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("name", SCIPY_STATISTICS)
def test_a_statistic_equals_scipys(name: str, seed: int) -> None:
    """Numeric statistics that scipy or numpy has agree within 1e-9."""
    current, reference = samples(seed)
    if name == "cramer_von_mises":  # scipy ranks equal values one after the other
        current, reference = untied(current), untied(reference)
    assert SCIPY_STATISTICS[name](current, reference) == pytest.approx(
        value(name, current, reference), rel=TOLERANCE, abs=TOLERANCE
    )


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.filterwarnings("ignore:p-value")
@pytest.mark.filterwarnings("ignore:Parameter `variant`")
def test_anderson_darling_equals_scipys(seed: int) -> None:
    """The standardized midrank statistic agrees with and without ties."""
    current, reference = samples(seed)
    expected = stats.anderson_ksamp([current, reference]).statistic
    assert expected == pytest.approx(value("anderson_darling", current, reference), rel=TOLERANCE)


@pytest.mark.parametrize("seed", range(30))
def test_p_values_equal_scipys(seed: int) -> None:
    """Asymptotic p-values agree; scipy stops its Cramér-von Mises series at terms of 1e-7."""
    current, reference = samples(seed)
    m, n = len(current), len(reference)
    ks = stats.kstwobign.sf(np.sqrt(m * n / (m + n)) * value("ks", current, reference))
    assert ks == pytest.approx(p_of("ks", current, reference), abs=TOLERANCE)
    mann_whitney = stats.mannwhitneyu(current, reference, method="asymptotic").pvalue
    assert mann_whitney == pytest.approx(p_of("mann_whitney", current, reference), abs=TOLERANCE)
    levene = stats.levene(current, reference, center="median").pvalue
    assert levene == pytest.approx(p_of("levene", current, reference), abs=TOLERANCE)
    current, reference = untied(current), untied(reference)
    cramer = stats.cramervonmises_2samp(current, reference, method="asymptotic").pvalue
    assert cramer == pytest.approx(p_of("cramer_von_mises", current, reference), abs=2e-5)


def tables(seed: int) -> tuple[Counts, NDArray[np.int64]]:
    """Return the category counts of two samples, some of which are zero."""
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 40, (2, rng.integers(2, 9)))
    table[:, 0] += 1
    table = table[:, table.sum(axis=0) > 0]
    counts = Counts(table[:1].astype(np.float64), table[1].astype(np.float64))
    return counts, table


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("name", "power"), [("chi_square", 1.0), ("g_test", 0.0)])
def test_homogeneity_tests_equal_scipys(name: str, power: float, seed: int) -> None:
    """Pearson's and the likelihood-ratio test of a contingency table agree, with their p-values."""
    counts, table = tables(seed)
    expected = stats.chi2_contingency(table, correction=False, lambda_=power)
    statistic = float(COUNTS[name](counts)[0])
    assert expected.statistic == pytest.approx(statistic, rel=TOLERANCE, abs=TOLERANCE)
    assert expected.pvalue == pytest.approx(p_value(name, statistic, counts), abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(20))
def test_distances_of_shares_match_their_definitions(seed: int) -> None:
    """Jensen-Shannon equals scipy's with base 2, and the others equal their formulas."""
    counts, table = tables(seed)
    current, reference = (row / row.sum() for row in table)
    expected = {
        "jensen_shannon": distance.jensenshannon(current, reference, base=2),
        "hellinger": np.linalg.norm(np.sqrt(current) - np.sqrt(reference)) / np.sqrt(2),
        "total_variation": distance.cityblock(current, reference) / 2,
    }
    found = {name: float(COUNTS[name](counts)[0]) for name in expected}
    assert {name: pytest.approx(each, abs=TOLERANCE) for name, each in expected.items()} == found


def test_psi_counts_an_empty_bin_as_a_ten_thousandth() -> None:
    """The population stability index equals a calculation by hand."""
    counts = Counts(np.array([[50.0, 50.0, 0.0]]), np.array([25.0, 50.0, 25.0]))
    expected = (0.5 - 0.25) * np.log(2) + (1e-4 - 0.25) * np.log(1e-4 / 0.25)
    assert expected == pytest.approx(float(COUNTS["psi"](counts)[0]))


def test_numeric_bins_are_deciles_of_the_reference() -> None:
    """The ten bins have equal shares and include their upper edge."""
    compared = rows(np.arange(1.0, 101.0), np.arange(1.0, 101.0))
    assert compared.counts.reference.tolist() == [10.0] * 10
    assert compared.counts.reference.tolist() == compared.counts.current[0].tolist()


@pytest.mark.parametrize("moved", [-1.0, 1.0])
def test_a_frequent_value_has_its_own_bin(moved: float) -> None:
    """A shift away from a constant is detected in both directions."""
    reference = np.full(50, 7.0)
    assert value("hellinger", reference + moved, reference) == 1.0
    assert value("hellinger", reference, reference) == 0.0


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("n", [LONG, 2 * BLOCK + 17])
def test_bins_and_median_of_long_samples_need_no_sort(n: int, kind: type) -> None:
    """Counts and median equal those of the sorted sample, with and without ties."""
    rng = np.random.default_rng(n)
    for scale in (1.0, 20.0):
        given: NDArray[Any] = (rng.normal(size=n) * scale).astype(kind)
        baseline = Baseline((rng.normal(size=5_000) * scale).astype(kind).astype(np.float64))
        unsorted, ordered = Rows(given[None], baseline), Rows(given[None], baseline)
        assert np.array_equal(unsorted.counts.current[0], counts_between(ordered.sorted[0], baseline.edges))
        assert unsorted.median[0] == ordered.median[0] == np.median(given.astype(np.float64))


def test_mean_absolute_difference_is_the_growth_of_the_mean_step() -> None:
    """It is in standard deviations of the reference, and zero for a smoother sample."""
    reference = np.array([0.0, 2.0, 2.0, 0.0, 0.0, 2.0])  # mean step 6/5, sd 1
    assert pytest.approx(4 - 1.2) == value("mean_absolute_difference", np.array([0.0, 4.0, 0.0]), reference)
    assert value("mean_absolute_difference", np.array([1.0, 1.0, 1.0]), reference) == 0.0


@pytest.mark.parametrize("name", sorted(NUMERIC))
def test_windows_of_the_reference_equal_separate_samples(name: str) -> None:
    """Known ranks give the same statistics as a search, even with ties."""
    values = np.random.default_rng(1).normal(size=200).round(1)
    baseline = Baseline(values)
    positions = np.array([0, 40, 111])[:, None] + np.arange(37)
    known = NUMERIC[name](Windows(values[positions], baseline, positions))
    searched = [value(name, values[each], values) for each in positions]
    assert searched == pytest.approx(known.tolist(), rel=1e-12)


@pytest.mark.parametrize("name", sorted(NUMERIC))
def test_another_constant_differs_from_a_constant_reference(name: str) -> None:
    """The same constant has distance zero despite the rounding of its mean."""
    reference = np.full(1000, 0.1)
    same, other = value(name, np.full(300, 0.1), reference), value(name, np.full(300, 0.2), reference)
    blind = {"scale_shift", "levene", "mean_absolute_difference"}  # two constants have one scale
    if name == "anderson_darling":
        assert np.isnan(same)
    else:
        assert same <= 1e-12
    assert (name in blind) == (other <= 1e-12)


def test_a_single_value_has_no_scale_and_no_differences() -> None:
    """Undefined statistics are NaN, so that callers can report them."""
    current, reference = np.array([1.0]), np.arange(10.0)
    found = {name: value(name, current, reference) for name in NUMERIC}
    assert {"scale_shift", "mean_absolute_difference"} == {
        name for name, each in found.items() if np.isnan(each)
    }


def test_the_kolmogorov_distribution_equals_scipys() -> None:
    """It agrees on both sides of the point where the other series is used."""
    for x in np.concatenate((np.linspace(0.0, 3.0, 3001), np.linspace(3.0, 12.0, 100))):
        assert special.kolmogorov(x) == pytest.approx(kolmogorov(float(x)), rel=1e-12, abs=1e-14)
