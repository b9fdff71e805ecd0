"""Tests of a prepared reference: season, preparations, null windows and extreme values."""

import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from poet_runtime.drift.columns import Sample, read
from poet_runtime.drift.reference import NOTHING, PREPARATIONS, Reference, starts_of_windows, window_length
from poet_runtime.drift.season import Season, find_season
from poet_runtime.drift.statistics import NUMERIC
from poet_runtime.errors import SampleError

Floats = NDArray[np.float64]
DAY = 86_400.0


def noise(n: int, seed: int = 0) -> Floats:
    """Return independent standard normal values."""
    return np.random.default_rng(seed).normal(size=n)


def walk(n: int, seed: int) -> Floats:
    """Return a random walk, which has trends but no season."""
    return np.cumsum(noise(n, seed))


def quarter_hours(days: float) -> Floats:
    """Return times every fifteen minutes, starting on a Thursday."""
    return 1.7e9 + 900.0 * np.arange(int(days * 96), dtype=np.float64)


def daily(times: Floats, *, noise_sd: float = 0.3, seed: int = 0) -> Floats:
    """Return a daily sine wave with noise."""
    return np.sin(times / DAY * 2 * np.pi) + noise_sd * noise(len(times), seed)


def prepared(reference: Reference, preparation: str) -> Floats:
    """Return the reference's values after a preparation."""
    return reference.baseline(preparation).values


# The season


def test_a_daily_season_is_found_from_the_times() -> None:
    """Its strength is the share of the variance that the wave explains."""
    times = quarter_hours(14)
    season = find_season(daily(times), times, None)
    assert season is not None
    assert season.period == DAY
    assert season.strength == pytest.approx(0.5 / 0.59, abs=0.03)


