"""Replay two versions on everything recorded: whose answers turn, and what people said of those."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from poet.compare import Flips, Share, Side
from poet.decisions import Decisions
from poet.learn.configuration import Costs, LearnConfiguration
from poet.learn.contrary import spared
from poet.learn.detect_drift._scopes import champion_fires
from poet.learn.detect_drift._steps import read_executions
from poet.learn.evidence import fading_weights, rate_interval
from poet.learn.soft_votes import with_soft_votes
from poet.learn.votes import Ballots, count_votes
from poet.summaries import Summaries

__all__ = ["replay"]

Answers = NDArray[np.bool_]
GRAVE = ("high", "critical")
SHOWN = 5
HALF = 0.5  # of the sources that judged


def replay(
    summaries: Summaries, champion: Decisions, candidate: Decisions, configuration: LearnConfiguration
) -> Flips:
    """Say what a candidate would have answered otherwise than the champion, and whether it may replace it.

    It may not where labelled executions would have cost more, where it would newly miss a drift that most
    sources call real and one calls grave, or where it answers an anchor otherwise than people did. What a
    person pinned is not held against a candidate. One source that says the contrary of all others may be
    left out of the costs, as in learning.
    """
    executions = read_executions(summaries)
    before, after = (champion_fires(executions, each) for each in (champion, candidate))
    votes = with_soft_votes(summaries)
    ballots = count_votes(votes, burst_limit=configuration.burst_limit)
    row_of = {execution_id: row for row, execution_id in enumerate(executions.ids)}
    judged = _Judged(ballots, row_of, before, after, configuration, summaries.newest_time)
    labels = {row_of[name]: label for name, label in judged.labels.items()}
    turned: list[int] = np.flatnonzero(before != after).tolist()
    without = (
        count_votes(votes, burst_limit=configuration.burst_limit, without=(voice,))
        for voice in spared(ballots.voices)
    )
    refusal = ""
    if _acts_by_itself(champion, candidate):
        refusal = (
            judged.missed()
            or _broken_anchor(configuration, judged, executions.ids, after)
            or _dearer(
                judged,
                [
                    _Judged(each, row_of, before, after, configuration, summaries.newest_time)
                    for each in without
                ],
            )
        )
    return Flips(
        recorded=len(executions.ids),
        quieter=_side([row for row in turned if before[row]], labels),
        louder=_side([row for row in turned if after[row]], labels),
        by_feature=dict(Counter(executions.features[row] for row in turned).most_common(SHOWN)),
        precision_before=_precision(before, labels, configuration.risk),
        precision_after=_precision(after, labels, configuration.risk),
        cost_before=round(judged.cost(before), 6),
        cost_after=round(judged.cost(after), 6),
        refusal=refusal,
    )


class _Judged:
    """The recorded executions that people spoke of."""

    def __init__(
        self,
        ballots: Ballots,
        row_of: Mapping[str, int],
        before: Answers,
        after: Answers,
        configuration: LearnConfiguration,
        newest: float,
    ) -> None:
        known = np.array([str(name) in row_of for name in ballots.execution_ids], np.bool_)
        self.ids = [str(name) for name in ballots.execution_ids[known]]
        self.rows = np.array([row_of[name] for name in self.ids], np.int64)
        self.label = ballots.label[known]
        self.impact = ballots.impact[known]
        self._before, self._after = before, after
        self._costs: Costs = configuration.costs
        self._weights = fading_weights(
            ballots.times[known], half_life_days=configuration.half_life_days, newest=newest
        )

    @property
    def labels(self) -> dict[str, float]:
        """Give the share of sources that call each execution a real drift."""
        return dict(zip(self.ids, self.label.tolist(), strict=True))

    def cost(self, answers: Answers) -> float:
        """Give the mean cost of these answers, recent labels counting for more."""
        if not len(self.rows):
            return 0.0
        alarm = self._costs.false_alarm * (1.0 - self.label)
        lost = np.where(answers[self.rows], alarm, self._costs.miss * self.label)
        return float(lost @ self._weights / self._weights.sum())

    @property
    def is_dearer(self) -> bool:
        """Whether the candidate's answers cost more."""
        return self.cost(self._after) > self.cost(self._before) + 1e-9

    def missed(self) -> str:
        """Name a grave drift that only the candidate misses."""
        for name, row, label, impact in zip(self.ids, self.rows, self.label, self.impact, strict=True):
            if label > HALF and impact in GRAVE and self._before[row] and not self._after[row]:
                return (
                    f"it would miss {name}, a real drift of {impact} impact that the version in force finds; "
                    "correct the verdict if it is wrong, or wait for more feedback"
                )
        return ""


def _acts_by_itself(champion: Decisions, candidate: Decisions) -> bool:
    """Whether anything changed that no person pinned."""
    before = {rule.id: rule for rule in champion.active}
    changed = [rule for rule in candidate.active if before.get(rule.id) != rule]
    return any(rule.status != "pinned" for rule in changed) or not changed


def _broken_anchor(
    configuration: LearnConfiguration, judged: _Judged, ids: Sequence[str], after: Answers
) -> str:
    row_of = {name: row for row, name in enumerate(ids)}
    for name in configuration.anchors.get("detect_drift", ()):
        label = judged.labels.get(name)
        if label is None or name not in row_of:
            continue  # nobody has judged it yet
        if bool(after[row_of[name]]) != (label > HALF):
            answer = "drift" if after[row_of[name]] else "no drift"
            return f"it answers {answer} on {name}, an anchor of poet.toml that people judged otherwise"
    return ""


def _dearer(judged: _Judged, parts: Sequence[_Judged]) -> str:
    if not judged.is_dearer or any(not part.is_dearer for part in parts):
        return ""
    return "what people judged would cost more than with the version in force; wait for more feedback"


def _side(rows: Sequence[int], labels: Mapping[int, float]) -> Side:
    said = [labels.get(row) for row in rows]
    return Side(
        flips=len(rows),
        false_alarms=sum(label is not None and label <= HALF for label in said),
        real=sum(label is not None and label > HALF for label in said),
        unlabelled=sum(label is None for label in said),
    )


def _precision(answers: Answers, labels: Mapping[int, float], risk: float) -> Share:
    alerts = [label for row, label in labels.items() if answers[row]]
    real, n = float(sum(alerts)), float(len(alerts))
    low, high = rate_interval(real, n, risk=risk)
    return Share(
        estimate=round(real / n, 4) if n else 0.0, low=round(low, 4), high=round(high, 4), n=round(n, 2)
    )
