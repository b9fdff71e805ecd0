"""A reference is prepared once: season, preparations, its own windows, extremes."""

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
    """Give independent normal values."""
    return np.random.default_rng(seed).normal(size=n)


def walk(n: int, seed: int) -> Floats:
    """Give a random walk: it wanders, without a season."""
    return np.cumsum(noise(n, seed))


def quarter_hours(days: float) -> Floats:
    """Give times every fifteen minutes, from some Thursday on."""
    return 1.7e9 + 900.0 * np.arange(int(days * 96), dtype=np.float64)


def daily(times: Floats, *, noise_sd: float = 0.3, seed: int = 0) -> Floats:
    """Give a daily wave with noise."""
    return np.sin(times / DAY * 2 * np.pi) + noise_sd * noise(len(times), seed)


def prepared(reference: Reference, preparation: str) -> Floats:
    """Give the reference's values after a preparation."""
    return reference.baseline(preparation).values


# The season


def test_a_daily_season_is_found_from_times_alone() -> None:
    """Its strength is the share of variance that the wave has."""
    times = quarter_hours(14)
    season = find_season(daily(times), times, None)
    assert season is not None
    assert season.period == DAY
    assert season.strength == pytest.approx(0.5 / 0.59, abs=0.03)


def test_a_weekly_season_is_told_from_a_daily_one() -> None:
    """Weekdays that differ make the week the stronger period."""
    times = quarter_hours(35)
    season = find_season(daily(times) * (1 + (times // DAY % 7 < 2)), times, None)
    assert season is not None
    assert season.period == 7 * DAY


def test_a_season_without_a_calendar_is_found_by_autocorrelation() -> None:
    """A wave every 37 steps of a minute."""
    times = 60.0 * np.arange(2000, dtype=np.float64)
    season = find_season(np.sin(np.arange(2000) * 2 * np.pi / 37) + 0.2 * noise(2000), times, None)
    assert season is not None
    assert season.period == pytest.approx(37 * 60, rel=0.03)


@pytest.mark.parametrize("seed", range(20))
def test_noise_and_random_walks_have_no_season(seed: int) -> None:
    """Not even when somebody names a period: chance alone explains nothing in the other cycles."""
    times = quarter_hours(10)
    for values in (noise(960, seed), walk(960, seed)):
        assert find_season(values, times, None) is None
    assert find_season(noise(960, seed), times, DAY) is None


def test_a_season_needs_two_cycles() -> None:
    """One cycle cannot be told from a trend."""
    times = quarter_hours(1.4)
    assert find_season(daily(times), times, DAY) is None


def test_phases_have_at_most_96_bins_and_no_more_than_points() -> None:
    """Twelve months a year are twelve bins; a minute's series has a bin every quarter of an hour."""
    months = DAY * 30.4375 * np.arange(60, dtype=np.float64)
    assert len(Season.fit(noise(60), months, 365.25 * DAY).means) == 12
    minutes = 60.0 * np.arange(4000, dtype=np.float64)
    assert len(Season.fit(noise(4000), minutes, DAY).means) == 96


def test_the_season_is_taken_out_of_both_samples() -> None:
    """What is left is the noise, of the reference and of a later current sample at other phases."""
    times = quarter_hours(28)
    reference = Reference.prepare(daily(times), times=times, period=DAY)
    later = quarter_hours(1)[:30] + 40 * DAY
    rows = reference.rows(read(daily(later, seed=1), times=later), "deseasonalized")
    assert prepared(reference, "deseasonalized").std() == pytest.approx(0.3, rel=0.05)
    assert rows.sd[0] == pytest.approx(0.3, rel=0.3)


# Preparations


def test_phase_matching_keeps_the_phases_of_the_current_sample() -> None:
    """A morning is compared with mornings."""
    times = quarter_hours(14)
    reference = Reference.prepare(daily(times, noise_sd=0.05), times=times, period=DAY)
    first = times[:8] + 14 * DAY
    rows = reference.rows(read(daily(first), times=first), "phase_matched")
    assert rows.baseline.n == 14 * 8


def test_a_trend_goes_on() -> None:
    """The line of the reference is taken out where the current sample is, not where it was."""
    times = np.arange(300) * 60.0
    reference = Reference.prepare(0.5 * times + noise(300), times=times)
    later = times[:100] + 300 * 60.0
    rows = reference.rows(read(0.5 * later + noise(100, 1), times=later), "detrended")
    assert float(NUMERIC["mean_shift"](rows)[0]) < 0.5


def test_differences_are_steps_from_row_to_row() -> None:
    """One fewer than values."""
    reference = Reference.prepare([1.0, 4.0, 2.0])
    assert prepared(reference, "differenced").tolist() == [3.0, -2.0]


@pytest.mark.parametrize("preparation", ["deseasonalized", "detrended", "phase_matched"])
def test_without_times_there_is_nothing_to_remove_from_either(preparation: str) -> None:
    """A current sample without times meets the raw reference, though that one has a season and a trend."""
    times = quarter_hours(14)
    values = daily(times) + times / DAY
    rows = Reference.prepare(values, times=times).rows(read([1.0, 2.0]), preparation)
    assert rows.baseline.mean == pytest.approx(values.mean())
    assert rows.sorted.tolist() == [[1.0, 2.0]]


# Its own windows


@pytest.mark.parametrize("statistic", sorted(NUMERIC))
@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_the_null_is_that_of_each_window_as_a_current_sample(statistic: str, preparation: str) -> None:
    """Window by window, as a caller could do it."""
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


def test_windows_are_evenly_spaced_and_at_most_a_hundred() -> None:
    """From the first row to the last; long ones overlap by at most 15/16 of their length."""
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
def test_windows_are_at_least_three_and_at_most_a_third_long(length: int, n: int, expected: int) -> None:
    """Similar lengths share their windows."""
    assert window_length(length, n) == expected


def test_a_reference_of_two_values_has_no_windows() -> None:
    """NaN, for the caller to say that nothing is calibrated."""
    assert np.isnan(Reference.prepare([1.0, 2.0]).null("wasserstein", "raw", 5)).all()


def test_windows_that_are_all_alike_differ_by_a_thousandth() -> None:
    """A rounding is no news to a reference that repeats itself exactly."""
    null = Reference.prepare(np.tile([0.0, 1.0], 300)).null("mean_shift", "raw", 20)
    assert (null.q90, null.max, null.sd) == (NOTHING, NOTHING, NOTHING)


def test_long_windows_are_computed_in_blocks() -> None:
    """The blocks make no difference."""
    values = noise(40_000)
    reference = Reference.prepare(values)
    length = window_length(13_000, 40_000)
    each = [
        float(NUMERIC["ks"](reference.rows(read(values[start : start + length]), "raw"))[0])
        for start in starts_of_windows(40_000, length)
    ]
    assert reference.null("ks", "raw", 13_000).max == pytest.approx(max(each))


def test_categories_have_windows_too() -> None:
    """A stretch of one category in a mixed reference is its largest distance."""
    null = Reference.prepare(["a", "b"] * 50 + ["a"] * 50).null("total_variation", "raw", 20)
    assert null.max == pytest.approx(1 / 3)


def test_similar_lengths_share_one_null() -> None:
    """Nothing is computed twice."""
    reference = Reference.prepare(noise(3000))
    assert reference.null("ks", "raw", 250) is reference.null("ks", "raw", 255)


# The object


def test_the_caller_may_fill_the_buffer_again() -> None:
    """A reference keeps a copy."""
    values = noise(100)
    reference = Reference.prepare(values)
    expected = reference.null("mean_shift", "raw", 10)
    other = Reference.prepare(values)
    values[:] = 0.0
    assert other.null("mean_shift", "raw", 10) == expected


def test_threads_may_share_a_reference() -> None:
    """Whoever asks first, all get the same."""
    reference = Reference.prepare(noise(2000))
    with ThreadPoolExecutor(8) as pool:
        nulls = list(pool.map(lambda i: reference.null("wasserstein", "raw", 50 + i % 2), range(64)))
    assert set(nulls) == {Reference.prepare(noise(2000)).null("wasserstein", "raw", 50)}


def test_a_reference_survives_pickling() -> None:
    """With what it has computed."""
    reference = Reference.prepare(noise(200))
    expected = reference.null("ks", "raw", 20)
    assert pickle.loads(pickle.dumps(reference)).null("ks", "raw", 20) == expected  # noqa: S301 -- our own


@pytest.mark.parametrize("period", [0.0, -1.0, float("nan"), float("inf")])
def test_a_period_is_a_positive_number_of_seconds(period: float) -> None:
    """Anything else is a programming error."""
    with pytest.raises(SampleError, match="positive number of seconds"):
        Reference.prepare([1.0], period=period)


def test_infinities_lie_one_range_beyond_the_finite_values() -> None:
    """Present, extreme, and the same in both samples."""
    reference = Reference.prepare([-np.inf, 0.0, 2.0, np.inf])
    assert prepared(reference, "raw").tolist() == [-2.0, 0.0, 2.0, 4.0]
    assert reference.rows(read([np.inf, 10.0]), "raw").sorted.tolist() == [[10.0, 10.0]]


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200, 1e307])
@pytest.mark.parametrize("statistic", sorted(NUMERIC))
def test_extreme_magnitudes_are_ordinary_ones_scaled(statistic: str, scale: float) -> None:
    """Neither overflow nor underflow; a denormal's few digits are respected."""
    values = np.random.default_rng(5).integers(-9, 9, (2, 60)).astype(np.float64)
    ordinary, extreme = (
        float(NUMERIC[statistic](Reference.prepare(x).rows(read(y), "raw"))[0])
        for x, y in (values, values * scale)
    )
    assert ordinary == pytest.approx(extreme, rel=1e-2 if scale == 1e-320 else 1e-9)


def test_a_current_sample_far_outside_any_range_stays_finite() -> None:
    """Every statistic is a number."""
    reference = Reference.prepare(noise(50))
    current: Sample = read([1e308, -1e308, np.inf, 5e-324])
    found = [float(NUMERIC[name](reference.rows(current, "raw"))[0]) for name in sorted(NUMERIC)]
    assert np.isfinite(found).all()


def test_ten_thousand_points_are_prepared_in_50_milliseconds() -> None:
    """With the windows of the default statistic, the best of five, on a slow machine with others on it."""
    values = noise(10_000)

    def seconds() -> float:
        start = time.perf_counter()
        Reference.prepare(values, times=np.arange(10_000) * 60.0).null("wasserstein", "deseasonalized", 1000)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.05
