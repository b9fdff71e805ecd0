"""Tests that modules with a deliberate mistake are refused by the right gate."""

import importlib
from pathlib import Path

import pytest

from poet.build.render import RenderedModule
from poet.build.sandbox import Limits
from poet.spec import policies, policy
from tests.variants import Bad, Good, edited, gate_of

QUICK, THOROUGH = 12, 20  # examples per property; only the second tests mutants
LIMITS = Limits(call_cpu_s=1.0)
POLICIES = [spec.name for spec in policies()]
BAD: dict[str, tuple[str, Bad]] = {
    f"{name} {each.what}": (name, each)
    for name in POLICIES
    for each in importlib.import_module(f"tests.policies.{name}.bad_modules").BAD
}
TAME = [what for what, (_, bad) in BAD.items() if "sandbox" not in (bad.gate, bad.behind)]
HOSTILE = [what for what in BAD if what not in TAME]


def check_refused(what: str, tmp_path: Path) -> None:
    """Check that a bad module is refused by its gate and, without the dialect, by the second one."""
    name, bad = BAD[what]
    check_gate(edited(name, bad), bad.gate, tmp_path)
    if bad.behind:
        check_gate(edited(name, bad), bad.behind, tmp_path, has_dialect=False)


def check_gate(module: RenderedModule, expected: str, tmp_path: Path, *, has_dialect: bool = True) -> None:
    """Check that a gate refuses a module, with few examples or with as many as in a compile."""
    gate, message = "", ""
    for effort in (QUICK, THOROUGH):
        gate, message = gate_of(module, tmp_path, effort=effort, limits=LIMITS, has_dialect=has_dialect)
        if gate == expected:
            return
    pytest.fail(f"refused by {gate!r}, expected {expected!r}: {message}")


@pytest.mark.usefixtures("_forked")
@pytest.mark.parametrize("what", TAME)
def test_a_bad_module_is_refused_by_the_right_gate(tmp_path: Path, what: str) -> None:
    """Candidates are forked from one process."""
    check_refused(what, tmp_path)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_module_is_refused_in_a_new_process(tmp_path: Path, what: str) -> None:
    """Candidates share nothing, as in a publication."""
    check_refused(what, tmp_path)


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_has_at_least_ten_bad_modules(name: str) -> None:
    """Each has a danger and existing gates. At least half of them are in the dialect."""
    found = [bad for own, bad in BAD.values() if own == name]
    assert len(found) == len(importlib.import_module(f"tests.policies.{name}.bad_modules").BAD) >= 10
    contract = importlib.import_module(policy(name).contract).CONTRACT
    gates = {"", "dialect", "signature", "boundary table", "sandbox", "mutants"}
    gates |= {prove.__name__.replace("_", " ") for prove in contract.properties}
    assert {gate for bad in found for gate in (bad.gate, bad.behind)} <= gates
    assert all(bad.danger.endswith(".") for bad in found)
    assert sum(bad.gate == "dialect" for bad in found) < len(found) / 2


def test_an_edit_that_does_not_match_exactly_once_is_an_error() -> None:
    """A change of a template must not turn a bad module into a good one."""
    for old in ("no such text", "window"):
        with pytest.raises(AssertionError, match="expected once; edit the table"):
            edited("calculate_adaptive_window", Good("x", ((old, "y"),)))
