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
from poet_runtime.drift.statistics.novelty import Neighborhood, describe
from poet_runtime.drift.statistics.p_values import kolmogorov, kuiper_tail, limit_of_anderson_darling

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
    assert {"scale_shift", "mean_absolute_difference", "novelty"} == {
        name for name, each in found.items() if np.isnan(each)
    }


def test_the_kolmogorov_distribution_equals_scipys() -> None:
    """It agrees on both sides of the point where the other series is used."""
    for x in np.concatenate((np.linspace(0.0, 3.0, 3001), np.linspace(3.0, 12.0, 100))):
        assert special.kolmogorov(x) == pytest.approx(kolmogorov(float(x)), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("seed", range(30))
def test_kuipers_statistic_follows_its_definition(seed: int) -> None:
    """It is the sum of the largest distances of the distribution functions in both directions."""
    current, reference = samples(seed)
    at = np.concatenate((current, reference))
    apart = [float((current <= x).mean() - (reference <= x).mean()) for x in at]
    expected = max(*apart, 0.0) - min(*apart, 0.0)
    assert value("kuiper", current, reference) == pytest.approx(expected, abs=TOLERANCE)


def test_the_tails_of_kuiper_and_anderson_darling_are_the_published_ones() -> None:
    """Stephens 1970 and 1974 list these critical values."""
    for x, tail in ((1.620, 0.10), (1.747, 0.05), (1.862, 0.025), (2.001, 0.01)):
        assert kuiper_tail(x) == pytest.approx(tail, rel=0.01)
    for z, tail in ((1.933, 0.10), (2.492, 0.05), (3.078, 0.025), (3.878, 0.01)):
        assert 1.0 - limit_of_anderson_darling(z) == pytest.approx(tail, rel=0.01)


DRAWS = 400
UNCHANGED: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "two values": lambda rng, n: (rng.random(n) < 0.3).astype(float),
    "counts": lambda rng, n: rng.poisson(3.0, n).astype(float),
    "rare events": lambda rng, n: np.where(rng.random(n) < 0.01, 100.0, 5.0),
    "heavy tails": lambda rng, n: rng.standard_t(2, n),
}


@pytest.mark.parametrize("kind", UNCHANGED)
@pytest.mark.parametrize("name", ["anderson_darling", "kuiper", "outlier_share"])
def test_false_alarms_stay_near_the_level(name: str, kind: str) -> None:
    """At p < 0.05 at most 5 % of unchanged samples alert, up to four standard deviations of their number."""
    alarms = 0
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        reference, current = UNCHANGED[kind](rng, 300), UNCHANGED[kind](rng, 80)
        alarms += p_of(name, current, reference) < 0.05
    assert alarms <= 0.05 * DRAWS + 4 * np.sqrt(0.05 * 0.95 * DRAWS)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("kuiper", lambda rng: rng.normal(0.0, 2.0, 100)),
        ("anderson_darling", lambda rng: rng.normal(0.8, 1.0, 100)),
        ("outlier_share", lambda rng: rng.normal(size=100) + 20.0 * (np.arange(100) < 8)),
    ],
)
def test_a_change_is_detected(name: str, changed: Callable[[np.random.Generator], Floats]) -> None:
    """Each statistic detects the change that it is for."""
    rng = np.random.default_rng(0)
    assert p_of(name, changed(rng), rng.normal(size=1000)) < 0.01


def test_outliers_are_judged_by_a_hypergeometric_tail() -> None:
    """The probability is that of as many of all outliers in the current sample by chance."""
    reference = np.concatenate((np.linspace(-1.0, 1.0, 200), [50.0]))
    current = np.concatenate((np.linspace(-1.0, 1.0, 47), [40.0, -40.0, 60.0]))
    expected = stats.hypergeom.sf(2, 251, 4, 50)
    assert value("outlier_share", current, reference) == pytest.approx(3 / 50 - 1 / 201, rel=1e-12)
    assert p_of("outlier_share", current, reference) == pytest.approx(expected, rel=1e-12)


def walk(n: int, seed: int) -> Floats:
    """Return an autocorrelated series without a trend."""
    steps = np.random.default_rng(seed).normal(size=n)
    values = np.empty(n)
    values[0] = steps[0]
    for place in range(1, n):
        values[place] = 0.9 * values[place - 1] + steps[place]
    return values


def test_novelty_is_the_mean_distance_to_the_three_nearest_windows() -> None:
    """The fast computation agrees with one window after the other, also for those of the reference."""
    reference, current, length = walk(600, 0), walk(40, 1), 40
    near = Neighborhood.of(Baseline(reference), length)
    center, spread = np.median(reference), np.subtract(*np.quantile(reference, [0.9, 0.1]))
    starts = range(0, 561, 10)
    own = np.vstack([describe((reference[None, at : at + length] - center) / spread) for at in starts])
    middle = np.median(own, axis=0)
    scale = np.subtract(*np.quantile(own, [0.9, 0.1], axis=0)) + 1e-3
    own = np.clip((own - middle) / scale, -5.0, 5.0)
    given = (describe((current[None] - center) / spread)[0] - middle) / scale
    expected = np.sort(np.abs(own - given).max(axis=1))[:3].mean()
    assert near.novelty(current, length) == pytest.approx(expected, rel=TOLERANCE)
    usual = []
    for place, at in enumerate(starts):
        others = [np.abs(own[k] - own[place]).max() for k, b in enumerate(starts) if abs(b - at) >= length]
        usual.append(np.sort(others)[:3].mean())
    assert near.usual == pytest.approx(np.array(usual), rel=TOLERANCE)


@pytest.mark.parametrize(
    "change",
    [lambda x: x + 6.0, lambda x: 4.0 * x, lambda x: np.full_like(x, x.mean()), lambda x: np.sort(x) * 2.0],
)
def test_a_changed_window_is_novel(change: Callable[[Floats], Floats]) -> None:
    """A shift, a larger spread, a constant and a ramp are farther away than the reference's own windows."""
    near = Neighborhood.of(Baseline(walk(2000, 0)), 50)
    limit = 1.5 * float(np.quantile(near.usual, 0.9))
    assert near.novelty(change(walk(50, 3)), 50) > limit


def test_more_of_the_same_is_rarely_novel() -> None:
    """At 1.42 times the usual distance about one unchanged window in twenty alerts."""
    alarms = 0
    for seed in range(100):
        series = walk(2050, seed)
        near = Neighborhood.of(Baseline(series[:2000]), 50)
        alarms += near.novelty(series[2000:], 50) > 1.42 * (float(np.quantile(near.usual, 0.9)) + 0.05)
    assert alarms <= 15
