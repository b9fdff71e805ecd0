"""Replay of two versions on all recorded executions: changed answers and their labels."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from poet.build.compare import Flips, Side
from poet.learning.configuration import Costs, LearnConfiguration
from poet.learning.labels import LabelTable, count_votes, with_soft_votes
from poet.policies.detect_drift.learner.describe import rate
from poet.policies.detect_drift.learner.scopes import champion_fires
from poet.policies.detect_drift.learner.steps import read_executions
from poet.spec.decisions import Decisions, Interval
from poet.stats import decay_weights, excludable_sources
from poet.summaries import Summaries

Answers = NDArray[np.bool_]
SEVERE: Final = ("high", "critical")
SHOWN: Final = 5
HALF: Final = 0.5  # of the sources that labeled an execution


def replay(
    summaries: Summaries, champion: Decisions, candidate: Decisions, configuration: LearnConfiguration
) -> Flips:
    """Return where a candidate's answers differ from the champion's, and whether it may replace the champion.

    A candidate is refused in three cases: labeled executions would have cost more; it would newly miss a
    drift of high or critical impact that most sources label as real; or its answer on an anchor contradicts
    the label. Changes due to pins and vetoes do not count against a candidate. As in learning, one
    adversarial source may be left out of the costs.
    """
    executions = read_executions(summaries)
    before, after = (champion_fires(executions, each) for each in (champion, candidate))
    votes = with_soft_votes(summaries)
    count = partial(count_votes, votes, burst_limit=configuration.burst_limit)
    row_of = {execution_id: row for row, execution_id in enumerate(executions.ids)}
    labeled_by = partial(
        _LabeledExecutions,
        row_of=row_of,
        before=before,
        after=after,
        configuration=configuration,
        newest=summaries.newest_time,
    )
    label_table = count()
    labeled = labeled_by(label_table)
    by_id = dict(zip(labeled.ids, labeled.label.tolist(), strict=True))
    labels = {row_of[name]: label for name, label in by_id.items()}
    flipped: list[int] = np.flatnonzero(before != after).tolist()
    refusal = ""
    if _has_learned_change(champion, candidate):
        answers = dict(zip(executions.ids, after.tolist(), strict=True))
        without_one_source = (
            labeled_by(count(without=(source,)))
            for source in excludable_sources(label_table.sources_by_first_vote)
        )
        refusal = (
            labeled.missed()
            or _broken_anchor(configuration.anchors.get(candidate.policy, ()), by_id, answers)
            or _cost_refusal(labeled, without_one_source)
        )
    return Flips(
        recorded=len(executions.ids),
        fewer_alerts=_side([row for row in flipped if before[row]], labels),
        more_alerts=_side([row for row in flipped if after[row]], labels),
        by_feature=dict(Counter(executions.features[row] for row in flipped).most_common(SHOWN)),
        precision_before=_precision(before, labels, configuration.risk),
        precision_after=_precision(after, labels, configuration.risk),
        cost_before=round(labeled.cost(before), 6),
        cost_after=round(labeled.cost(after), 6),
        refusal=refusal,
    )


class _LabeledExecutions:
    """The recorded executions with labels."""

    def __init__(
        self,
        label_table: LabelTable,
        row_of: Mapping[str, int],
        before: Answers,
        after: Answers,
        configuration: LearnConfiguration,
        newest: float,
    ) -> None:
        known = np.array([str(name) in row_of for name in label_table.execution_ids], np.bool_)
        self.ids = [str(name) for name in label_table.execution_ids[known]]
        self.rows = np.array([row_of[name] for name in self.ids], np.int64)
        self.label = label_table.label[known]
        self.impact = label_table.impact[known]
        self._before, self._after = before, after
        self._costs: Costs = configuration.costs
        self._weights = decay_weights(
            label_table.times[known], half_life_days=configuration.half_life_days, newest=newest
        )

    def cost(self, answers: Answers) -> float:
        """Return the mean cost of these answers, with more weight on recent labels."""
        if not len(self.rows):
            return 0.0
        alarm = self._costs.false_alarm * (1.0 - self.label)
        lost = np.where(answers[self.rows], alarm, self._costs.miss * self.label)
        return float(lost @ self._weights / self._weights.sum())

    @property
    def costs_more(self) -> bool:
        """Return whether the candidate's answers cost more than the champion's."""
        return self.cost(self._after) > self.cost(self._before) + 1e-9

    def missed(self) -> str:
        """Return a refusal that names a severe drift that only the candidate misses, or ""."""
        for name, row, label, impact in zip(self.ids, self.rows, self.label, self.impact, strict=True):
            if label > HALF and impact in SEVERE and self._before[row] and not self._after[row]:
                return (
                    f"it would miss {name}, a real drift of {impact} impact that the active version finds; "
                    "correct the label if it is wrong, or wait for more feedback"
                )
        return ""


def _has_learned_change(champion: Decisions, candidate: Decisions) -> bool:
    """Return whether anything changed other than pins, vetoes and the preset rules that a veto restores."""
    before, after = ({rule.id: rule for rule in each.active} for each in (champion, candidate))
    overridden = {rule.id for rule in candidate.rules if rule.status in ("pinned", "vetoed")}
    has_veto = any(rule.id in before for rule in candidate.rules if rule.status == "vetoed")
    changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    return any(
        name not in overridden and not (has_veto and name in after and after[name].status == "start")
        for name in changed
    )


def _broken_anchor(anchors: Sequence[str], labels: Mapping[str, float], answers: Mapping[str, bool]) -> str:
    for name in anchors:
        if name in labels and name in answers and answers[name] != (labels[name] > HALF):
            answer = "drift" if answers[name] else "no drift"
            return f"it answers {answer} on {name}, an anchor of poet.toml with the opposite label"
    return ""


def _cost_refusal(labeled: _LabeledExecutions, without_one_source: Iterable[_LabeledExecutions]) -> str:
    """Return a refusal if the candidate costs more with any source left out, or ""."""
    if not (labeled.costs_more and all(part.costs_more for part in without_one_source)):
        return ""
    return "labeled executions would cost more than with the active version; wait for more feedback"


def _side(rows: Sequence[int], labels: Mapping[int, float]) -> Side:
    found = [labels.get(row) for row in rows]
    return Side(
        flips=len(rows),
        false_alarms=sum(label is not None and label <= HALF for label in found),
        real=sum(label is not None and label > HALF for label in found),
        unlabeled=sum(label is None for label in found),
    )


def _precision(answers: Answers, labels: Mapping[int, float], risk: float) -> Interval:
    alerts = [label for row, label in labels.items() if answers[row]]
    return rate("real drifts among alerts", float(sum(alerts)), float(len(alerts)), risk)
