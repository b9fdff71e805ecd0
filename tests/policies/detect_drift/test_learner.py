"""Adopted, candidate and retired rules of the drift learner on simulated labels with known truth."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from poet.learning.configuration import LearnConfiguration
from poet.policies.detect_drift.learner.learn import learn
from poet.spec import policy
from poet.spec.decisions import Decisions, Rule
from poet.summaries import Summaries

HOUR_S = 3600.0
NOTHING = pa.table({"position": pa.array([], pa.int64())})
KS = policy("detect_drift").version_1("ks")


@dataclass(frozen=True)
class LabeledExecution:
    """One execution and its label."""

    wasserstein: float  # over the reference's null q90
    ks_p: float = 0.001
    real: bool | None = None  # None: no label
    drifted: bool = True
    audit: bool = False
    is_seasonal: bool = False
    feature: str = ""
    source: str = "user/ana"
    origin: str = "validation"
    day: float | None = None


def summarised(
    seen: Iterable[LabeledExecution], *, more_votes: Iterable[tuple[int, str, bool]] = ()
) -> Summaries:
    """Return the tables of a log with these executions; `more_votes` are (execution, source, was real)."""
    recorded: list[dict[str, Any]] = []
    votes: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    position = 0
    for row, each in enumerate(seen):
        time = HOUR_S * row if each.day is None else 24 * HOUR_S * each.day
        execution = {
            "execution_id": f"x{row}",
            "feature": each.feature or None,
            "policy_version": 1,
            "drifted": each.drifted,
            "audit": each.audit,
            "propensity": 0.02 if each.audit else 1.0,
            "kind": "numeric",
            "is_seasonal": each.is_seasonal,
            "n_current": 50,
            "n_reference": 500,
        }
        position += 1
        recorded.append(execution | {"position": position, "time": time})
        for test, statistic, p in (
            ("wasserstein/deseasonalized", each.wasserstein, None),
            ("ks/raw", 0.1, each.ks_p),
        ):
            calibrated = {"null_q90": 1.0, "null_max": 1.3, "null_mean": 0.5, "null_sd": 0.3}
            score = {"execution_id": f"x{row}", "test": test, "statistic": statistic, "p_value": p}
            scores.append(score | (calibrated if p is None else dict.fromkeys(calibrated)))
        votes_of_row = [] if each.real is None else [(row, each.source, each.real)]
        for number, source, was_real in (*votes_of_row, *(vote for vote in more_votes if vote[0] == row)):
            position += 1
            vote = {"position": position, "event_id": f"v{number}-{source}", "source": source, "time": time}
            vote |= {"was_real": was_real, "origin": each.origin, "reason": None, "business_impact": None}
            votes.append(execution | vote)
    return Summaries(
        log_position=position, log_prefix="", newest_time=0.0, counts={}, executions={},
        votes=pa.Table.from_pylist(votes), recorded=pa.Table.from_pylist(recorded),
        scores=pa.Table.from_pylist(scores), delays=NOTHING, noise=NOTHING, performance=NOTHING,
    )  # fmt: skip


def false_alarms_of_ks(n: int, *, seed: int = 1, **fields: Any) -> list[LabeledExecution]:
    """Return alerts of KS, three of four of them false; only Wasserstein separates them."""
    chance = np.random.default_rng(seed)
    return [
        LabeledExecution(wasserstein=3.0 if real else 0.5, real=bool(real), **fields)
        for real in chance.random(n) < 0.25
    ]


def rule(decisions: Decisions, rule_id: str) -> Rule:
    """Return one rule by id."""
    return next(each for each in decisions.rules if each.id == rule_id)


def adopted(decisions: Decisions) -> set[str]:
    """Return the ids of the adopted rules."""
    return {each.id for each in decisions.rules if each.status == "adopted"}


def test_sixty_labels_replace_a_rule_with_many_false_alarms() -> None:
    """The calibrated distance replaces KS, with its evidence."""
    decided = learn(summarised(false_alarms_of_ks(60)), KS, LearnConfiguration())
    evidence = rule(decided, "numeric").evidence
    assert (adopted(decided), decided.version, decided.revises) == ({"numeric"}, 2, 1)
    assert evidence is not None
    assert evidence.e_value >= evidence.e_value_threshold
    assert rule(decided, "numeric").was == "KS p < 0.05"


def test_the_same_log_gives_the_same_decisions() -> None:
    """The bytes are equal: learning uses no randomness and no clock."""
    from poet.spec.decisions import encode

    summaries = summarised(false_alarms_of_ks(60))
    assert encode(learn(summaries, KS, LearnConfiguration())) == encode(
        learn(summaries, KS, LearnConfiguration())
    )


def test_without_labels_nothing_changes() -> None:
    """The champion's rules are unchanged, and the notes give the reason."""
    decided = learn(summarised([LabeledExecution(0.5, real=None)] * 30), KS, LearnConfiguration())
    assert decided.behaves_as(KS)
    assert decided.notes[0] == "0 of 30 recorded executions have a label"


