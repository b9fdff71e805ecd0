"""`generate_alerts`: which drifted results become which alerts."""

from poet.decisions import Decisions, Rule
from poet.policies._outline import only_kinds, single
from poet.policies._spec import PolicySpec

__all__ = ["SPEC", "baseline", "outline"]


def baseline(_start: str) -> tuple[Rule, ...]:
    """Give the rules of version 1, the same whatever the workspace starts from."""
    return (Rule(id="every-drift", kind="individual", reason="one alert per drifted result"),)


def outline(decisions: Decisions) -> dict[str, object]:
    """Say what the template prints."""
    only_kinds(decisions, ("individual",))
    return {"rule": single(decisions, "individual").id, "constants": ()}


SPEC = PolicySpec(
    name="generate_alerts",
    template="generate_alerts.py.jinja",
    starts=("baseline",),
    baseline=baseline,
    outline=outline,
    learner=None,
    contract="poet.validate.generate_alerts",
)
