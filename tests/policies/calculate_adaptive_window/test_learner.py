"""The window learner: the branches of the reference scenario from its events, and none from noise."""

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
from poet.learning.feedback_rows import round_down
from poet.policies.calculate_adaptive_window.learner.learn import learn
from poet.policies.calculate_adaptive_window.learner.readings import (
    band_of,
    gather,
    hypothesis_weights,
    round_to_grid,
)
from poet.policies.calculate_adaptive_window.policy import SPEC
from poet.spec.decisions import Decisions, Rule, decode, encode

POLICY = "calculate_adaptive_window"
START = SPEC.version_1("baseline")
Events = list[tuple[str, Row]]


def delay(window: int, hours: float, *, velocity: float = 8_000.0, **more: Any) -> tuple[str, Row]:
    """Return a delay in the fast band."""
    return "delays", {"window_size": window, "delay_hours": hours, "data_velocity": velocity, **more}


def noise(
    window: int, alarms: float, feature: str, *, velocity: float = 8_000.0, **more: Any
) -> tuple[str, Row]:
    """Return a report of noise."""
    report = {
        "window_size": window,
        "false_alarms_per_day": alarms,
        "feature": feature,
        "data_velocity": velocity,
    }
    return "noise", report | more


def run(window: int, *, timed_out: bool, **more: Any) -> tuple[str, Row]:
    """Return a report of performance."""
    return "performance", {"window_size": window, "timeout_occurred": timed_out, **more}


def fast_delays(n: int, *, seed: int = 0, **more: Any) -> Events:
    """Return delays that grow with the window: half an hour with 500, five hours with 5000."""
    rng = np.random.default_rng(seed)
    windows = rng.choice((500, 5_000), size=n)
    return [delay(int(w), float(w / 1_000 * rng.lognormal(0, 0.3)), **more) for w in windows]


def seed_events(n: int, *, seed: int = 0) -> Events:
    """Return `n` random events of each kind, as in the reference scenario."""
    rng = np.random.default_rng(seed)
    return [scenario_event(rng, kind) for _ in range(n) for kind in ("delays", "noise", "performance")]


def learned(
    events: Iterable[tuple[str, Row]], *, champion: Decisions = START, **configuration: Any
) -> Decisions:
    """Return the decisions learned from events in log order."""
    return learn(summaries_of(events), champion, LearnConfiguration(**configuration))


def rule(decisions: Decisions, identity: str) -> Rule:
    """Return the rule with this id."""
    return next(rule for rule in decisions.rules if rule.id == identity)


def answer(decisions: Decisions, feature: str, velocity: float, stability: str) -> int:
    """Return the answer of the generated module."""
    window = window_at(decisions, velocity)
    features, multiplier = stable(decisions)
    if feature in features or stability in ("high", "critical"):
        window *= multiplier
    minimum, cap = bounds(decisions)
    return max(minimum, min(window, cap))


def _weighted_evidence(seed: int) -> float:
    """Return the weighted sum of e-values after forty events of noise; unused weight counts as 1."""
    rng = np.random.default_rng([5, seed])
    update = gather(summaries_of([noise_event(rng) for _ in range(40)]), START, LearnConfiguration())
    weights = hypothesis_weights(update.cap_sizes)
    stakes = [(weights[name], test.e_value) for name, test in update.tests.items()]
    return 1.0 + sum(weight * (e_value - 1.0) for weight, e_value in stakes)


def test_the_reference_scenario_gives_its_branches() -> None:
    """Fast bands use 500, slow ones 5000, revenue and conversions the double, the cap is 45 000."""
    decisions = learned(seed_events(180))
    assert window_at(decisions, 8_000.0) == 500
    assert window_at(decisions, 1_000.0) == 5_000
    assert stable(decisions) == (STABLE, 2)
    assert bounds(decisions) == (100, 45_000)


def test_almost_every_history_of_the_scenario_gives_all_branches() -> None:
    """At least five of six histories with sixty relevant events per branch have all branches."""
    found = [branches(seed, 180, every=60) for seed in range(6)]
    assert sum(all(history.values()) for history in found) >= 5


def test_nothing_is_adopted_on_noise() -> None:
    """No history of noise leads to an adoption, with a look after every 50 of 300 events."""
    assert sum(ever_adopts(seed, every=50) for seed in range(8)) == 0


def test_weighted_e_values_have_mean_at_most_one_on_noise() -> None:
    """The mean of the weighted sum of all e-values is at most 1: no evidence is counted twice."""
    totals = [_weighted_evidence(seed) for seed in range(120)]
    assert np.mean(totals) <= 1.0 + 3.0 * np.std(totals) / math.sqrt(len(totals))


def test_no_events_change_nothing() -> None:
    """An empty log gives the champion's behavior."""
    assert learned([]).behaves_as(START)


