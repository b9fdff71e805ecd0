"""Plots of `calculate_adaptive_window` for reports, in addition to the evidence of its rules."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from poet.policies.calculate_adaptive_window.learner.learn import cost_curves
from poet.review.plots import Plot, Series, curves
from poet.review.report import Past

if TYPE_CHECKING:
    from poet.summaries import Summaries


def plots(past: Past, summaries: "Summaries", _at: Sequence[int]) -> Iterator[Plot]:
    """Yield plots of the cost of windows by velocity band, within the observed range."""
    bands = cost_curves(summaries, past.champion, past.configuration)
    for band, costs in bands.items():
        windows = costs.windows.tolist()
        points = list(zip(windows, costs.cost.tolist(), strict=True))
        ends = [
            (window, max(cost - 2.0 * error, 0.0), cost + 2.0 * error)
            for (window, cost), error in zip(points, costs.errors.tolist(), strict=True)
        ]
        late = Series("hours of delay", list(zip(windows, costs.delay_hours.tolist(), strict=True)))
        loud = Series("false alarms a day", list(zip(windows, costs.alarms_per_day.tolist(), strict=True)))
        drawn = curves(
            f"Cost of a window at {band}",
            [Series("cost, with two standard errors", points, ends), late, loud],
            x_label="points in the window",
            y_label="cost; hours; alarms",
            is_log_x=True,
            has_zero=True,
        )
        yield from [drawn] if drawn else []