def test_a_weekly_season_is_distinguished_from_a_daily_one() -> None:
    """If weekdays differ, the week is the stronger period."""
    times = quarter_hours(35)
    season = find_season(daily(times) * (1 + (times // DAY % 7 < 2)), times, None)
    assert season is not None
    assert season.period == 7 * DAY


def test_a_non_calendar_season_is_found_by_autocorrelation() -> None:
    """The wave repeats every 37 minutes."""
    times = 60.0 * np.arange(2000, dtype=np.float64)
    season = find_season(np.sin(np.arange(2000) * 2 * np.pi / 37) + 0.2 * noise(2000), times, None)
    assert season is not None
    assert season.period == pytest.approx(37 * 60, rel=0.03)


@pytest.mark.parametrize("seed", range(20))
def test_noise_and_random_walks_have_no_season(seed: int) -> None:
    """Even a period that the caller gives explains no variance in the held-out cycles of noise."""
    times = quarter_hours(10)
    for values in (noise(960, seed), walk(960, seed)):
        assert find_season(values, times, None) is None
    assert find_season(noise(960, seed), times, DAY) is None


def test_a_season_needs_two_cycles() -> None:
    """One cycle cannot be distinguished from a trend."""
    times = quarter_hours(1.4)
    assert find_season(daily(times), times, DAY) is None


def test_a_season_has_at_most_96_bins() -> None:
    """A year of monthly values has twelve bins, and a day of minutes has one per quarter of an hour."""
    months = DAY * 30.4375 * np.arange(60, dtype=np.float64)
    assert len(Season.fit(noise(60), months, 365.25 * DAY).means) == 12
    minutes = 60.0 * np.arange(4000, dtype=np.float64)
    assert len(Season.fit(noise(4000), minutes, DAY).means) == 96


def test_the_season_is_removed_from_both_samples() -> None:
    """The noise remains, even if the current sample covers other phases."""
    times = quarter_hours(28)
    reference = Reference.prepare(daily(times), times=times, period=DAY)
    later = quarter_hours(1)[:30] + 40 * DAY
    rows = reference.rows(read(daily(later, seed=1), times=later), "deseasonalized")
    assert prepared(reference, "deseasonalized").std() == pytest.approx(0.3, rel=0.05)
    assert rows.sd[0] == pytest.approx(0.3, rel=0.3)


# Preparations


def test_phase_matching_keeps_the_phases_of_the_current_sample() -> None:
    """Values of a morning are compared with values of mornings."""
    times = quarter_hours(14)
    reference = Reference.prepare(daily(times, noise_sd=0.05), times=times, period=DAY)
    first = times[:8] + 14 * DAY
    rows = reference.rows(read(daily(first), times=first), "phase_matched")
    assert rows.baseline.n == 14 * 8


def test_a_trend_is_extrapolated() -> None:
    """The reference's line is subtracted at the times of the current sample."""
    times = np.arange(300) * 60.0
    reference = Reference.prepare(0.5 * times + noise(300), times=times)
    later = times[:100] + 300 * 60.0
    rows = reference.rows(read(0.5 * later + noise(100, 1), times=later), "detrended")
    assert float(NUMERIC["mean_shift"](rows)[0]) < 0.5


def test_differences_are_steps_from_row_to_row() -> None:
    """There is one difference fewer than values."""
    reference = Reference.prepare([1.0, 4.0, 2.0])
    assert prepared(reference, "differenced").tolist() == [3.0, -2.0]


@pytest.mark.parametrize("preparation", ["deseasonalized", "detrended", "phase_matched"])
def test_without_current_times_nothing_is_removed(preparation: str) -> None:
    """Both samples stay raw although the reference has a season and a trend."""
    times = quarter_hours(14)
    values = daily(times) + times / DAY
    rows = Reference.prepare(values, times=times).rows(read([1.0, 2.0]), preparation)
    assert rows.baseline.mean == pytest.approx(values.mean())
    assert rows.sorted.tolist() == [[1.0, 2.0]]


# Its own windows


@pytest.mark.parametrize("statistic", sorted(NUMERIC))
@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_the_null_treats_each_window_as_a_current_sample(statistic: str, preparation: str) -> None:
    """The summary equals one that is computed window by window through the public functions."""
    times = quarter_hours(4)
    values = daily(times).round(2)
    reference = Reference.prepare(values, times=times, period=DAY)
    extra = preparation == "differenced"  # a window of steps needs one more value
    starts = starts_of_windows(len(values) - extra, 24)
    own = []
    for start in starts:
        window = slice(start, start + 24 + extra)
        rows = reference.rows(read(values[window], times=times[window]), preparation)
        own.append(float(NUMERIC[statistic](rows)[0]))
    null = reference.null(statistic, preparation, 24)
    expected = (max(np.quantile(own, 0.9), NOTHING), max(own), np.mean(own), np.std(own))
    assert tuple(null) == pytest.approx(expected, rel=1e-9)


def test_at_most_a_hundred_windows_are_evenly_spaced() -> None:
    """They span the first to the last row, and long ones overlap by at most 15/16 of their length."""
    starts = starts_of_windows(10_000, 50)
    assert (len(starts), starts[0], starts[-1]) == (100, 0, 9_950)
    assert len(starts_of_windows(10_000, 3328)) == 33


@pytest.mark.parametrize(
    ("length", "n", "expected"),
    [
        (1, 100, 3),
        (20, 100, 20),
        (50, 100, 32),
        (31, 1000, 31),
        (1000, 10_000, 992),
        (1000, 300, 100),
        (5, 2, 3),
    ],
)
def test_a_window_is_between_three_rows_and_a_third_of_them(length: int, n: int, expected: int) -> None:
    """Lengths are rounded so that similar ones share their windows."""
    assert window_length(length, n) == expected


def test_a_reference_of_two_values_has_no_windows() -> None:
    """The null is NaN, so callers report that nothing is calibrated."""
    assert np.isnan(Reference.prepare([1.0, 2.0]).null("wasserstein", "raw", 5)).all()


def test_the_null_of_a_repeating_reference_has_a_lower_bound() -> None:
    """Otherwise rounding errors would look like drift."""
    null = Reference.prepare(np.tile([0.0, 1.0], 300)).null("mean_shift", "raw", 20)
    assert (null.q90, null.max, null.sd) == (NOTHING, NOTHING, NOTHING)


def test_long_windows_are_computed_in_blocks() -> None:
    """The blocks do not change the result."""
    values = noise(40_000)
    reference = Reference.prepare(values)
    length = window_length(13_000, 40_000)
    each = [
        float(NUMERIC["ks"](reference.rows(read(values[start : start + length]), "raw"))[0])
        for start in starts_of_windows(40_000, length)
    ]
    assert reference.null("ks", "raw", 13_000).max == pytest.approx(max(each))


def test_categorical_references_have_windows() -> None:
    """The largest self-distance is that of a window with only one of two categories."""
    null = Reference.prepare(["a", "b"] * 50 + ["a"] * 50).null("total_variation", "raw", 20)
    assert null.max == pytest.approx(1 / 3)


def test_similar_lengths_share_one_null() -> None:
    """It is computed once and reused."""
    reference = Reference.prepare(noise(3000))
    assert reference.null("ks", "raw", 250) is reference.null("ks", "raw", 255)


# The object


def test_the_caller_may_overwrite_the_array() -> None:
    """A reference keeps a copy."""
    values = noise(100)
    reference = Reference.prepare(values)
    expected = reference.null("mean_shift", "raw", 10)
    other = Reference.prepare(values)
    values[:] = 0.0
    assert other.null("mean_shift", "raw", 10) == expected


def test_threads_may_share_a_reference() -> None:
    """All threads get the same null, whichever computes it first."""
    reference = Reference.prepare(noise(2000))
    with ThreadPoolExecutor(8) as pool:
        nulls = list(pool.map(lambda i: reference.null("wasserstein", "raw", 50 + i % 2), range(64)))
    assert set(nulls) == {Reference.prepare(noise(2000)).null("wasserstein", "raw", 50)}


def test_a_reference_can_be_pickled() -> None:
    """The copy has the computed nulls."""
    reference = Reference.prepare(noise(200))
    expected = reference.null("ks", "raw", 20)
    assert pickle.loads(pickle.dumps(reference)).null("ks", "raw", 20) == expected  # noqa: S301 -- our own


@pytest.mark.parametrize("period", [0.0, -1.0, float("nan"), float("inf")])
def test_a_period_is_a_positive_number_of_seconds(period: float) -> None:
    """Any other value is a programming error."""
    with pytest.raises(SampleError, match="positive number of seconds"):
        Reference.prepare([1.0], period=period)


def test_infinities_lie_one_range_beyond_the_finite_values() -> None:
    """The replacement is the same in both samples."""
    reference = Reference.prepare([-np.inf, 0.0, 2.0, np.inf])
    assert prepared(reference, "raw").tolist() == [-2.0, 0.0, 2.0, 4.0]
    assert reference.rows(read([np.inf, 10.0]), "raw").sorted.tolist() == [[10.0, 10.0]]


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200, 1e307])
@pytest.mark.parametrize("statistic", sorted(NUMERIC))
def test_statistics_are_invariant_to_extreme_scales(statistic: str, scale: float) -> None:
    """Nothing overflows or underflows. The tolerance allows for the few digits of denormal numbers."""
    values = np.random.default_rng(5).integers(-9, 9, (2, 60)).astype(np.float64)
    ordinary, extreme = (
        float(NUMERIC[statistic](Reference.prepare(x).rows(read(y), "raw"))[0])
        for x, y in (values, values * scale)
    )
    assert ordinary == pytest.approx(extreme, rel=1e-2 if scale == 1e-320 else 1e-9)


def test_statistics_of_extreme_current_values_are_finite() -> None:
    """The values include both ends of the double range, infinity and a denormal."""
    reference = Reference.prepare(noise(50))
    current: Sample = read([1e308, -1e308, np.inf, 5e-324])
    found = [float(NUMERIC[name](reference.rows(current, "raw"))[0]) for name in sorted(NUMERIC)]
    assert np.isfinite(found).all()


def test_ten_thousand_points_are_prepared_in_50_milliseconds() -> None:
    """The time includes the default statistic's null; the best of five runs tolerates other load."""
    values = noise(10_000)

    def seconds() -> float:
        start = time.perf_counter()
        Reference.prepare(values, times=np.arange(10_000) * 60.0).null("wasserstein", "deseasonalized", 1000)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.05
