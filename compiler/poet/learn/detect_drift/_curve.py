"""What people said of alerts over time, by the version that raised them: a learning curve as it was lived.

Only alerts that were judged count, and each for the version that raised it. What another version would have
done is not asked: people judge what is raised, so past verdicts say little about alerts that were not.
"""

from collections.abc import Sequence

import numpy as np

from poet.decisions import Interval
from poet.learn.configuration import LearnConfiguration
from poet.learn.detect_drift._describe import rate
from poet.learn.labels import count_votes, with_soft_votes
from poet.summaries import Summaries


def judged_alerts(
    summaries: Summaries, stretches: Sequence[tuple[int, int]], configuration: LearnConfiguration
) -> dict[int, list[tuple[int, Interval]]]:
    """Return the share of false alarms among judged alerts, by version, stretch by stretch of the log.

    Parameters
    ----------
    summaries
        Votes with the executions they speak of, as far as the last stretch.
    stretches
        Log positions ``(after, until)`` of the last verdict on an alert.
    configuration
        The risk that an interval misses the true share, and how many votes of one source count in an hour.

    Returns
    -------
    dict
        By version: the end of each stretch in which alerts of it were judged, and the share.
    """
    ballots = count_votes(with_soft_votes(summaries), burst_limit=configuration.burst_limit)
    found: dict[int, list[tuple[int, Interval]]] = {}
    for version in np.unique(ballots.policy_version[ballots.drifted]).tolist():
        raised = ballots.drifted & (ballots.policy_version == version)
        for after, until in stretches:
            inside = raised & (ballots.positions > after) & (ballots.positions <= until)
            n = int(inside.sum())
            if n:
                false = float((1.0 - ballots.label[inside]).sum())
                share = rate("false alarms among alerts", false, float(n), configuration.risk)
                found.setdefault(version, []).append((until, share))
    return found