def test_few_labels_give_a_candidate_with_the_number_of_missing_events() -> None:
    """The number is an estimate."""
    decided = learn(summarised(false_alarms_of_ks(14, seed=2)), KS, LearnConfiguration())
    candidate = rule(decided, "candidate-numeric")
    assert decided.behaves_as(KS)
    assert candidate.evidence is not None
    assert candidate.evidence.e_value < candidate.evidence.e_value_threshold
    assert (candidate.evidence.events_needed or 0) > 0


def test_nothing_is_adopted_on_noise() -> None:
    """If one alert in four is real, alerts and non-alerts cost the same for any scores."""
    chance = np.random.default_rng(3)
    adopted_on_noise = 0
    for _ in range(25):
        noise = [
            LabeledExecution(
                wasserstein=float(np.exp(chance.standard_normal())),
                ks_p=float(chance.random()) / 20,
                real=bool(chance.random() < 0.25),
            )
            for _ in range(120)
        ]
        adopted_on_noise += any(
            adopted(learn(summarised(noise[:looked]), KS, LearnConfiguration()))
            for looked in range(30, 121, 30)
        )
    assert adopted_on_noise <= 4  # 25 · 0.05 and three standard deviations


def test_only_seasonal_features_change_if_ks_is_right_elsewhere() -> None:
    """Seasonal features get a new rule, and the original test applies elsewhere."""
    chance = np.random.default_rng(4)
    seen = false_alarms_of_ks(150, is_seasonal=True)
    # elsewhere KS is right and the calibrated distance blind
    seen += [LabeledExecution(wasserstein=0.5, real=bool(chance.random() < 0.9)) for _ in range(150)]
    order = chance.permutation(len(seen))
    decided = learn(summarised([seen[row] for row in order]), KS, LearnConfiguration())
    assert "numeric-seasonal" in adopted(decided)
    assert rule(decided, "numeric").parameters == rule(KS, "numeric").parameters


def test_one_feature_can_have_its_own_rule() -> None:
    """If only one of ten features has false alarms, the others keep their test."""
    chance = np.random.default_rng(5)
    seen = false_alarms_of_ks(200, feature="click_rate")
    seen += [
        LabeledExecution(wasserstein=0.5, real=bool(chance.random() < 0.9), feature=f"f{row % 9}")
        for row in range(400)
    ]
    order = chance.permutation(len(seen))
    decided = learn(summarised([seen[row] for row in order]), KS, LearnConfiguration())
    (name,) = adopted(decided)
    assert name.startswith("feature-click-rate-")
    assert rule(decided, name).condition["features"] == ["click_rate"]


def test_a_contradicted_rule_is_retired() -> None:
    """The truth changes: audits show that dropped alerts are real now."""
    champion = learn(summarised(false_alarms_of_ks(60)), KS, LearnConfiguration())
    later = [LabeledExecution(0.5, real=True, drifted=False, audit=True, day=10 + row) for row in range(60)]
    # after half a year the old labels have little weight
    flipped = [
        LabeledExecution(3.0 if real else 0.5, real=real, day=0.0)
        for real in [False, False, True, False] * 15
    ]
    configuration = LearnConfiguration(half_life_days=20.0, audit_rate=1.0)
    decided = learn(summarised([*flipped, *later]), champion, configuration)
    assert not decided.behaves_as(champion)
    assert decided.revises == champion.version


def test_unsolicited_labels_select_candidates_but_are_not_bets() -> None:
    """Sixty unsolicited reports of misses are not evidence."""
    quiet = policy("detect_drift").version_1("calibrated")
    reported = [LabeledExecution(1.2, real=True, drifted=False, origin="missed") for _ in range(60)]
    assert learn(summarised(reported), quiet, LearnConfiguration()).behaves_as(quiet)