def test_the_same_log_gives_the_same_bytes() -> None:
    """Learning is pure, and decoding the document gives the same decisions."""
    once, again = learned(seed_events(60)), learned(seed_events(60))
    assert encode(once) == encode(again)
    assert decode(encode(once)) == once


def test_learning_again_with_the_result_as_champion_changes_nothing() -> None:
    """The behavior and the texts of the rules are the same."""
    once = learned(seed_events(180))
    twice = learned(seed_events(180), champion=once)
    assert twice.behaves_as(once)
    assert [(r.id, r.was, r.reason, r.since_version) for r in twice.active] == [
        (r.id, r.was, r.reason, r.since_version) for r in once.active
    ]


def test_a_rule_has_a_former_value_a_reason_and_evidence() -> None:
    """The evidence has an e-value above its threshold, correct intervals and sample events."""
    fast = rule(learned(fast_delays(60)), "fast")
    assert (fast.condition, fast.parameters, fast.was) == (
        {"velocity_above": 5_000.0},
        {"window": 500},
        "5000",
    )
    assert fast.reason.startswith("0.5")
    assert fast.evidence is not None
    assert fast.evidence.e_value > fast.evidence.e_value_threshold
    (before,), (after,) = fast.evidence.before, fast.evidence.after
    assert after.low < 0.5 < after.high < before.low < 5.0 < before.high
    assert len(fast.evidence.sample_events) == 5
    assert sum(fast.evidence.sources.values()) == 60


def test_a_candidate_has_the_number_of_missing_events() -> None:
    """Little evidence gives a candidate; about as many more events as estimated adopt it."""
    candidate = rule(learned(fast_delays(8, seed=2)), "fast")
    assert candidate.status == "candidate"
    assert candidate.evidence is not None
    assert candidate.evidence.events_needed is not None
    assert (
        rule(learned(fast_delays(8 + 3 * candidate.evidence.events_needed, seed=2)), "fast").status
        == "adopted"
    )


def test_nothing_is_learned_for_a_band_without_feedback() -> None:
    """Above 50 000 points per hour there is no feedback: the untuned window applies."""
    decisions = learned(fast_delays(60))
    assert window_at(decisions, 50_000.0) == 500
    assert window_at(decisions, 50_001.0) == 5_000


def test_neighboring_bands_with_the_same_window_share_a_rule() -> None:
    """Feedback on both sides of an edge and the same window give one rule."""
    both = fast_delays(60) + fast_delays(60, seed=1, velocity=100_000.0)
    decisions = learned(both)
    assert [r.id for r in decisions.active if r.kind == "band"] == ["fast", "window"]


def test_a_window_outside_the_observed_range_is_never_chosen() -> None:
    """Delays that decrease with smaller windows give the smallest observed window."""
    windows = [200, 2_000] * 30
    decisions = learned([delay(w, w / 100 + n % 7 / 10) for n, w in enumerate(windows)])
    assert window_at(decisions, 8_000.0) == 200


def test_a_window_that_was_not_used_is_never_chosen() -> None:
    """Windows of 700 and 7000 are compared on the grid, and 700 is chosen instead of 500."""
    decisions = learned([delay(w, w / 1_000 + n % 7 / 10) for n, w in enumerate([700, 7_000] * 30)])
    assert window_at(decisions, 8_000.0) == 700


def test_a_window_of_another_band_is_not_a_candidate() -> None:
    """Only slow features used 1000 points, so fast ones cannot get this window."""
    slow = [
        noise(w, 20_000 / w + n % 3, "age", velocity=200.0) for n, w in enumerate([200, 1_000, 5_000] * 10)
    ]
    decisions = learned(fast_delays(60) + slow)
    assert window_at(decisions, 8_000.0) in (500, 5_000)


def test_a_window_whose_noise_is_unknown_is_not_chosen() -> None:
    """Noise was only reported from 2000 points on: 500 is faster, but its noise is unknown."""
    quiet = [noise(w, 1.0 + n % 3, "age") for n, w in enumerate([2_000, 5_000] * 10)]
    decisions = learned(fast_delays(60) + quiet)
    assert window_at(decisions, 8_000.0) >= 2_000


def test_larger_windows_are_learned_if_small_ones_are_noisy() -> None:
    """With fewer false alarms and similar delays, the window is 10 000 instead of 5000."""
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


def test_memory_beyond_the_configured_limit_counts_as_a_timeout() -> None:
    """Without the limit the same runs give no cap."""
    runs = [
        run(w, timed_out=False, memory_usage_mb=w / 20) for _ in range(20) for w in (1_000, 5_000, 20_000)
    ]
    assert bounds(learned(runs)) == (100, 50_000)
    assert bounds(learned(runs, bounds=Bounds(memory_cap_mb=512.0))) == (100, 18_000)


