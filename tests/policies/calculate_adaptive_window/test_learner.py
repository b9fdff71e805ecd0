"""The window learner: the seed's branches from the seed's events, and nothing from noise."""

import math
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import pytest

from benchmarks.window import (
    STABLE,
    Row,
    bounds,
    branches,
    ever_adopts,
    noise_event,
    scenario_event,
    stable,
    summaries_of,
    window_at,
)
from poet.learning.configuration import Bounds, LearnConfiguration
from poet.learning.feedback_rows import floored
from poet.policies.calculate_adaptive_window.learner.learn import learn
from poet.policies.calculate_adaptive_window.learner.readings import (
    band_of,
    gather,
    hypothesis_weights,
    snapped,
)
from poet.policies.calculate_adaptive_window.policy import SPEC
from poet.spec.decisions import Decisions, Rule, decode, encode

POLICY = "calculate_adaptive_window"
START = SPEC.version_1("baseline")
Events = list[tuple[str, Row]]


def delay(window: int, hours: float, *, velocity: float = 8_000.0, **more: Any) -> tuple[str, Row]:
    """Make a delay reported in the fast band."""
    return "delays", {"window_size": window, "delay_hours": hours, "data_velocity": velocity, **more}


def noise(
    window: int, alarms: float, feature: str, *, velocity: float = 8_000.0, **more: Any
) -> tuple[str, Row]:
    """Make a report of noise."""
    said = {
        "window_size": window,
        "false_alarms_per_day": alarms,
        "feature": feature,
        "data_velocity": velocity,
    }
    return "noise", said | more


def run(window: int, *, timed_out: bool, **more: Any) -> tuple[str, Row]:
    """Make a report of performance."""
    return "performance", {"window_size": window, "timeout_occurred": timed_out, **more}


def fast_delays(n: int, *, seed: int = 0, **more: Any) -> Events:
    """Make delays that grow with the window: half an hour with 500, five with 5000."""
    rng = np.random.default_rng(seed)
    windows = rng.choice((500, 5_000), size=n)
    return [delay(int(w), float(w / 1_000 * rng.lognormal(0, 0.3)), **more) for w in windows]


def seed_events(n: int, *, seed: int = 0) -> Events:
    """Draw `n` events of each kind, shaped like the seed's scenario."""
    rng = np.random.default_rng(seed)
    return [scenario_event(rng, kind) for _ in range(n) for kind in ("delays", "noise", "performance")]


def learned(
    events: Iterable[tuple[str, Row]], *, champion: Decisions = START, **configuration: Any
) -> Decisions:
    """Learn from events in log order."""
    return learn(summaries_of(events), champion, LearnConfiguration(**configuration))


def rule(decisions: Decisions, identity: str) -> Rule:
    """Give the rule of this id."""
    return next(rule for rule in decisions.rules if rule.id == identity)


def answer(decisions: Decisions, feature: str, velocity: float, stability: str) -> int:
    """Answer as the generated module does."""
    window = window_at(decisions, velocity)
    features, multiplier = stable(decisions)
    if feature in features or stability in ("high", "critical"):
        window *= multiplier
    minimum, cap = bounds(decisions)
    return max(minimum, min(window, cap))


def _weighted_evidence(seed: int) -> float:
    """Give the sum of weight times e-value after forty events of noise; unused weight keeps its stake."""
    rng = np.random.default_rng([5, seed])
    case = gather(summaries_of([noise_event(rng) for _ in range(40)]), START, LearnConfiguration())
    weights = hypothesis_weights(case.cap_sizes)
    stakes = [(weights[name], verdict.e_value) for name, verdict in case.tests.items()]
    return 1.0 + sum(weight * (e_value - 1.0) for weight, e_value in stakes)


def test_the_seed_scenario_teaches_the_seed_branches() -> None:
    """Fast 500, slow 5000, revenue and conversions doubled, never above 45 000."""
    decisions = learned(seed_events(180))
    assert window_at(decisions, 8_000.0) == 500
    assert window_at(decisions, 1_000.0) == 5_000
    assert stable(decisions) == (STABLE, 2)
    assert bounds(decisions) == (100, 45_000)


