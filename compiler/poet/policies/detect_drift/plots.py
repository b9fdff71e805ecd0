"""Plots of `detect_drift` for reports, in addition to the evidence of its rules."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from poet.policies.detect_drift.learner.describe import false_alarm_shares
from poet.review.plots import Plot, Series, curves
from poet.review.report import EVENTS, MOST_RULES, Past

if TYPE_CHECKING:
    from poet.summaries import Summaries


def plots(past: Past, summaries: "Summaries", at: Sequence[int]) -> Iterator[Plot]:
    """Yield a plot of the share of false alarms among labeled alerts, by the version that raised them."""
    found = false_alarm_shares(summaries, list(pairwise([0, *at])), past.configuration)
    series = [
        Series(
            f"v{version}",
            [(until, share.estimate) for until, share in shares],
            [(until, share.low, share.high) for until, share in shares],
        )
        for version, shares in sorted(found.items())[-MOST_RULES:]
    ]
    drawn = curves(
        "Learning curve: false alarms among judged alerts",
        series,
        x_label=EVENTS,
        y_label="share, with interval",
        has_zero=True,
    )
    yield from [drawn] if drawn else []
