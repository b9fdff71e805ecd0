"""A candidate replayed on what was recorded: whose answers turn, when it must not replace the champion."""

from typing import Any, cast

import msgspec

from benchmarks.worlds import detect_drift as world
from benchmarks.worlds.told import Told, Utterance
from poet.build.compare import Flips
from poet.learning.configuration import LearnConfiguration
from poet.learning.learn import learn, replay
from poet.spec import policy
from poet.spec.decisions import Decisions, Rule

SPEC = policy("detect_drift")
START = SPEC.version_1(world.START)
CONFIGURATION = LearnConfiguration()


def learned(said: list[Utterance]) -> Decisions:
    """Learn from what was said."""
    return learn(SPEC, cast("Any", Told(said)), START, CONFIGURATION)


def replayed(
    said: list[Utterance], candidate: Decisions, configuration: LearnConfiguration = CONFIGURATION
) -> Flips:
    """Replay a candidate against the start on what was said."""
    found = replay(SPEC, cast("Any", Told(said)), START, candidate, configuration)
    assert found is not None
    return found


def near_and_real(said: list[Utterance], *, impact: str, id_: str = "x900") -> list[Utterance]:
    """Add a real drift that only KS finds."""
    recorded = world._execution(900, 0.3) | {"execution_id": id_}
    answer: dict[str, Any] = {"execution_id": id_, "was_real_drift": True}
    if impact:
        answer["business_impact"] = impact
    return [
        *said,
        Utterance("execution.recorded", recorded, source="poet", time=said[-1].time),
        Utterance("drift.validation", answer, source="user/ana", time=said[-1].time + 1.0),
    ]


def test_flips_are_joined_with_what_people_said() -> None:
    """In a world where the distance is right, all that turns silent was a false alarm."""
    said = world.history(1, 200)
    found = replayed(said, learned(said))
    real = sum(each.data.get("was_real_drift", False) for each in said)
    assert found.recorded == 200
    assert found.quieter.flips == found.quieter.false_alarms == 200 - real
    assert found.louder.flips == found.quieter.real == found.quieter.unlabelled == 0
    assert found.by_feature == {"page_views": 200 - real}
    assert found.precision_before.estimate == real / 200
    assert found.precision_after.estimate == 1.0
    assert found.cost_after == 0.0 < found.cost_before
    assert not found.refusal


def test_a_grave_drift_must_not_be_missed_anew() -> None:
    """One that most sources call real and of high impact; a milder one may be weighed against the alarms."""
    said = world.history(1, 200)
    candidate = learned(said)
    assert "would miss x900" in replayed(near_and_real(said, impact="critical"), candidate).refusal
    assert not replayed(near_and_real(said, impact="low"), candidate).refusal
    contradicted = near_and_real(said, impact="critical")
    for who in ("user/ben", "user/eva"):
        answer = {"execution_id": "x900", "was_real_drift": False}
        contradicted.append(Utterance("drift.validation", answer, source=who, time=said[-1].time + 2.0))
    assert not replayed(contradicted, candidate).refusal


def test_anchors_hold() -> None:
    """An execution that a person named in poet.toml is answered as people judged it."""
    said = near_and_real(world.history(1, 200), impact="")
    candidate = learned(said)
    anchored = LearnConfiguration(anchors={"detect_drift": ("x900", "never recorded")})
    assert "x900, an anchor" in replayed(said, candidate, anchored).refusal
    assert not replayed(said, candidate).refusal


def test_what_costs_more_on_the_labels_is_refused() -> None:
    """However it came about."""
    said = world.history(1, 200)
    candidate = learned(said)
    opposite = world.history(2, 400, flip_at=0)
    assert "would cost more" in replayed(opposite, candidate).refusal


def test_a_contrary_source_refuses_nothing() -> None:
    """With three tenths of the verdicts turned round, the replay without that source decides."""
    said = world.history(1, 300, hostile=0.3)
    candidate = learned(said)
    assert not candidate.behaves_as(START)
    assert not replayed(said, candidate).refusal


def test_a_persons_word_is_not_held_against_a_candidate() -> None:
    """A pin stands above the replay."""
    said = world.history(1, 200)
    candidate = learned(said)
    pinned = msgspec.structs.replace(
        candidate,
        rules=tuple(
            msgspec.structs.replace(rule, status="pinned") if rule.status == "adopted" else rule
            for rule in candidate.rules
        ),
    )
    assert not replayed(near_and_real(said, impact="critical"), pinned).refusal


def test_a_persons_veto_is_not_held_against_a_candidate() -> None:
    """Nor what decides again because of it, even where that misses a grave drift."""
    said = near_and_real(world.history(1, 200), impact="critical")
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
    kept = [rule for rule in START.rules if rule.id != "numeric"]
    everywhere = msgspec.structs.replace(start, condition={"kind": "numeric"})
    without_veto = msgspec.structs.replace(START, version=2, rules=(everywhere, *kept))
    vetoed = msgspec.structs.replace(without_veto, rules=(*without_veto.rules, veto))

    def refusal(candidate: Decisions) -> str:
        flips = replay(SPEC, cast("Any", Told(said)), found_by_ks, candidate, CONFIGURATION)
        assert flips is not None
        return flips.refusal

    assert "would miss x900" in refusal(without_veto)
    assert not refusal(vetoed)