def test_nearly_every_history_of_the_seed_scenario_gets_there() -> None:
    """Of six histories with sixty relevant events a branch at least five have all branches."""
    found = [branches(seed, 180, every=60) for seed in range(6)]
    assert sum(all(history.values()) for history in found) >= 5


def test_noise_teaches_nothing() -> None:
    """No history of noise adopts a rule, looked at after every 50 of 300 events."""
    assert sum(ever_adopts(seed, every=50) for seed in range(8)) == 0


def test_under_noise_the_weighted_evidence_is_worth_what_was_paid_for_it() -> None:
    """The mean of the weighted e-values of all hypotheses is at most one: nothing is counted twice."""
    totals = [_weighted_evidence(seed) for seed in range(120)]
    assert np.mean(totals) <= 1.0 + 3.0 * np.std(totals) / math.sqrt(len(totals))


def test_no_events_change_nothing() -> None:
    """An empty log gives the champion's behaviour."""
    assert learned([]).behaves_as(START)


def test_the_same_log_gives_the_same_bytes_and_they_are_read_back() -> None:
    """Learning is pure and its document survives JSON."""
    once, again = learned(seed_events(60)), learned(seed_events(60))
    assert encode(once) == encode(again)
    assert decode(encode(once)) == once


def test_learning_again_from_what_was_learned_changes_nothing() -> None:
    """The same log with its own result as champion behaves the same and keeps its words."""
    once = learned(seed_events(180))
    twice = learned(seed_events(180), champion=once)
    assert twice.behaves_as(once)
    assert [(r.id, r.was, r.reason, r.since_version) for r in twice.active] == [
        (r.id, r.was, r.reason, r.since_version) for r in once.active
    ]


def test_a_rule_says_what_it_was_and_why() -> None:
    """The sentence, the e-value over its bar, intervals that hold and a few events."""
    fast = rule(learned(fast_delays(60)), "fast")
    assert (fast.condition, fast.parameters, fast.was) == (
        {"velocity_above": 5_000.0},
        {"window": 500},
        "5000",
    )
    assert fast.reason.startswith("0.5")
    assert fast.evidence is not None
    assert fast.evidence.e_value > fast.evidence.bar
    (before,), (after,) = fast.evidence.before, fast.evidence.after
    assert after.low < 0.5 < after.high < before.low < 5.0 < before.high
    assert len(fast.evidence.sample_events) == 5
    assert sum(fast.evidence.sources.values()) == 60


def test_a_held_rule_says_how_many_more_events_it_needs() -> None:
    """A little evidence holds the rule, more of the same adopts it about when it said."""
    held = rule(learned(fast_delays(8, seed=2)), "fast")
    assert held.status == "held"
    assert held.evidence is not None
    assert held.evidence.events_needed is not None
    assert rule(learned(fast_delays(8 + 3 * held.evidence.events_needed, seed=2)), "fast").status == "adopted"


def test_nothing_is_learned_for_a_band_without_feedback() -> None:
    """Above 50 000 points an hour nobody said anything: the untuned window holds."""
    decisions = learned(fast_delays(60))
    assert window_at(decisions, 50_000.0) == 500
    assert window_at(decisions, 50_001.0) == 5_000


def test_neighbouring_bands_with_one_answer_share_a_rule() -> None:
    """Feedback on both sides of a border and one answer: one rule, without a restoring one between."""
    both = fast_delays(60) + fast_delays(60, seed=1, velocity=100_000.0)
    decisions = learned(both)
    assert [r.id for r in decisions.active if r.kind == "band"] == ["fast", "window"]


def test_a_window_outside_the_observed_range_is_never_chosen() -> None:
    """Delays that fall without end still give the smallest window that was tried."""
    windows = [200, 2_000] * 30
    decisions = learned([delay(w, w / 100 + n % 7 / 10) for n, w in enumerate(windows)])
    assert window_at(decisions, 8_000.0) == 200


def test_a_window_nobody_used_is_never_chosen() -> None:
    """Windows of 700 and 7000 are compared on the grid, and 700 is the answer, not 500."""
    decisions = learned([delay(w, w / 1_000 + n % 7 / 10) for n, w in enumerate([700, 7_000] * 30)])
    assert window_at(decisions, 8_000.0) == 700


