"""`monitor_with_recovery`: how a monitor is run so that it comes back."""

from poet.decisions import Decisions, Rule
from poet.policies._outline import only_kinds, single
from poet.policies._spec import PolicySpec

__all__ = ["SPEC", "baseline", "outline"]


def baseline(_start: str) -> tuple[Rule, ...]:
    """Give the rules of version 1, the same whatever the workspace starts from."""
    return (Rule(id="full", kind="run", reason="run it; on any error report the error"),)


def outline(decisions: Decisions) -> dict[str, object]:
    """Say what the template prints."""
    only_kinds(decisions, ("run",))
    return {"rule": single(decisions, "run").id, "constants": ()}


SPEC = PolicySpec(
    name="monitor_with_recovery",
    template="monitor_with_recovery.py.jinja",
    starts=("baseline",),
    baseline=baseline,
    outline=outline,
    learner=None,
    contract="poet.validate.monitor_with_recovery",
)
