"""What the learners make of simulated worlds with known truth; `benchmarks/scenarios.py` asks at length."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import msgspec
import pytest

from benchmarks.worlds.simulation import SimulatedSummaries, run
from poet.learning.configuration import LearnConfiguration
from poet.learning.e_factors import contrasts
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
    """Something that somebody said."""

    source: str
    time: float = 0.0
    event_id: str = ""
    outcome: float = 0.0


@dataclass(frozen=True)
class Rows:
    """All that was said, by kind."""

    some: Sequence[Row]
    others: Sequence[Row]


def world(name: str) -> ModuleType:
    """Give the world of a policy."""
    return importlib.import_module(f"benchmarks.worlds.{name}")


def first(name: str) -> Decisions:
    """Give version 1."""
    return policy(name).version_1("baseline")


def decided(
    name: str,
    summaries: SimulatedSummaries,
    *,
    champion: Decisions | None = None,
    configuration: LearnConfiguration | None = None,
) -> Decisions:
    """Learn from what was told."""
    return learn(policy(name), summaries, champion or first(name), configuration or LearnConfiguration())  # type: ignore[arg-type]


def learned(decisions: Decisions) -> dict[str, Rule]:
    """Give the rules in force that were learned, by id."""
    return {rule.id: rule for rule in decisions.active if rule.evidence}


@pytest.mark.parametrize("name", POLICIES)
def test_most_of_the_way_is_gone_after_three_hundred_events(name: str) -> None:
    """In one history; `benchmarks/scenarios.py` has the mean of many."""
    path = run(name, world(name).history(1, 300), plans=4)
    assert world(name).loss(path[-1][1]) <= 0.5 * world(name).loss(first(name))


@pytest.mark.parametrize("name", POLICIES)
def test_noise_teaches_nothing(name: str) -> None:
    """Where all choices cost the same, nothing is adopted, however often one looks."""
    for seed in (1, 2):
        path = run(name, world(name).history(seed, 200, kind="noise"), plans=5)
        assert not learned(path[-1][1])


@pytest.mark.parametrize("name", POLICIES)
def test_every_rule_says_what_it_was_why_and_on_which_evidence(name: str) -> None:
    """Estimate, sources, a sample of events, an e-value that clears its bar."""
    for rule in learned(decided(name, SimulatedSummaries(world(name).history(1, 300)))).values():
        assert rule.was
        assert rule.reason
        assert rule.evidence is not None
        assert rule.evidence.e_value >= rule.evidence.bar
        assert rule.evidence.sources
        assert rule.evidence.sample_events


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_log_gives_the_same_rules_whatever_was_in_force(name: str) -> None:
    """Learning again from what was learned changes nothing."""
    summaries = SimulatedSummaries(world(name).history(1, 300))
    once = decided(name, summaries)
    assert decided(name, summaries, champion=once).behaves_as(once)


@pytest.mark.parametrize("name", POLICIES)
def test_a_persons_word_comes_before_evidence(name: str) -> None:
    """A vetoed rule never acts, a pinned one stays when all feedback is gone."""
    summaries = SimulatedSummaries(world(name).history(1, 300))
    once = decided(name, summaries)
    for identity in learned(once):
        vetoed = decided(name, summaries, configuration=LearnConfiguration(vetoes={name: (identity,)}))
        assert identity not in learned(vetoed)
    (identity, kept), *_ = learned(once).items()
    pinned = decided(
        name,
        SimulatedSummaries(()),
        champion=once,
        configuration=LearnConfiguration(pins={name: (identity,)}),
    )
    assert learned(pinned)[identity] == msgspec.structs.replace(kept, status="pinned")


@pytest.mark.parametrize("name", POLICIES)
def test_silence_takes_nothing_back(name: str) -> None:
    """A rule whose events are gone from view stays: nothing spoke against it."""
    once = decided(name, SimulatedSummaries(world(name).history(1, 300)))
    assert decided(name, SimulatedSummaries(()), champion=once).behaves_as(once)


@pytest.mark.parametrize("name", POLICIES)
def test_one_source_alone_adopts_nothing_against_the_others(name: str) -> None:
    """Half of the votes from one voice that says the contrary teach nothing of what it says."""
    here = world(name)
    path = run(name, here.history(1, 200, hostile=0.5), plans=2)
    assert here.loss(path[-1][1]) <= here.loss(first(name)) + 1e-9


@pytest.mark.parametrize("hostile", [0.2, 0.3])
def test_a_contrary_source_does_not_keep_detect_drift_from_learning(hostile: float) -> None:
    """One source in five says the opposite of all others: the distance decides all the same."""
    here = world("detect_drift")
    start = policy("detect_drift").version_1(here.START)
    path = run("detect_drift", here.history(1, 300, hostile=hostile), plans=2, start=start)
    assert here.loss(path[-1][1]) == 0.0


@pytest.mark.parametrize("name", ["calculate_adaptive_window", "generate_alerts", "monitor_with_recovery"])
def test_a_contrary_source_adds_no_rule_and_keeps_the_others_from_few(name: str) -> None:
    """A fifth of the words say the opposite; what is learned is what the others say, and its numbers too."""
    here, start = world(name), policy(name).version_1(policy(name).starts[0])
    events = here.history(3, 450, hostile=0.2)
    honest = [each for each in events if not each.source.endswith("/hostile")]
    with_them, without = (run(name, each, plans=6, start=start)[-1][1] for each in (events, honest))
    assert {rule.id for rule in with_them.active} <= {rule.id for rule in without.active}
    assert here.loss(with_them) <= here.loss(without) + 0.15 * here.loss(start)


def test_an_outlier_source_is_one_that_costs_more_than_the_mixture() -> None:
    """A factor of sixteen; what it said is then left out."""
    assert outlier_source(1.0, {"ana": 15.9, "bob": 0.1}) == ""
    assert outlier_source(1.0, {"ana": 0.2, "bob": 16.1}) == "bob"
    assert outlier_source(1.0, {}) == ""
    events = Rows((Row("ana"), Row("bob")), (Row("bob"),))
    assert excluding(events, ("bob",)) == Rows([Row("ana")], [])
    assert excluding(events, ()) is events


def test_pieces_of_a_block_add_up_to_it_and_are_dated() -> None:
    """A block over a long time fades piece by piece, a short one as a whole."""
    rows = [Row("ana", time=86_400.0 * k, event_id=f"e{k}", outcome=float(k % 7)) for k in range(24)]
    (block,) = contrasts("h", rows, lambda row: row.outcome > 3.0, outcome=lambda row: row.outcome)
    pieces = block.pieces(longest_s=3600.0)
    assert [time / 86_400.0 for time, _ in pieces] == [5.0, 11.0, 17.0, 23.0]
    assert sum(factors for _, factors in pieces) == pytest.approx(block.factors)
    assert block.pieces(longest_s=30.0 * 86_400.0) == ((block.time, block.factors),)


def test_the_leave_one_out_mixture_of_ones_is_one() -> None:
    """The mean of e-values is one: shares add up to the whole, however many sources spoke."""
    for n in range(9):
        assert leave_one_out_mixture(1.0, [1.0] * n) == 1.0
    assert leave_one_out_mixture(10.0, []) == 10.0
    assert leave_one_out_mixture(0.0, [16.0]) == 1.0
    assert not excludable_sources(["ana", "ben"])
    assert excludable_sources([f"user/{k}" for k in range(20)]) == [f"user/{k}" for k in range(8)]


def test_one_adversarial_source_may_be_left_out_of_the_others() -> None:
    """Without ana the rest opposes, but only because of eve; without bob nobody reports enough."""
    values = {("ana",): -1.0, ("ana", "eve"): 2.0, ("ana", "bob"): -3.0, ("eve",): 4.0}

    def value(*excluded: str) -> float | None:
        return values.get(excluded)

    assert list(leave_one_source_out(value, ["ana", "bob", "eve"], ["ana", "bob", "eve"])) == [2.0, 4.0]
    assert list(leave_one_source_out(value, ["ana", "bob", "eve"], [])) == [-1.0, 4.0]
    assert best_excluding_one(1.0, lambda _source: 5.0, ["ana"]) == 1.0
    assert best_excluding_one(-1.0, lambda _source: None, ["ana"]) == -1.0