def test_a_window_used_in_another_band_only_is_no_candidate() -> None:
    """Slow features were watched with 1000 points; fast ones were not, and choose among their own."""
    slow = [
        noise(w, 20_000 / w + n % 3, "age", velocity=200.0) for n, w in enumerate([200, 1_000, 5_000] * 10)
    ]
    decisions = learned(fast_delays(60) + slow)
    assert window_at(decisions, 8_000.0) in (500, 5_000)


def test_a_window_whose_noise_is_unknown_is_not_chosen() -> None:
    """Noise was only ever reported from 2000 points on: 500 is quicker, but nobody knows how noisy."""
    quiet = [noise(w, 1.0 + n % 3, "age") for n, w in enumerate([2_000, 5_000] * 10)]
    decisions = learned(fast_delays(60) + quiet)
    assert window_at(decisions, 8_000.0) >= 2_000


def test_larger_windows_are_learned_where_small_ones_are_noisy() -> None:
    """False alarms that fall and delays that hardly grow: 10 000 instead of 5000."""
    events = [
        event
        for n in range(40)
        for w in (5_000, 10_000)
        for event in (
            noise(w, (20.0 if w == 5_000 else 4.0) + n % 5 / 10, "age", velocity=1_000.0),
            delay(w, 1.0 + n % 5 / 10, velocity=1_000.0),
        )
    ]
    decisions = learned(events)
    assert window_at(decisions, 1_000.0) == 10_000
    assert window_at(decisions, 200.0) == 5_000


def test_memory_beyond_the_configured_limit_counts_like_a_time_out() -> None:
    """The same runs cap nothing without the limit."""
    runs = [
        run(w, timed_out=False, memory_usage_mb=w / 20) for _ in range(20) for w in (1_000, 5_000, 20_000)
    ]
    assert bounds(learned(runs)) == (100, 50_000)
    assert bounds(learned(runs, bounds=Bounds(memory_cap_mb=512.0))) == (100, 18_000)


def test_time_outs_at_every_size_cap_nothing() -> None:
    """A machine that is always slow says nothing about windows."""
    rng = np.random.default_rng(3)
    sizes = rng.choice((1_000, 5_000, 50_000), size=120)
    assert bounds(learned([run(int(w), timed_out=bool(rng.random() < 0.3)) for w in sizes])) == (100, 50_000)


def test_evidence_that_turned_retires_the_rule() -> None:
    """Delays grow with the window for a while, then no more: the rule goes, and says why."""
    first = fast_delays(60)
    champion = learned(first)
    rng = np.random.default_rng(4)
    since = [delay(int(w), float(5_000 / w)) for w in rng.choice((500, 5_000), size=1_200)]
    after = learned(first + since, champion=champion)
    assert window_at(after, 8_000.0) == 5_000
    gone = rule(after, "fast")
    assert gone.status == "retired"
    assert gone.reason == "what was learned since speaks against it"


def test_a_champion_is_kept_while_nothing_speaks_against_it() -> None:
    """When feedback on a band falls silent and fades its rule stays."""
    first = fast_delays(60)
    champion = learned(first)
    later = [run(500, timed_out=False) for _ in range(3_000)]
    assert window_at(learned(first + later, champion=champion), 8_000.0) == 500


def test_one_source_against_all_others_adopts_nothing() -> None:
    """A loud source is right only as long as nobody contradicts it."""
    loud = fast_delays(80, source="user/loud", time=None)
    loud = [(kind, row | {"time": 3_600.0 * n}) for n, (kind, row) in enumerate(loud)]
    rng = np.random.default_rng(5)
    others = [
        delay(int(w), float(6.0 - w / 1_000), source=f"user/{n % 3}", time=3_600.0 * n)
        for n, w in enumerate(rng.choice((500, 5_000), size=15))
    ]
    assert window_at(learned(loud), 8_000.0) == 500
    contradicted = learned(loud + others)
    assert window_at(contradicted, 8_000.0) == 5_000
    assert rule(contradicted, "fast").status == "held"