def test_timeouts_at_every_size_give_no_cap() -> None:
    """Timeouts that do not depend on size are not evidence about windows."""
    rng = np.random.default_rng(3)
    sizes = rng.choice((1_000, 5_000, 50_000), size=120)
    assert bounds(learned([run(int(w), timed_out=bool(rng.random() < 0.3)) for w in sizes])) == (100, 50_000)


def test_contradicting_evidence_retires_the_rule() -> None:
    """Delays stop growing with the window: the rule is retired with a reason."""
    first = fast_delays(60)
    champion = learned(first)
    rng = np.random.default_rng(4)
    since = [delay(int(w), float(5_000 / w)) for w in rng.choice((500, 5_000), size=1_200)]
    after = learned(first + since, champion=champion)
    assert window_at(after, 8_000.0) == 5_000
    gone = rule(after, "fast")
    assert gone.status == "retired"
    assert gone.reason == "recent feedback contradicts it"


def test_a_rule_stays_active_without_contradiction() -> None:
    """The rule of a band without recent feedback stays active."""
    first = fast_delays(60)
    champion = learned(first)
    later = [run(500, timed_out=False) for _ in range(3_000)]
    assert window_at(learned(first + later, champion=champion), 8_000.0) == 500


def test_one_source_cannot_adopt_rules_against_the_others() -> None:
    """A dominant source is decisive only without contradiction."""
    dominant = fast_delays(80, source="user/dominant", time=None)
    dominant = [(kind, row | {"time": 3_600.0 * n}) for n, (kind, row) in enumerate(dominant)]
    rng = np.random.default_rng(5)
    others = [
        delay(int(w), float(6.0 - w / 1_000), source=f"user/{n % 3}", time=3_600.0 * n)
        for n, w in enumerate(rng.choice((500, 5_000), size=15))
    ]
    assert window_at(learned(dominant), 8_000.0) == 500
    contradicted = learned(dominant + others)
    assert window_at(contradicted, 8_000.0) == 5_000
    assert rule(contradicted, "fast").status == "candidate"


def test_a_burst_of_one_source_is_capped() -> None:
    """A thousand reports in an hour count as fifty, and the notes mention it."""
    flood = [(kind, row | {"source": "bot", "time": 1.0}) for kind, row in fast_delays(1_000)]
    decisions = learned(flood)
    assert "50 delays" in decisions.notes[0]
    assert decisions.notes[1].startswith("950 rows are ignored")


def test_a_pinned_rule_never_changes() -> None:
    """A pinned window of 800 does not change with evidence for 500, or without evidence."""
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
    pinned = learned([], champion=champion, pins=pins)
    assert pinned.behaves_as(champion)
    assert rule(pinned, "bounds").status == "pinned"


def test_a_vetoed_rule_is_never_active() -> None:
    """A removed rule is listed as vetoed, also in the next version."""
    vetoes = {POLICY: ("bounds", "stable", "fast", "very-fast")}
    decisions = learned(seed_events(180), vetoes=vetoes)
    assert decisions.behaves_as(START)
    assert rule(decisions, "stable").status == "vetoed"
    assert rule(learned(seed_events(180), champion=decisions), "stable").status == "vetoed"


def test_features_with_hostile_names_are_learned() -> None:
    """A name is data: it appears in the feature list and in no text."""
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
def test_learned_decisions_satisfy_the_contract(seed: int) -> None:
    """Windows are within bounds, exist for every input, and never shrink with a stricter requirement."""
    decisions = learned(seed_events(20 + 40 * seed, seed=seed))
    minimum, cap = bounds(decisions)
    for velocity in (1e-9, 50.0, 5_000.0, 5_000.1, 1e12):
        for feature in ("revenue", "never seen"):
            windows = [answer(decisions, feature, velocity, s) for s in ("low", "normal", "high", "critical")]
            assert windows == sorted(windows)
            assert minimum <= windows[0] <= windows[-1] <= cap
    assert SPEC.outline(decisions)["bands"]


def test_rows_without_a_window_or_outcome_are_excluded() -> None:
    """The notes have their number."""
    decisions = learned([delay(500, float("nan")), ("delays", {"delay_hours": 1.0, "data_velocity": 9e3})])
    assert decisions.notes[1].startswith("2 rows are ignored")


@pytest.mark.parametrize(
    ("window", "nearest", "at_most"),
    [(1, 1, 1), (3, 2, 2), (4, 5, 2), (450, 500, 200), (5_000, 5_000, 5_000), (45_000, 50_000, 20_000)],
)
def test_windows_snap_to_a_fixed_grid(window: int, nearest: int, at_most: int) -> None:
    """The grid is 1, 2, 5 times a power of ten: the nearest by ratio, or the largest below."""
    assert (round_to_grid(window), round_down(window)) == (nearest, at_most)


def test_an_edge_belongs_to_the_band_below() -> None:
    """Exactly 5000 points per hour is not above 5000."""
    assert [band_of(v) for v in (5_000.0, 5_000.1, 1e9, None)] == [2, 3, 4, None]
