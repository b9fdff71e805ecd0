"""Comparison of two versions on both sides of every constant: verdicts, witnesses, proofs."""

import importlib
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poet.build.compare import Behaviour, Comparison, around, compare, product, same, whole_around
from poet.build.probes import literals
from poet.build.render import render
from poet.spec import policy
from poet.spec.decisions import Decisions, Rule, decode
from poet_runtime.policies.policy import BUILT_IN
from tests.modules import module_of
from tests.names import WINDOW
from tests.regenerate_golden import golden


def behaviour(name: str) -> Behaviour:
    """Return how versions of a policy are compared."""
    found: Behaviour = importlib.import_module(policy(name).behaviour or "").BEHAVIOUR
    return found


def scenario_source(name: str) -> str:
    """Return the source of the module learned in the policy's scenario."""
    return next((golden(name) / "scenario").glob("*.py")).read_text(encoding="utf-8")


def first(name: str) -> str:
    """Return the source of version 1."""
    spec = policy(name)
    return render(spec.version_1(spec.starts[0])).source


@cache
def learned_comparison(name: str) -> Comparison:
    """Return the comparison of the version learned in a scenario with version 1."""
    return compare(first(name), scenario_source(name), behaviour(name))


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_version_is_equivalent_to_itself(name: str) -> None:
    """There is no difference, and with enough probes this is a proof."""
    found = compare(scenario_source(name), scenario_source(name), behaviour(name))
    assert found.verdict == "equivalent"
    assert not found.witnesses
    assert same(scenario_source(name), scenario_source(name), behaviour(name))


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_learned_version_differs_with_a_witness(name: str) -> None:
    """The directions are reversed if the versions are swapped."""
    there = learned_comparison(name)
    back = compare(scenario_source(name), first(name), behaviour(name))
    assert there.verdict != "equivalent"
    turned = {"stricter": "looser", "looser": "stricter", "other": "other"}
    assert {turned[way]: n for way, n in there.differ.items()} == back.differ
    assert {each.direction for each in there.witnesses} == set(there.differ)
    assert all(each.older != each.newer for each in there.witnesses)


def test_only_generate_alerts_is_compared_on_a_sample() -> None:
    """Batches and histories are unbounded. All other decisions compare inputs with constants."""
    exact = {name for name in BUILT_IN if learned_comparison(name).is_exact}
    assert exact == {*BUILT_IN} - {"generate_alerts"}


def window_decisions(bands: Mapping[float, int], everywhere: int) -> Decisions:
    """Return a version with these bands."""
    start = policy(WINDOW).version_1("")
    bounds = next(rule for rule in start.rules if rule.kind == "bounds")
    rules = [Rule(id="window", kind="band", parameters={"window": everywhere}), bounds]
    rules += [
        Rule(id=f"band-{k}", kind="band", condition={"velocity_above": above}, parameters={"window": window})
        for k, (above, window) in enumerate(sorted(bands.items()))
    ]
    return msgspec.structs.replace(start, rules=tuple(sorted(rules, key=lambda rule: rule.id)))


WINDOWS = st.integers(100, 50_000)
BANDS = st.dictionaries(st.floats(1.0, 1e6), WINDOWS, max_size=3)


@settings(max_examples=25, deadline=None)
@given(BANDS, WINDOWS, BANDS, WINDOWS, st.lists(st.floats(5e-324, 1e300), min_size=1, max_size=30))
def test_no_input_contradicts_a_verdict(
    old: dict[float, int], old_window: int, new: dict[float, int], new_window: int, velocities: list[float]
) -> None:
    """Random inputs off the grid show no difference that the verdict does not include."""
    pair = [window_decisions(old, old_window), window_decisions(new, new_window)]
    older, newer = (module_of(each) for each in pair)
    found = compare(render(pair[0]).source, render(pair[1]).source, behaviour(WINDOW))
    assert found.is_exact
    for velocity in [*velocities, *old, *new, *(math.nextafter(each, math.inf) for each in (*old, *new))]:
        one = older.calculate_adaptive_window("f", velocity, "low")
        other = newer.calculate_adaptive_window("f", velocity, "low")
        if one != other:
            assert ("stricter" if other > one else "looser") in found.differ


