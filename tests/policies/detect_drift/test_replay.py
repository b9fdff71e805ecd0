"""Replay of a candidate on recorded executions: changed answers, and reasons to refuse it."""

from typing import Any, cast

import msgspec

from benchmarks.worlds import detect_drift as world
from benchmarks.worlds.simulation import SimulatedEvent, SimulatedSummaries
from poet.build.compare import Flips
from poet.learning.configuration import LearnConfiguration
from poet.learning.learn import learn, replay
from poet.spec import policy
from poet.spec.decisions import Decisions, Rule

SPEC = policy("detect_drift")
START = SPEC.version_1(world.START)
CONFIGURATION = LearnConfiguration()


def learned(events: list[SimulatedEvent]) -> Decisions:
    """Return the decisions learned from events."""
    return learn(SPEC, cast("Any", SimulatedSummaries(events)), START, CONFIGURATION)


def replayed(
    events: list[SimulatedEvent], candidate: Decisions, configuration: LearnConfiguration = CONFIGURATION
) -> Flips:
    """Return the replay of a candidate against the preset on events."""
    found = replay(SPEC, cast("Any", SimulatedSummaries(events)), START, candidate, configuration)
    assert found is not None
    return found


def near_and_real(events: list[SimulatedEvent], *, impact: str, id_: str = "x900") -> list[SimulatedEvent]:
    """Return the events with one more real drift that only KS detects."""
    recorded = world._execution(900, 0.3) | {"execution_id": id_}
    answer: dict[str, Any] = {"execution_id": id_, "was_real_drift": True}
    if impact:
        answer["business_impact"] = impact
    return [
        *events,
        SimulatedEvent("execution.recorded", recorded, source="poet", time=events[-1].time),
        SimulatedEvent("drift.validation", answer, source="user/ana", time=events[-1].time + 1.0),
    ]


def test_flips_are_joined_with_labels() -> None:
    """All dropped alerts were false alarms in a world where the calibrated distance is right."""
    events = world.history(1, 200)
    found = replayed(events, learned(events))
    real = sum(each.data.get("was_real_drift", False) for each in events)
    assert found.recorded == 200
    assert found.fewer_alerts.flips == found.fewer_alerts.false_alarms == 200 - real
    assert found.more_alerts.flips == found.fewer_alerts.real == found.fewer_alerts.unlabeled == 0
    assert found.by_feature == {"page_views": 200 - real}
    assert found.precision_before.estimate == real / 200
    assert found.precision_after.estimate == 1.0
    assert found.cost_after == 0.0 < found.cost_before
    assert not found.refusal


def test_a_candidate_must_not_newly_miss_a_severe_drift() -> None:
    """A severe drift is labeled real by most sources; a milder one may be weighed against false alarms."""
    events = world.history(1, 200)
    candidate = learned(events)
    assert "would miss x900" in replayed(near_and_real(events, impact="critical"), candidate).refusal
    assert not replayed(near_and_real(events, impact="low"), candidate).refusal
    contradicted = near_and_real(events, impact="critical")
    for who in ("user/ben", "user/eva"):
        answer = {"execution_id": "x900", "was_real_drift": False}
        contradicted.append(
            SimulatedEvent("drift.validation", answer, source=who, time=events[-1].time + 2.0)
        )
    assert not replayed(contradicted, candidate).refusal


def test_a_candidate_must_match_the_anchors() -> None:
    """An anchor is an execution in poet.toml whose label every version must match."""
    events = near_and_real(world.history(1, 200), impact="")
    candidate = learned(events)
    anchored = LearnConfiguration(anchors={"detect_drift": ("x900", "never recorded")})
    assert "x900, an anchor" in replayed(events, candidate, anchored).refusal
    assert not replayed(events, candidate).refusal


def test_a_candidate_that_costs_more_on_the_labels_is_refused() -> None:
    """The reason of the change does not matter."""
    events = world.history(1, 200)
    candidate = learned(events)
    opposite = world.history(2, 400, flip_at=0)
    assert "would cost more" in replayed(opposite, candidate).refusal


def test_an_adversarial_source_cannot_refuse_a_candidate() -> None:
    """With 30 % of the labels inverted by one source, the replay without that source decides."""
    events = world.history(1, 300, hostile=0.3)
    candidate = learned(events)
    assert not candidate.behaves_as(START)
    assert not replayed(events, candidate).refusal


def test_a_pin_does_not_count_against_a_candidate() -> None:
    """A pin takes precedence over the replay."""
    events = world.history(1, 200)
    candidate = learned(events)
    pinned = msgspec.structs.replace(
        candidate,
        rules=tuple(
            msgspec.structs.replace(rule, status="pinned") if rule.status == "adopted" else rule
            for rule in candidate.rules
        ),
    )
    assert not replayed(near_and_real(events, impact="critical"), pinned).refusal


def test_a_veto_does_not_count_against_a_candidate() -> None:
    """The rule that applies again because of a veto does not count, even if it misses a severe drift."""
    events = near_and_real(world.history(1, 200), impact="critical")
    champion = learned(world.history(1, 200))
    seasonal = next(rule for rule in champion.active if rule.evidence)
    found_by_ks = msgspec.structs.replace(
        START,
        rules=tuple(
            msgspec.structs.replace(rule, id="by-hand", status="adopted") if rule.id == "numeric" else rule
            for rule in START.rules
        ),
    )
    start = msgspec.structs.replace(seasonal, id="again", status="start", evidence=None)
    veto = Rule(id="by-hand", kind="decide", status="vetoed")
    others = [rule for rule in START.rules if rule.id != "numeric"]
    everywhere = msgspec.structs.replace(start, condition={"kind": "numeric"})
    without_veto = msgspec.structs.replace(START, version=2, rules=(everywhere, *others))
    vetoed = msgspec.structs.replace(without_veto, rules=(*without_veto.rules, veto))

    def refusal(candidate: Decisions) -> str:
        flips = replay(SPEC, cast("Any", SimulatedSummaries(events)), found_by_ks, candidate, CONFIGURATION)
        assert flips is not None
        return flips.refusal

    assert "would miss x900" in refusal(without_veto)
    assert not refusal(vetoed)