def test_one_source_cannot_adopt_a_rule_that_the_others_contradict() -> None:
    """Few votes of three sources outweigh many votes of one."""
    dominant = false_alarms_of_ks(60, source="bot/loud")
    others = [(row, f"user/{who}", True) for who in ("bo", "cy", "di") for row in range(10)]
    assert "numeric" in adopted(learn(summarised(dominant), KS, LearnConfiguration()))
    assert learn(summarised(dominant, more_votes=others), KS, LearnConfiguration()).behaves_as(KS)


@pytest.mark.parametrize("override", ["pins", "vetoes"])
def test_overrides_take_precedence_over_evidence(override: str) -> None:
    """A pinned rule is unchanged; a vetoed one is not adopted."""
    overrides: dict[str, Any] = {override: {"detect_drift": ("numeric",)}}
    configuration = LearnConfiguration(**overrides)
    decided = learn(summarised(false_alarms_of_ks(60)), KS, configuration)
    assert rule(decided, "numeric").parameters == rule(KS, "numeric").parameters


def test_unlabeled_alerts_are_part_of_the_denominator() -> None:
    """The replay has the number of executions, and the reasons for the others."""
    seen = (
        false_alarms_of_ks(60)
        + [LabeledExecution(0.5, real=None)] * 7
        + [LabeledExecution(0.5, ks_p=0.9, real=None, drifted=False)] * 5
    )
    evidence = rule(learn(summarised(seen), KS, LearnConfiguration()), "numeric").evidence
    assert evidence is not None
    assert evidence.replay is not None
    assert (evidence.replay.replayed, evidence.replay.of) == (60, 72)
    assert evidence.replay.left_out == {
        "alerts without a label": 7,
        "non-alerts without a label, counted at the worst case": 5,
    }


def test_an_added_alert_without_a_label_counts_as_false() -> None:
    """A rule with hundreds of additional alerts is not adopted because of a few labels."""
    quiet = policy("detect_drift").version_1("calibrated")
    labeled = [LabeledExecution(3.0, real=True) for _ in range(20)]
    unlabeled = [LabeledExecution(1.2, real=None, drifted=False) for _ in range(300)]
    missed = [LabeledExecution(1.2, real=True, drifted=False, origin="missed") for _ in range(10)]
    decided = learn(summarised([*labeled, *unlabeled, *missed]), quiet, LearnConfiguration())
    assert decided.behaves_as(quiet)


def test_every_candidate_detects_a_shift_of_three_standard_deviations() -> None:
    """A rule that violates the contract must not be adopted, because a compile could not publish it."""
    from poet.build.samples import numeric
    from poet.policies.detect_drift.learner.candidates import numeric_grid
    from poet.policies.detect_drift.learner.scopes import candidate_of
    from poet.policies.detect_drift.learner.steps import firing, read_executions
    from poet.policies.detect_drift.rules import branches
    from poet_runtime.drift.comparison import score_all

    scores: list[dict[str, Any]] = []
    recorded: list[dict[str, Any]] = []
    for row, shape in enumerate(["normal", "rounded", "integers"] * 5):
        reference, current = numeric(shape, 300, row), numeric(shape, 200, row + 100)
        name = {"execution_id": f"x{row}"}
        recorded.append(
            name
            | {
                "position": row,
                "time": 0.0,
                "feature": "",
                "drifted": True,
                "audit": False,
                "propensity": 1.0,
            }
            | {"kind": "numeric", "is_seasonal": False, "n_reference": 300}
        )
        for test, score in score_all(current + 3.0 * reference.std(), reference).items():
            columns = ("statistic", "p_value", "null_q90", "null_max", "null_mean", "null_sd")
            scores.append(name | {"test": test} | {column: getattr(score, column) for column in columns})
    empty = summarised([LabeledExecution(1.0, real=True)])
    executions = read_executions(
        dataclasses.replace(
            empty, recorded=pa.Table.from_pylist(recorded), scores=pa.Table.from_pylist(scores)
        )
    )
    calibrated = branches(policy("detect_drift").version_1("calibrated"))
    default = next(candidate_of(each.criteria) for each in calibrated if each.condition.kind == "numeric")
    grid = numeric_grid(default)
    answers = firing(executions, grid)
    assert [grid[column] for column in np.flatnonzero(~answers.all(axis=0))] == []
