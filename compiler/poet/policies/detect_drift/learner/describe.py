"""Descriptions of rules: a short sentence, intervals and the replay, and the share of false alarms over time.

The share of false alarms over time is by the version that raised the alerts: an observed learning curve. Only
labeled alerts count, each for the version that raised it. The curve does not estimate what another version
would have done: people label alerts that are raised, so past labels say little about other alerts.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from poet.learning.configuration import LearnConfiguration
from poet.learning.labels import LabelTable, count_votes, with_soft_votes
from poet.policies.detect_drift.learner.candidates import Candidate
from poet.policies.detect_drift.learner.steps import Executions, Role, Steps
from poet.policies.detect_drift.learner.tournament import Costs, ScopeState
from poet.policies.detect_drift.rules import Criteria, Criterion
from poet.spec.decisions import Evidence, Interval, Replay, Rule
from poet.stats import bounded_mean_interval, rate_interval
from poet.summaries import Summaries

NAMES: Final = {
    "ks": "KS",
    "psi": "PSI",
    "wasserstein": "Wasserstein",
    "jensen_shannon": "Jensen-Shannon",
    "mann_whitney": "Mann-Whitney",
    "levene": "Levene",
    "chi_square": "chi-square",
    "g_test": "G",
}
SCALES: Final = {
    "absolute": "{name} > {threshold:g}",
    "p_value": "{name} p < {threshold:g}",
    "null_q90": "{name} > {threshold:g} x null q90",
    "null_max": "{name} > {threshold:g} x null maximum",
    "null_zscore": "{name} > null mean + {threshold:g} sd",
}
SAMPLE: Final = 5


def describe(candidate: Candidate) -> str:
    """Return a short description of a rule: ``KS p < 0.05``, ``Wasserstein > 1.5 x null q90 or …``."""
    parts = [_criterion(criterion) for criterion in candidate.criteria]
    if candidate.min_votes == 1:
        return " or ".join(parts)
    if candidate.min_votes == len(parts):
        return " and ".join(parts)
    return f"{candidate.min_votes} of: {', '.join(parts)}"


def describe_parameters(rule: Rule) -> str:
    """Return a short description of the criteria of a `detect_drift` rule."""
    criteria = msgspec.convert(rule.parameters, Criteria)
    return describe(Candidate(criteria.criteria, criteria.min_votes))


def _criterion(criterion: Criterion) -> str:
    name = NAMES.get(criterion.statistic, criterion.statistic.replace("_", " "))
    if criterion.preparation != "raw":
        name = f"{criterion.preparation.replace('_', '-')} {name}"
    return SCALES[criterion.scale].format(name=name, threshold=criterion.threshold)


@dataclass(frozen=True, slots=True)
class ScopeReplay:
    """The steps of a scope with the answers of the old and the new rule, all of shape (n,)."""

    steps: Steps
    inside: NDArray[np.bool_]
    old: NDArray[np.bool_]
    new: NDArray[np.bool_]
    costs: Costs
    risk: float

    @property
    def labeled(self) -> NDArray[np.bool_]:
        """Return a mask of the scope's steps with a label."""
        is_labeled: NDArray[np.bool_] = self.inside & (self.steps.roles != Role.UNLABELED)
        return is_labeled

    @property
    def requested(self) -> NDArray[np.bool_]:
        """Return a mask of the scope's steps with a label that was requested."""
        is_requested: NDArray[np.bool_] = self.labeled & (self.steps.roles != Role.UNSOLICITED)
        return is_requested

    def gains(self) -> NDArray[np.float64]:
        """Return the cost saved at each betting step; an added alert without a label counts as false."""
        steps, costs = self.steps, self.costs
        bets = self.inside & (steps.roles != Role.UNSOLICITED)
        label = np.nan_to_num(steps.labels[bets], nan=0.0)
        is_unlabeled = steps.roles[bets] == Role.UNLABELED
        old, new = self.old[bets], self.new[bets]
        added = new & ~old
        removed = old & ~new
        gain = np.where(added, costs.miss * label - costs.false_alarm * (1.0 - label), 0.0)
        lost = np.where(is_unlabeled, costs.miss, costs.miss * label - costs.false_alarm * (1.0 - label))
        return np.where(removed, -lost, gain)


def _alarms(replay: ScopeReplay, rule: NDArray[np.bool_]) -> Interval:
    alerts = replay.requested & rule
    false = float((1.0 - replay.steps.labels[alerts]).sum())
    return rate("false alarms among alerts", false, float(alerts.sum()), replay.risk)


