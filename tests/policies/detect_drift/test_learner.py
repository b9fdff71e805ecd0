"""What the drift learner adopts, holds and retires, on simulated verdicts with known truth."""

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
class Seen:
    """One execution and what people said of it."""

    wasserstein: float  # over the reference's own q90
    ks_p: float = 0.001
    real: bool | None = None  # None: nobody said anything
    drifted: bool = True
    audit: bool = False
    is_seasonal: bool = False
    feature: str = ""
    source: str = "user/ana"
    origin: str = "validation"
    day: float | None = None


def summarised(seen: Iterable[Seen], *, more_votes: Iterable[tuple[int, str, bool]] = ()) -> Summaries:
    """Give the tables of a log with these executions; `more_votes` are (execution, source, was real)."""
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
            ("wasserstein/deseasonalised", each.wasserstein, None),
            ("ks/raw", 0.1, each.ks_p),
        ):
            calibrated = {"own_q90": 1.0, "own_max": 1.3, "own_mean": 0.5, "own_sd": 0.3}
            score = {"execution_id": f"x{row}", "test": test, "statistic": statistic, "p_value": p}
            scores.append(score | (calibrated if p is None else dict.fromkeys(calibrated)))
        said = [] if each.real is None else [(row, each.source, each.real)]
        for number, source, was_real in (*said, *(vote for vote in more_votes if vote[0] == row)):
            position += 1
            vote = {"position": position, "event_id": f"v{number}-{source}", "source": source, "time": time}
            vote |= {"was_real": was_real, "origin": each.origin, "reason": None, "business_impact": None}
            votes.append(execution | vote)
    return Summaries(
        log_position=position, log_prefix="", newest_time=0.0, counts={}, executions={},
        votes=pa.Table.from_pylist(votes), recorded=pa.Table.from_pylist(recorded),
        scores=pa.Table.from_pylist(scores), delays=NOTHING, noise=NOTHING, performance=NOTHING,
    )  # fmt: skip


def crying_wolf(n: int, *, seed: int = 1, **fields: Any) -> list[Seen]:
    """Give alerts of KS of which three in four are false, told apart by Wasserstein alone."""
    chance = np.random.default_rng(seed)
    return [
        Seen(wasserstein=3.0 if real else 0.5, real=bool(real), **fields) for real in chance.random(n) < 0.25
    ]


def rule(decisions: Decisions, rule_id: str) -> Rule:
    """Give one rule by id."""
    return next(each for each in decisions.rules if each.id == rule_id)


def adopted(decisions: Decisions) -> set[str]:
    """Name the rules that were adopted in this version."""
    return {each.id for each in decisions.rules if each.status == "adopted"}


def test_a_monitor_that_cries_wolf_is_taught_by_sixty_answers() -> None:
    """KS gives way to the calibrated distance, with its evidence."""
    decided = learn(summarised(crying_wolf(60)), KS, LearnConfiguration())
    evidence = rule(decided, "numeric").evidence
    assert (adopted(decided), decided.version, decided.revises) == ({"numeric"}, 2, 1)
    assert evidence is not None
    assert evidence.e_value >= evidence.bar
    assert rule(decided, "numeric").was == "KS p < 0.05"


def test_the_same_log_gives_the_same_decisions() -> None:
    """To the byte: nothing random, no clock."""
    from poet.spec.decisions import encode

    summaries = summarised(crying_wolf(60))
    assert encode(learn(summaries, KS, LearnConfiguration())) == encode(
        learn(summaries, KS, LearnConfiguration())
    )


def test_without_verdicts_nothing_changes() -> None:
    """The champion's rules are kept, and the notes say why."""
    decided = learn(summarised([Seen(0.5, real=None)] * 30), KS, LearnConfiguration())
    assert decided.behaves_as(KS)
    assert decided.notes[0] == "0 of 30 recorded executions have a verdict"


def test_a_few_answers_are_held_with_what_they_still_need() -> None:
    """About so many more like these."""
    decided = learn(summarised(crying_wolf(14, seed=2)), KS, LearnConfiguration())
    held = rule(decided, "held-numeric")
    assert decided.behaves_as(KS)
    assert held.evidence is not None
    assert held.evidence.e_value < held.evidence.bar
    assert (held.evidence.events_needed or 0) > 0


def test_labels_that_mean_nothing_teach_nothing() -> None:
    """At one real in four, alerting and silence cost the same, whatever the scores."""
    chance = np.random.default_rng(3)
    fooled = 0
    for _ in range(25):
        noise = [
            Seen(
                wasserstein=float(np.exp(chance.standard_normal())),
                ks_p=float(chance.random()) / 20,
                real=bool(chance.random() < 0.25),
            )
            for _ in range(120)
        ]
        fooled += any(
            adopted(learn(summarised(noise[:looked]), KS, LearnConfiguration()))
            for looked in range(30, 121, 30)
        )
    assert fooled <= 4  # 25 · 0.05 and three standard deviations


