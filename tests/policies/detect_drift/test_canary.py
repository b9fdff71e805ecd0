"""A canary's outcome, on simulated verdicts with known truth."""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from poet.learning.configuration import Costs, LearnConfiguration
from poet.learning.learn import TrialOutcome
from poet.policies.detect_drift.learner.canary import _Bets, evaluate_trial
from poet.spec import policy
from poet.summaries import Summaries

NOTHING = pa.table({"position": pa.array([], pa.int64())})
CHAMPION = policy("detect_drift").version_1("ks")
CANARY = msgspec.structs.replace(policy("detect_drift").version_1("calibrated"), version=2, revises=1)
RISK = LearnConfiguration().risk
CALIBRATED = {"own_q90": 1.0, "own_max": 1.3, "own_mean": 0.5, "own_sd": 0.3}


def world(
    n: int,
    *,
    seed: int,
    quieter_real: float,
    louder_real: float,
    flips: float = 0.3,
    share: float = 0.3,
    audit_rate: float = 0.1,
    noisy_canary: bool = False,
) -> Summaries:
    """Give n executions, each on the side of its feature, judged where an alert or an audit was.

    On `flips` of them the two versions differ, as often quieter as louder; `…_real` says how often the alert
    that only one of them gives is a real drift.
    """
    chance = np.random.default_rng(seed)
    recorded: list[dict[str, Any]] = []
    votes: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    sides = chance.random(20) < share
    for row in range(n):
        feature = int(chance.integers(20))
        version = 2 if sides[feature] else 1
        kind = chance.choice(
            ["quieter", "louder", "both", "none"], p=[flips / 2, flips / 2, 0.2, 0.8 - flips]
        )
        old, new = kind in ("quieter", "both"), kind in ("louder", "both")
        drifted = new if version == 2 else old
        audit = not drifted and chance.random() < audit_rate
        both_real = 0.0 if noisy_canary and version == 2 else 0.9
        rate = {"quieter": quieter_real, "louder": louder_real, "both": both_real, "none": 0.0}[kind]
        execution = {
            "execution_id": f"x{row}", "feature": f"f{feature}", "policy_version": version,
            "drifted": drifted, "audit": audit, "propensity": audit_rate if audit else 1.0, "kind": "numeric",
            "is_seasonal": False, "n_current": 50, "n_reference": 500,
        }  # fmt: skip
        recorded.append(execution | {"position": 2 * row + 1, "time": float(row)})
        statistic, p_value = 3.0 if new else 0.5, 0.001 if old else 0.5
        for test, value, p in (("wasserstein/raw", statistic, None), ("ks/raw", 0.1, p_value)):
            known = CALIBRATED if p is None else dict.fromkeys(CALIBRATED)
            scores.append({"execution_id": f"x{row}", "test": test, "statistic": value, "p_value": p} | known)
        for preparation in ("deseasonalised", "detrended", "phase_matched", "differenced"):
            test = f"wasserstein/{preparation}"
            scores.append(
                {"execution_id": f"x{row}", "test": test, "statistic": statistic, "p_value": None}
                | CALIBRATED
            )
        if drifted or audit:
            vote = {
                "position": 2 * row + 2,
                "event_id": f"v{row}",
                "source": f"user/{row}",
                "time": float(row),
            }
            vote |= {"was_real": bool(chance.random() < rate), "origin": "validation", "reason": None}
            votes.append(execution | vote | {"business_impact": None})
    return Summaries(
        log_position=2 * n, log_prefix="", newest_time=float(n), counts={}, executions={},
        votes=pa.Table.from_pylist(votes), recorded=pa.Table.from_pylist(recorded),
        scores=pa.Table.from_pylist(scores), delays=NOTHING, noise=NOTHING, performance=NOTHING,
    )  # fmt: skip


def judged(summaries: Summaries, *, since: float = 0.0) -> TrialOutcome:
    """Judge with the default configuration."""
    return evaluate_trial(summaries, CHAMPION, CANARY, since=since, configuration=LearnConfiguration())