def _recall(replay: ScopeReplay, rule: NDArray[np.bool_]) -> Interval:
    labels = np.where(replay.labeled, np.nan_to_num(replay.steps.labels), 0.0)
    return rate("real drifts found", float(labels[rule].sum()), float(labels.sum()), replay.risk)


def rate(what: str, hits: float, n: float, risk: float) -> Interval:
    """Return a share with its interval."""
    low, high = rate_interval(hits, n, risk=risk)
    return Interval(
        what=what,
        estimate=round(hits / n, 4) if n else 0.0,
        low=round(low, 4),
        high=round(high, 4),
        n=round(n, 2),
    )


def _replay(replay: ScopeReplay, executions: Executions, covers: NDArray[np.bool_]) -> Replay:
    gains = replay.gains()
    scale = replay.costs.largest
    saving = float(gains.mean()) if len(gains) else 0.0
    low, high = (
        bounded_mean_interval(gains / scale, risk=replay.risk, low=-1.0, high=1.0)
        if len(gains)
        else (-1.0, 1.0)
    )
    recorded = int(covers.sum())
    labeled = len(set(replay.steps.execution[replay.labeled].tolist()))
    unlabeled_alerts = int((covers & executions.drifted).sum()) - int(
        (replay.labeled & (replay.steps.roles == Role.ALERT)).sum()
    )
    non_alerts = recorded - labeled - unlabeled_alerts
    left_out = {
        "alerts without a label": unlabeled_alerts,
        "non-alerts without a label, counted at the worst case": non_alerts,
    }
    return Replay(
        replayed=labeled,
        of=recorded,
        left_out={reason: count for reason, count in left_out.items() if count > 0},
        saving_per_1000=round(1000.0 * saving, 1),
        saving_low=round(1000.0 * scale * low, 1),
        saving_high=round(1000.0 * scale * high, 1),
    )


def evidence_of(
    replay: ScopeReplay,
    state: ScopeState,
    label_table: LabelTable,
    executions: Executions,
    covers: NDArray[np.bool_],
    *,
    threshold: float,
) -> Evidence:
    """Return the evidence for a rule, rounded so that it is identical on all machines."""
    requested = replay.requested
    votes = replay.steps.label_rows[replay.labeled]
    changed = replay.steps.label_rows[requested & (replay.old != replay.new)]
    return Evidence(
        e_value=float(f"{min(state.e_value, 1e12):.4g}"),
        e_value_threshold=float(f"{threshold:.4g}"),
        before=(_alarms(replay, replay.old), _recall(replay, replay.old)),
        after=(_alarms(replay, replay.new), _recall(replay, replay.new)),
        n_effective=float(requested.sum()),
        sources=_sources(label_table, votes),
        replay=_replay(replay, executions, covers),
        events_needed=_needed(state, threshold),
        sample_events=tuple(str(label_table.event_ids[row]) for row in changed[:SAMPLE]),
    )


def _sources(label_table: LabelTable, rows: NDArray[np.int64]) -> dict[str, int]:
    counted = Counter(source for row in rows for source in label_table.sources[row])
    return dict(sorted(counted.items()))


def _needed(state: ScopeState, threshold: float) -> int | None:
    """Return the estimated number of further steps needed; None if the wealth does not grow."""
    if state.e_value >= threshold:
        return 0
    recent = state.leading.recent
    growth = sum(log for log, _ in recent) / sum(steps for _, steps in recent) if recent else 0.0
    if growth <= 1e-4:
        return None
    return int(np.ceil(np.log(threshold / max(state.e_value, 1e-12)) / growth))


def false_alarm_shares(
    summaries: Summaries, windows: Sequence[tuple[int, int]], configuration: LearnConfiguration
) -> dict[int, list[tuple[int, Interval]]]:
    """Return the share of false alarms among labeled alerts, by version and window of the log.

    Parameters
    ----------
    summaries
        Votes and their executions, up to the last window.
    windows
        Windows of log positions ``(after, until)`` that contain the last label of an alert.
    configuration
        The risk that an interval misses the true share, and the number of votes of one source per hour.

    Returns
    -------
    dict
        By version: the end of each window with labeled alerts of that version, and the share.
    """
    label_table = count_votes(with_soft_votes(summaries), burst_limit=configuration.burst_limit)
    found: dict[int, list[tuple[int, Interval]]] = {}
    for version in np.unique(label_table.policy_version[label_table.drifted]).tolist():
        raised = label_table.drifted & (label_table.policy_version == version)
        for after, until in windows:
            inside = raised & (label_table.positions > after) & (label_table.positions <= until)
            n = int(inside.sum())
            if n:
                false = float((1.0 - label_table.label[inside]).sum())
                share = rate("false alarms among alerts", false, float(n), configuration.risk)
                found.setdefault(version, []).append((until, share))
    return found
