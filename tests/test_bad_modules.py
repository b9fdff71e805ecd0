"""Modules written to be wrong are refused, each by the gate that should."""

import importlib
from pathlib import Path

import pytest

from poet.build.render import RenderedModule
from poet.build.sandbox import Limits
from poet.spec import policies, policy
from tests.variants import Bad, Good, edited, gate_of

QUICK, THOROUGH = 12, 20  # examples a property; only the second tries mutants
LIMITS = Limits(call_cpu_s=1.0)
POLICIES = [spec.name for spec in policies()]
BAD: dict[str, tuple[str, Bad]] = {
    f"{name} {each.what}": (name, each)
    for name in POLICIES
    for each in importlib.import_module(f"tests.policies.{name}.bad_modules").BAD
}
TAME = [what for what, (_, bad) in BAD.items() if "sandbox" not in (bad.gate, bad.behind)]
HOSTILE = [what for what in BAD if what not in TAME]


def refused(what: str, tmp_path: Path) -> None:
    """Demand that a bad module is refused by its gate and, were there no dialect, by the one behind it."""
    name, bad = BAD[what]
    demand(edited(name, bad), bad.gate, tmp_path)
    if bad.behind:
        demand(edited(name, bad), bad.behind, tmp_path, has_dialect=False)


def demand(module: RenderedModule, wanted: str, tmp_path: Path, *, has_dialect: bool = True) -> None:
    """Demand that a gate refuses a module: at a quick look, or at the thorough one that compiles take."""
    gate, says = "", ""
    for effort in (QUICK, THOROUGH):
        gate, says = gate_of(module, tmp_path, effort=effort, limits=LIMITS, has_dialect=has_dialect)
        if gate == wanted:
            return
    pytest.fail(f"refused by {gate!r}, expected {wanted!r}: {says}")


@pytest.mark.usefixtures("_forked")
@pytest.mark.parametrize("what", TAME)
def test_a_bad_module_is_refused_by_the_gate_that_should(tmp_path: Path, what: str) -> None:
    """With the words of that gate."""
    refused(what, tmp_path)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_module_is_refused_in_a_process_of_its_own(tmp_path: Path, what: str) -> None:
    """As before every publication: nothing is shared with another candidate."""
    refused(what, tmp_path)


@pytest.mark.parametrize("name", POLICIES)
def test_there_are_ten_bad_modules_and_more_of_every_policy(name: str) -> None:
    """Each with a danger and with gates that there are; half of them speak the dialect."""
    found = [bad for own, bad in BAD.values() if own == name]
    assert len(found) == len(importlib.import_module(f"tests.policies.{name}.bad_modules").BAD) >= 10
    contract = importlib.import_module(policy(name).contract).CONTRACT
    gates = {"", "dialect", "signature", "boundary table", "sandbox", "mutants"}
    gates |= {prove.__name__.replace("_", " ") for prove in contract.properties}
    assert {gate for bad in found for gate in (bad.gate, bad.behind)} <= gates
    assert all(bad.danger.endswith(".") for bad in found)
    assert sum(bad.gate == "dialect" for bad in found) < len(found) / 2


def test_an_edit_that_does_not_fit_exactly_once_is_an_error() -> None:
    """A template that changes must not turn a bad module into a good one."""
    for old in ("no such text", "window"):
        with pytest.raises(AssertionError, match="expected once; edit the table"):
            edited("calculate_adaptive_window", Good("x", ((old, "y"),)))