def test_a_canary_that_spares_false_alarms_and_finds_drifts_is_promoted() -> None:
    """Its alerts are real, those that it leaves out are not."""
    outcome = judged(world(600, seed=1, quieter_real=0.0, louder_real=1.0))
    assert outcome.outcome == "promote"
    assert outcome.saved > 0
    assert outcome.answered_by_canary + outcome.answered_by_champion == 600
    assert 0 < outcome.differ < outcome.judged


def test_a_canary_that_misses_drifts_is_rolled_back() -> None:
    """And the other way round it is not promoted."""
    outcome = judged(world(600, seed=2, quieter_real=1.0, louder_real=0.0))
    assert (outcome.outcome, outcome.saved < 0) == ("roll back", True)
    assert outcome.for_promotion <= 1.0


def test_few_verdicts_are_inconclusive_and_say_what_is_needed() -> None:
    """Neither evidence reaches the bar."""
    outcome = judged(world(12, seed=3, quieter_real=0.0, louder_real=1.0))
    assert outcome.outcome == "inconclusive"
    assert max(outcome.for_promotion, outcome.for_rollback) < outcome.bar == 4.0 / RISK


def test_executions_before_the_trial_do_not_count() -> None:
    """Nor do those of other versions."""
    outcome = judged(world(600, seed=1, quieter_real=0.0, louder_real=1.0), since=600.0)
    assert (outcome.outcome, outcome.judged, outcome.answered_by_canary) == ("inconclusive", 0, 0)


def test_features_that_differ_are_not_taken_for_versions_that_differ() -> None:
    """On the canary's side every alert is false, and the champion would have given each of them."""
    outcome = judged(world(600, seed=4, quieter_real=0.0, louder_real=0.0, flips=0.0, noisy_canary=True))
    assert (outcome.outcome, outcome.differ, outcome.for_rollback) == ("inconclusive", 0, 1.0)


EVEN = Costs().false_alarm / (
    Costs().false_alarm + Costs().miss
)  # a judged alert saves nothing and costs nothing


def ever_acts(chance: np.random.Generator, n: int, *, which: str) -> bool:
    """Tell whether a version that is worth as much as the other is ever promoted, or rolled back."""
    bets = _Bets(Costs(), audit_rate=0.1)
    for _ in range(n):
        side = "canary" if chance.random() < 0.3 else "champion"
        would_alert = bool(chance.random() < 0.5)
        is_alert = would_alert == (side == "canary")
        if not is_alert and chance.random() >= 0.1:
            bets.silence(side)
            continue
        label = float(chance.random() < EVEN)
        bets.judged(side, label, would_alert=would_alert, propensity=1.0 if is_alert else 0.1)
        capital = bets.promotion if which == "promotion" else bets.rollback
        if capital.value >= 4.0 / RISK:
            return True
    return False


@pytest.mark.parametrize("which", ["promotion", "rollback"])
def test_versions_that_are_worth_the_same_are_hardly_ever_told_apart(which: str) -> None:
    """Over 150 worlds of 200 flips each, looked at after every one: the bound is half the risk."""
    chance = np.random.default_rng(11)
    false = sum(ever_acts(chance, 200, which=which) for _ in range(150))
    assert false <= 9  # 3.75 expected at most; 10 or more has a chance of 1 %


def test_where_every_alert_is_judged_the_bound_is_kept_too() -> None:
    """No worst case to hide behind: alerts alone, on both sides, at even odds."""
    chance = np.random.default_rng(12)
    false = 0
    for _ in range(120):
        bets = _Bets(Costs(), audit_rate=0.1)
        highest = 0.0
        for _ in range(200):
            side = "canary" if chance.random() < 0.5 else "champion"
            label = float(chance.random() < EVEN)
            bets.judged(side, label, would_alert=side == "canary", propensity=1.0)
            highest = max(highest, bets.promotion.value)
        false += highest >= 4.0 / RISK
    assert false <= 8  # 3 expected at most; 9 or more has a chance of 0.5 %