def test_only_seasonal_features_change_where_ks_is_right_elsewhere() -> None:
    """The seed's scenario: season first, the original test elsewhere."""
    chance = np.random.default_rng(4)
    seen = crying_wolf(150, is_seasonal=True)
    # elsewhere KS is right and the calibrated distance blind
    seen += [Seen(wasserstein=0.5, real=bool(chance.random() < 0.9)) for _ in range(150)]
    order = chance.permutation(len(seen))
    decided = learn(summarised([seen[row] for row in order]), KS, LearnConfiguration())
    assert "numeric-seasonal" in adopted(decided)
    assert rule(decided, "numeric").parameters == rule(KS, "numeric").parameters


def test_one_feature_can_have_a_rule_of_its_own() -> None:
    """Where only one of ten features cries wolf, the others keep their test."""
    chance = np.random.default_rng(5)
    seen = crying_wolf(200, feature="click_rate")
    seen += [
        Seen(wasserstein=0.5, real=bool(chance.random() < 0.9), feature=f"f{row % 9}") for row in range(400)
    ]
    order = chance.permutation(len(seen))
    decided = learn(summarised([seen[row] for row in order]), KS, LearnConfiguration())
    (name,) = adopted(decided)
    assert name.startswith("feature-click-rate-")
    assert rule(decided, name).condition["features"] == ["click_rate"]


def test_a_rule_whose_evidence_turned_is_retired() -> None:
    """The truth flips: what was silenced is real now, and audits say so."""
    taught = learn(summarised(crying_wolf(60)), KS, LearnConfiguration())
    later = [Seen(0.5, real=True, drifted=False, audit=True, day=10 + row) for row in range(60)]
    # in half a year the old verdicts count for little
    flipped = [Seen(3.0 if real else 0.5, real=real, day=0.0) for real in [False, False, True, False] * 15]
    configuration = LearnConfiguration(half_life_days=20.0, audit_rate=1.0)
    decided = learn(summarised([*flipped, *later]), taught, configuration)
    assert not decided.behaves_as(taught)
    assert decided.revises == taught.version


def test_volunteered_verdicts_propose_but_do_not_bet() -> None:
    """Sixty misses that somebody chose to report are no evidence by themselves."""
    quiet = policy("detect_drift").version_1("calibrated")
    reported = [Seen(1.2, real=True, drifted=False, origin="missed") for _ in range(60)]
    assert learn(summarised(reported), quiet, LearnConfiguration()).behaves_as(quiet)


def test_one_source_cannot_adopt_what_the_others_contradict() -> None:
    """Many votes of one, few of three: the few are heard."""
    loud = crying_wolf(60, source="bot/loud")
    others = [(row, f"user/{who}", True) for who in ("bo", "cy", "di") for row in range(10)]
    assert "numeric" in adopted(learn(summarised(loud), KS, LearnConfiguration()))
    assert learn(summarised(loud, more_votes=others), KS, LearnConfiguration()).behaves_as(KS)


@pytest.mark.parametrize("word", ["pins", "vetoes"])
def test_a_persons_word_stands_above_the_evidence(word: str) -> None:
    """A pinned rule stays; a vetoed one is not adopted."""
    said: dict[str, Any] = {word: {"detect_drift": ("numeric",)}}
    configuration = LearnConfiguration(**said)
    decided = learn(summarised(crying_wolf(60)), KS, configuration)
    assert rule(decided, "numeric").parameters == rule(KS, "numeric").parameters


def test_alerts_that_nobody_judged_are_named_in_the_denominator() -> None:
    """Replayed so many of so many, and why not the rest."""
    seen = crying_wolf(60) + [Seen(0.5, real=None)] * 7 + [Seen(0.5, ks_p=0.9, real=None, drifted=False)] * 5
    evidence = rule(learn(summarised(seen), KS, LearnConfiguration()), "numeric").evidence
    assert evidence is not None
    assert evidence.replay is not None
    assert (evidence.replay.replayed, evidence.replay.of) == (60, 72)
    assert evidence.replay.left_out == {"alerts nobody judged": 7, "silences, counted at their worst case": 5}


def test_an_added_alert_that_nobody_judged_counts_as_false() -> None:
    """A rule that would raise thousands of alerts more is not adopted on the few that were judged."""
    quiet = policy("detect_drift").version_1("calibrated")
    judged = [Seen(3.0, real=True) for _ in range(20)]
    silent = [Seen(1.2, real=None, drifted=False) for _ in range(300)]
    missed = [Seen(1.2, real=True, drifted=False, origin="missed") for _ in range(10)]
    decided = learn(summarised([*judged, *silent, *missed]), quiet, LearnConfiguration())
    assert decided.behaves_as(quiet)


def test_every_candidate_finds_a_shift_of_three_standard_deviations() -> None:
    """What the contract would refuse must not be adopted: the compile could never publish it."""
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
            columns = ("statistic", "p_value", "own_q90", "own_max", "own_mean", "own_sd")
            scores.append(name | {"test": test} | {column: getattr(score, column) for column in columns})
    empty = summarised([Seen(1.0, real=True)])
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
