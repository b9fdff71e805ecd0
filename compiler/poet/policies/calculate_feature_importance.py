"""`calculate_feature_importance`: how much a feature's drift matters."""

import msgspec

from poet.decisions import Decisions, Rule
from poet.errors import RenderError
from poet.policies._outline import Constant, finite, only_kinds, read, single, why
from poet.policies._spec import PolicySpec

__all__ = ["SPEC", "Base", "baseline", "outline"]


class Base(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The importance of a feature of which nothing is known."""

    importance: float


def baseline(_start: str) -> tuple[Rule, ...]:
    """Give the rules of version 1, the same whatever the workspace starts from."""
    return (
        Rule(id="base", kind="base", parameters={"importance": 1.0}, reason="every feature matters alike"),
    )


def outline(decisions: Decisions) -> dict[str, object]:
    """Say what the template prints."""
    only_kinds(decisions, ("base",))
    rule = single(decisions, "base")
    importance = finite(rule, "importance", read(rule, rule.parameters, Base).importance)
    if importance <= 0.0:
        raise RenderError(f"rule {rule.id!r}: importance is {importance!r}, expected more than 0")
    return {"rule": rule.id, "constants": (Constant(rule.id, "BASE_IMPORTANCE", importance, why(rule)),)}


SPEC = PolicySpec(
    name="calculate_feature_importance",
    template="calculate_feature_importance.py.jinja",
    starts=("baseline",),
    baseline=baseline,
    outline=outline,
    learner=None,
    contract="poet.validate.calculate_feature_importance",
    words=frozenset({"importance"}),
)
