"""Tests of the gates themselves: surviving mutants fail a build, and expensive calls are refused."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from poet.build.check import CheckedModule, check
from poet.build.contract import ContractViolation, WorkloadCase
from poet.build.mutants import mutants, strength_of
from poet.build.probes import loaded
from poet.build.render import render
from poet.build.validate import ContractBrokenError, validate
from poet.build.worker import within_budget
from poet.policies.calculate_adaptive_window.behaviour import BEHAVIOUR
from poet.spec import policy
from tests.names import WINDOW

SOURCE = render(policy(WINDOW).version_1("")).source


def no_gates(_module: ModuleType, _source: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield no gate."""
    yield from ()


def only_slow(module: ModuleType, _source: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a gate that tests only slow features."""

    def attempt() -> None:
        assert module.calculate_adaptive_window("f", 10.0, "low") == 5000

    yield "slow_features", attempt


def test_every_mutant_compiles_and_differs() -> None:
    """Mutants differ from the candidate and from each other, and have a line."""
    found = mutants(SOURCE)
    assert len({SOURCE, *(each.source for each in found)}) == len(found) + 1
    for each in found:
        compile(each.source, "mutant", "exec")
        assert 1 <= each.line <= len(SOURCE.splitlines())


UPDATES = """\
def f(x):
    if x > 2:
        x *= 2
    elif x > 1:
        x -= 1
    return x
"""


def test_updates_and_chains_have_mutants() -> None:
    """An update gets another operator or is left out, and two branches of a chain are swapped."""
    found = {each.what: each.source for each in mutants(UPDATES)}
    assert "x /= 2" in found["MultiplyAssign becomes DivideAssign"]
    assert "x += 1" in found["SubtractAssign becomes AddAssign"]
    missing = [each.source for each in mutants(UPDATES) if each.what == "a statement is missing"]
    assert {"x *= 2" in each for each in missing} == {"x -= 1" in each for each in missing} == {True, False}
    swapped = "    if x > 1:\n        x -= 1\n    elif x > 2:\n        x *= 2\n"
    assert swapped in found["two branches are swapped"]


def test_without_gates_every_mutant_that_loads_survives() -> None:
    """Survivors are reported with their line and change."""
    found = mutants(SOURCE)
    strength = strength_of(SOURCE, found, no_gates, None)
    assert strength.mutants == len(found) == len(strength.survivors) + strength.refused.get("import", 0)
    assert any("becomes 5001" in each for each in strength.survivors)


def test_a_mutant_that_passes_the_gates_is_compared() -> None:
    """A cap above every window is equivalent, another window is refused, and the rest survives."""
    strength = strength_of(SOURCE, mutants(SOURCE), only_slow, BEHAVIOUR)
    assert strength.refused["slow features"] > 0
    assert strength.equivalent > 0
    assert strength.mutants == sum(strength.refused.values()) + strength.equivalent + len(strength.survivors)
    unproved = strength_of(SOURCE, mutants(SOURCE), only_slow, None)
    assert unproved.equivalent == 0
    assert len(unproved.survivors) == strength.equivalent + len(strength.survivors)


def test_a_survivor_fails_the_build(tmp_path: Path) -> None:
    """No gate notices a change in a branch without a decision, for names that are never tested."""
    good = check(render(policy(WINDOW).version_1("")))
    hidden = "    if len(feature_name) > 40:\n        window = window + 0\n    return "
    source = good.rendered.source.replace("    return ", hidden)
    bad = CheckedModule(dataclasses.replace(good.rendered, source=source), good.sha256)
    with pytest.raises(ContractBrokenError, match="'mutants'") as raised:
        validate(bad, staging=tmp_path, effort=25)
    assert "the contract accepts these mutants" in str(raised.value)
    assert raised.value.report.strength is not None
    assert raised.value.report.strength.survivors


def workload(work: str = "much") -> WorkloadCase:
    """Return a call with a workload."""
    return WorkloadCase(work, lambda: ((), {}))


def quick() -> int:
    """Return almost immediately."""
    return sum(range(1000))


def test_a_call_may_take_at_most_ten_times_as_long() -> None:
    """The limit is 10 times the champion plus 50 ms, or the limit of a call if there is no champion."""

    def slow() -> None:
        time.sleep(0.15)

    assert within_budget(quick, quick, [workload()], call_s=5.0) == 4
    assert within_budget(slow, slow, [workload()], call_s=5.0) == 4
    assert within_budget(slow, None, [workload()], call_s=5.0) == 4
    with pytest.raises(ContractViolation, match="much: takes more than 10 times as long"):
        within_budget(slow, quick, [workload()], call_s=5.0)


def test_a_call_may_take_at_most_four_times_the_memory() -> None:
    """The limit is 4 times the champion plus 32 MiB."""

    def greedy() -> Any:
        return bytearray(64 << 20)

    def modest() -> None:
        time.sleep(0.1)

    assert within_budget(greedy, greedy, [workload()], call_s=5.0) == 4
    with pytest.raises(ContractViolation, match="much: takes more than 4 times the memory"):
        within_budget(greedy, modest, [workload()], call_s=5.0)


def test_a_slow_candidate_is_refused_by_its_budget(tmp_path: Path) -> None:
    """The sandbox compares it with the active version."""
    good = check(render(policy("calculate_feature_importance").version_1("")))
    source = good.rendered.source
    assert "    return float(" in source
    loops = "    for _ in [0] * 4000:\n        for _ in [0] * 4000:\n            pass\n"
    slow = source.replace("    return float(", f"{loops}    return float(")
    bad = CheckedModule(dataclasses.replace(good.rendered, source=slow), good.sha256)
    with pytest.raises(ContractBrokenError, match="'budget'"):
        validate(bad, staging=tmp_path, effort=1, champion=source)


def test_the_candidate_of_these_tests_works() -> None:
    """With a defective candidate the other tests would show nothing."""
    assert loaded(SOURCE, "window").calculate_adaptive_window("f", 10.0, "low") == 5000
