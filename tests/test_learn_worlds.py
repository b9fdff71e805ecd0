"""Tests of the learners in simulated worlds with known truth; `benchmarks/scenarios.py` has more."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import msgspec
import pytest

from benchmarks.worlds.simulation import SimulatedSummaries, run
from poet.learning.configuration import LearnConfiguration
from poet.learning.e_factors import contrast_factors
from poet.learning.feedback_rows import excluding
from poet.learning.learn import learn
from poet.spec import policy
from poet.spec.decisions import Decisions, Rule
from poet.stats import (
    best_excluding_one,
    excludable_sources,
    leave_one_out_mixture,
    leave_one_source_out,
    outlier_source,
)

POLICIES = (
    "calculate_feature_importance",
    "generate_alerts",
    "monitor_with_recovery",
    "adaptive_monitoring_strategy",
)


@dataclass(frozen=True)
class Row:
    """One row of feedback."""

    source: str
    time: float = 0.0
    event_id: str = ""
    outcome: float = 0.0


@dataclass(frozen=True)
class Rows:
    """Rows of feedback, by kind."""

    some: Sequence[Row]
    others: Sequence[Row]


def world(name: str) -> ModuleType:
    """Return the world of a policy."""
    return importlib.import_module(f"benchmarks.worlds.{name}")


def first(name: str) -> Decisions:
    """Return version 1."""
    return policy(name).version_1("baseline")


def decided(
    name: str,
    summaries: SimulatedSummaries,
    *,
    champion: Decisions | None = None,
    configuration: LearnConfiguration | None = None,
) -> Decisions:
    """Return the decisions learned from these tables."""
    return learn(policy(name), summaries, champion or first(name), configuration or LearnConfiguration())  # type: ignore[arg-type]


def learned(decisions: Decisions) -> dict[str, Rule]:
    """Return the active learned rules, by id."""
    return {rule.id: rule for rule in decisions.active if rule.evidence}


@pytest.mark.parametrize("name", POLICIES)
def test_half_of_the_gap_to_the_oracle_is_closed_after_300_events(name: str) -> None:
    """The test has one history; `benchmarks/scenarios.py` has the mean of many."""
    path = run(name, world(name).history(1, 300), plans=4)
    assert world(name).loss(path[-1][1]) <= 0.5 * world(name).loss(first(name))


@pytest.mark.parametrize("name", POLICIES)
def test_nothing_is_adopted_on_noise(name: str) -> None:
    """If all choices cost the same, nothing is adopted in any of several looks."""
    for seed in (1, 2):
        path = run(name, world(name).history(seed, 200, kind="noise"), plans=5)
        assert not learned(path[-1][1])


@pytest.mark.parametrize("name", POLICIES)
def test_every_rule_has_a_former_value_a_reason_and_evidence(name: str) -> None:
    """The evidence has sources, a sample of events, and an e-value above its threshold."""
    for rule in learned(decided(name, SimulatedSummaries(world(name).history(1, 300)))).values():
        assert rule.was
        assert rule.reason
        assert rule.evidence is not None
        assert rule.evidence.e_value >= rule.evidence.e_value_threshold
        assert rule.evidence.sources
        assert rule.evidence.sample_events


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_log_gives_the_same_rules_for_any_champion(name: str) -> None:
    """Learning again with the result as champion changes nothing."""
    summaries = SimulatedSummaries(world(name).history(1, 300))
    once = decided(name, summaries)
    assert decided(name, summaries, champion=once).behaves_as(once)


@pytest.mark.parametrize("name", POLICIES)
def test_overrides_take_precedence_over_evidence(name: str) -> None:
    """A vetoed rule is never active; a pinned rule stays without any feedback."""
    summaries = SimulatedSummaries(world(name).history(1, 300))
    once = decided(name, summaries)
    for identity in learned(once):
        vetoed = decided(name, summaries, configuration=LearnConfiguration(vetoes={name: (identity,)}))
        assert identity not in learned(vetoed)
    (identity, rule), *_ = learned(once).items()
    pinned = decided(
        name,
        SimulatedSummaries(()),
        champion=once,
        configuration=LearnConfiguration(pins={name: (identity,)}),
    )
    assert learned(pinned)[identity] == msgspec.structs.replace(rule, status="pinned")


@pytest.mark.parametrize("name", POLICIES)
def test_missing_feedback_retires_no_rule(name: str) -> None:
    """A rule without recent events stays active, since nothing contradicts it."""
    once = decided(name, SimulatedSummaries(world(name).history(1, 300)))
    assert decided(name, SimulatedSummaries(()), champion=once).behaves_as(once)


@pytest.mark.parametrize("name", POLICIES)
def test_one_source_cannot_adopt_rules_against_the_others(name: str) -> None:
    """With half of the votes from one adversarial source, none of its claims is adopted."""
    here = world(name)
    path = run(name, here.history(1, 200, hostile=0.5), plans=2)
    assert here.loss(path[-1][1]) <= here.loss(first(name)) + 1e-9


@pytest.mark.parametrize("hostile", [0.2, 0.3])
def test_detect_drift_learns_despite_an_adversarial_source(hostile: float) -> None:
    """With a fifth or more of the labels inverted by one source, the rule on the distance is learned."""
    here = world("detect_drift")
    start = policy("detect_drift").version_1(here.START)
    path = run("detect_drift", here.history(1, 300, hostile=hostile), plans=2, start=start)
    assert here.loss(path[-1][1]) == 0.0


@pytest.mark.parametrize("name", ["calculate_adaptive_window", "generate_alerts", "monitor_with_recovery"])
def test_an_adversarial_source_adds_no_rule_and_prevents_few(name: str) -> None:
    """With a fifth of the feedback inverted, rules and their numbers follow the other sources."""
    here, start = world(name), policy(name).version_1(policy(name).starts[0])
    events = here.history(3, 450, hostile=0.2)
    honest = [each for each in events if not each.source.endswith("/hostile")]
    with_them, without = (run(name, each, plans=6, start=start)[-1][1] for each in (events, honest))
    assert {rule.id for rule in with_them.active} <= {rule.id for rule in without.active}
    assert here.loss(with_them) <= here.loss(without) + 0.15 * here.loss(start)


def test_an_outlier_source_is_one_that_costs_more_than_the_mixture() -> None:
    """The mixture costs a factor of 16; the rows of an outlier source are excluded."""
    assert outlier_source(1.0, {"ana": 15.9, "bob": 0.1}) == ""
    assert outlier_source(1.0, {"ana": 0.2, "bob": 16.1}) == "bob"
    assert outlier_source(1.0, {}) == ""
    events = Rows((Row("ana"), Row("bob")), (Row("bob"),))
    assert excluding(events, ("bob",)) == Rows([Row("ana")], [])
    assert excluding(events, ()) is events


def test_pieces_of_a_block_add_up_and_have_times() -> None:
    """A block over a long time decays piece by piece, a short one as a whole."""
    rows = [Row("ana", time=86_400.0 * k, event_id=f"e{k}", outcome=float(k % 7)) for k in range(24)]
    (block,) = contrast_factors("h", rows, lambda row: row.outcome > 3.0, outcome=lambda row: row.outcome)
    pieces = block.pieces(longest_s=3600.0)
    assert [time / 86_400.0 for time, _ in pieces] == [5.0, 11.0, 17.0, 23.0]
    assert sum(factors for _, factors in pieces) == pytest.approx(block.factors)
    assert block.pieces(longest_s=30.0 * 86_400.0) == ((block.time, block.factors),)


def test_the_leave_one_out_mixture_of_ones_is_one() -> None:
    """Weights sum to 1 for any number of sources."""
    for n in range(9):
        assert leave_one_out_mixture(1.0, [1.0] * n) == 1.0
    assert leave_one_out_mixture(10.0, []) == 10.0
    assert leave_one_out_mixture(0.0, [16.0]) == 1.0
    assert not excludable_sources(["ana", "ben"])
    assert excludable_sources([f"user/{k}" for k in range(20)]) == [f"user/{k}" for k in range(8)]


def test_one_adversarial_source_may_be_left_out_of_the_others() -> None:
    """Without ana the rest opposes, but only because of eve; without bob the others report too little."""
    values = {("ana",): -1.0, ("ana", "eve"): 2.0, ("ana", "bob"): -3.0, ("eve",): 4.0}

    def value(*excluded: str) -> float | None:
        return values.get(excluded)

    assert list(leave_one_source_out(value, ["ana", "bob", "eve"], ["ana", "bob", "eve"])) == [2.0, 4.0]
    assert list(leave_one_source_out(value, ["ana", "bob", "eve"], [])) == [-1.0, 4.0]
    assert best_excluding_one(1.0, lambda _source: 5.0, ["ana"]) == 1.0
    assert best_excluding_one(-1.0, lambda _source: None, ["ana"]) == -1.0