def test_a_burst_of_one_source_is_capped() -> None:
    """A thousand reports in an hour count as fifty, and the notes say so."""
    flood = [(kind, row | {"source": "bot", "time": 1.0}) for kind, row in fast_delays(1_000)]
    decisions = learned(flood)
    assert "50 delays" in decisions.notes[0]
    assert decisions.notes[1].startswith("950 rows are set aside")


def test_a_pinned_rule_stays_whatever_is_learned() -> None:
    """A person's 800 stands against evidence for 500, and against evidence for nothing."""
    champion = learned(fast_delays(60))
    edited = [
        msgspec.structs.replace(r, parameters={"window": 800}, status="pinned") if r.id == "fast" else r
        for r in champion.rules
    ]
    pinned = msgspec.structs.replace(champion, rules=tuple(edited))
    for events in (seed_events(60), [], fast_delays(60)):
        assert rule(learned(events, champion=pinned), "fast").parameters == {"window": 800}
        assert rule(learned(events, champion=pinned), "fast").status == "pinned"


def test_a_pin_in_the_configuration_keeps_the_champions_rule() -> None:
    """The window for every other velocity, the bounds and the features can be pinned as well."""
    champion = learned(seed_events(180))
    pins = {POLICY: ("bounds", "stable", "fast")}
    kept = learned([], champion=champion, pins=pins)
    assert kept.behaves_as(champion)
    assert rule(kept, "bounds").status == "pinned"


def test_a_vetoed_rule_never_acts() -> None:
    """What a person removed is listed as vetoed, and stays so in the next version."""
    vetoes = {POLICY: ("bounds", "stable", "fast", "very-fast")}
    decisions = learned(seed_events(180), vetoes=vetoes)
    assert decisions.behaves_as(START)
    assert rule(decisions, "stable").status == "vetoed"
    assert rule(learned(seed_events(180), champion=decisions), "stable").status == "vetoed"


def test_features_with_hostile_names_are_learned_like_any_other() -> None:
    """A name is data: it lands in the feature list and in no sentence."""
    name = '"]; import os #\n'
    rng = np.random.default_rng(6)
    reports = [
        noise(500, (12.0 if f == name else 1.0) * float(rng.lognormal(0, 0.3)), f)
        for f in rng.choice((name, "age", "income"), size=90)
    ]
    decisions = learned(reports)
    assert stable(decisions) == ((name,), 2)
    assert "import" not in rule(decisions, "stable").reason


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_learned_keeps_the_contract(seed: int) -> None:
    """Positive, within bounds, total, and never smaller for a stricter requirement."""
    decisions = learned(seed_events(20 + 40 * seed, seed=seed))
    minimum, cap = bounds(decisions)
    for velocity in (1e-9, 50.0, 5_000.0, 5_000.1, 1e12):
        for feature in ("revenue", "never seen"):
            windows = [answer(decisions, feature, velocity, s) for s in ("low", "normal", "high", "critical")]
            assert windows == sorted(windows)
            assert minimum <= windows[0] <= windows[-1] <= cap
    assert SPEC.outline(decisions)["bands"]


def test_rows_without_a_window_or_outcome_are_set_aside() -> None:
    """They are counted in the notes and teach nothing."""
    decisions = learned([delay(500, float("nan")), ("delays", {"delay_hours": 1.0, "data_velocity": 9e3})])
    assert decisions.notes[1].startswith("2 rows are set aside")


@pytest.mark.parametrize(
    ("window", "nearest", "at_most"),
    [(1, 1, 1), (3, 2, 2), (4, 5, 2), (450, 500, 200), (5_000, 5_000, 5_000), (45_000, 50_000, 20_000)],
)
def test_windows_snap_to_a_fixed_grid(window: int, nearest: int, at_most: int) -> None:
    """The nearest of 1, 2, 5 times a power of ten by ratio, or the largest that is not above."""
    assert (snapped(window), floored(window)) == (nearest, at_most)


def test_a_border_belongs_to_the_band_below() -> None:
    """Exactly 5000 points an hour is not above 5000."""
    assert [band_of(v) for v in (5_000.0, 5_000.1, 1e9, None)] == [2, 3, 4, None]