def test_a_threshold_moved_by_one_ulp_has_a_witness() -> None:
    """The only witness is the constant itself."""
    old, new = (window_decisions({edge: 500}, 5000) for edge in (5000.0, math.nextafter(5000.0, math.inf)))
    found = compare(render(old).source, render(new).source, behaviour(WINDOW))
    assert found.verdict == "stricter"
    assert f"data_velocity = {math.nextafter(5000.0, math.inf)!r}" in found.witnesses[0].probe


def test_constants_without_an_effect_make_no_difference() -> None:
    """A cap above every window may be any number."""
    source = first(WINDOW)
    assert same(source, source.replace("= 50000", "= 60000"), behaviour(WINDOW))
    assert not same(source, source.replace("= 50000", "= 4000"), behaviour(WINDOW))


def test_a_version_that_raises_differs_from_one_that_answers() -> None:
    """An exception is compared like any other answer."""
    source = first(WINDOW)
    broken = source.replace("window = WINDOW\n", "window = WINDOW // 0\n")
    found = compare(source, broken, behaviour(WINDOW))
    assert found.verdict == "mixed"
    assert "ZeroDivisionError" in found.witnesses[0].newer


@given(st.lists(st.floats(-100.0, 100.0), max_size=5), st.floats(-100.0, 100.0))
def test_every_number_has_an_equivalent_on_the_grid(constants: list[float], number: float) -> None:
    """For every number the grid has one on the same side of every constant."""
    grid = around(constants, -100.0, 100.0)

    def sides(x: float) -> list[tuple[bool, bool]]:
        return [(x < each, x > each) for each in constants]

    assert sides(number) in [sides(each) for each in grid]


@given(st.lists(st.integers(-100, 100), max_size=5), st.integers(-100, 100))
def test_every_whole_number_has_an_equivalent_on_the_grid(constants: list[int], number: int) -> None:
    """For every integer the grid has one on the same side of every constant."""
    grid = whole_around(constants, -100, 100)
    assert all(type(each) is int for each in grid)
    assert [(number < each, number > each) for each in constants] in [
        [(x < each, x > each) for each in constants] for x in grid
    ]


def test_too_many_combinations_become_an_even_sample() -> None:
    """Every choice occurs about equally often, and the sample is not reported as complete."""
    sampled, is_complete = product({"a": range(100), "b": range(100), "c": range(100)}, most=10_000)
    assert not is_complete
    assert len({tuple(each.values()) for each in sampled}) == 10_000
    for name in "abc":
        counts = [sum(each[name] == k for each in sampled) for k in range(100)]
        assert min(counts) > 50
        assert max(counts) < 200


def test_literals_exclude_docstrings() -> None:
    """Names that are only compared are known with the constants they are compared with."""
    found = literals(
        '"""Prose 7."""\nA = 5\nB = frozenset({"x"})\n\n\ndef f(n, name, m):\n    """More prose."""\n'
        "    if n > A and name in B and m > A:\n        return m + 1\n    return 0\n"
    )
    assert "Prose 7." not in found.texts
    assert found.numbers_against("n") == (5,)
    assert found.texts_against("name") == ("x",)
    assert found.numbers_against("m") == found.numbers


def test_literals_know_ranges_and_the_factors_of_deadlines() -> None:
    """A name in a range is only compared; a sum or an exponent in a deadline is another use."""
    head = "A = 5\nB = 9\n\n\ndef f(run):\n    if A <= run.n <= B and 3 < run.m <= run.k:\n"
    found = literals(f"{head}        return run.with_deadline(A * run.n**2.0 / run.n)\n    return run\n")
    assert found.numbers_against("n") == (5, 9)
    assert found.are_only_compared("n")
    assert not found.are_only_compared("m")
    assert not found.are_only_compared("k")
    for other in ("run.n + 1", "2.0**run.n", "max(run.n, 1)", "A * (run.n - 1)"):
        found = literals(f"{head}        return run.with_deadline({other})\n    return run\n")
        assert not found.are_only_compared("n")


def test_a_comparison_survives_a_round_trip_through_json() -> None:
    """A comparison is plain data."""
    found = learned_comparison(WINDOW)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Comparison) == found


def test_golden_decisions_are_those_of_the_compared_modules() -> None:
    """The compared modules are those that the scenarios render."""
    for name in BUILT_IN:
        decisions: Any = decode((golden(name) / "scenario" / "decisions.json").read_bytes())
        assert render(decisions).source == scenario_source(name)
