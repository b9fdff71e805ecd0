"""What the decisions of `generate_alerts` become, and which are refused."""

from typing import Any

import msgspec
import pytest

from poet.build.check import check
from poet.build.render import render
from poet.spec import policy
from poet.spec.decisions import Decisions, Rule
from poet_runtime.errors import RenderError


def decisions_of(*rules: Rule) -> Decisions:
    """Give the decisions of version 2: an alert each, and these rules."""
    first = policy("generate_alerts").version_1("")
    every = tuple(sorted((*first.rules, *rules), key=lambda rule: rule.id))
    return msgspec.structs.replace(first, version=2, revises=1, rules=every)


def source_of(*rules: Rule) -> str:
    """Render version 2 with these rules, checked."""
    return check(render(decisions_of(*rules))).rendered.source


def rule(identity: str, kind: str, condition: dict[str, Any], **parameters: Any) -> Rule:
    """Give an adopted rule."""
    return Rule(
        id=identity, kind=kind, condition=condition, parameters=parameters, status="adopted",
        was="an alert each", reason="one cause",
    )  # fmt: skip


def useless(*features: str, **condition: Any) -> Rule:
    """Give a suppression of these features."""
    stated = {"features": list(features), "until": 1e6, "severity_below": "high", "ratio_at_most": 2.0}
    return rule("useless-p50", "suppress", stated | condition, holdout=0.1)


def cool_down(**changes: Any) -> Rule:
    """Give a cool-down."""
    numbers = {"seconds": 3600.0, "factor": 1.5} | changes
    return rule("cool-down", "cool_down", {"severity_below": "high"}, **numbers)


def group(identity: str, *features: str, at_least: int = 2) -> Rule:
    """Give a group."""
    return rule(identity, "group", {"features": list(features)}, at_least=at_least)


def batch(at_least: int = 3) -> Rule:
    """Give a batch."""
    return rule("batch", "batch", {"at_least": at_least})


def test_the_first_version_makes_an_alert_of_each() -> None:
    """No number is learned yet, and nothing is imported that is not used."""
    source = source_of()
    assert "(\n    drifted,\n    individual,\n    seconds,\n)" in source
    assert "suppressed" not in source
    assert "history, moment" not in source


def test_rules_stand_in_the_order_in_which_they_act() -> None:
    """Suppressions, the cool-down, groups, the batch, an alert each."""
    source = source_of(
        batch(), group("group-b", "b", "c"), group("group-a", "a"), cool_down(), useless("p50")
    )
    comments = [line.strip("# ") for line in source.splitlines() if line.startswith("    # ")]
    assert comments == ["useless-p50", "cool-down", "group-a", "group-b", "batch", "every-drift"]


def test_every_number_is_a_constant_with_its_reason() -> None:
    """The first one of a rule tells, the others point to it."""
    source = source_of(cool_down(), useless("b", "a"))
    assert "COOL_DOWN_SECONDS = 3600.0  # was an alert each: one cause\n" in source
    assert 'COOL_DOWN_FACTOR = 1.5  # as above\nCOOL_DOWN_SEVERITY_BELOW = "high"  # as above\n' in source
    assert 'USELESS_P50_FEATURES = frozenset({"a", "b"})  # was' in source


def test_a_ratio_that_nobody_knows_is_not_asked() -> None:
    """Without one, any distance is covered."""
    assert "ratio_at_most" in source_of(useless("a"))
    assert "ratio_at_most" not in source_of(useless("a", ratio_at_most=None))


def test_summaries_reopen_only_where_there_is_a_pause() -> None:
    """Nothing is held back without one, so there is nothing to reopen."""
    assert "is_open" not in source_of(group("group-a", "a", "b"))
    assert "is_open" in source_of(group("group-a", "a", "b"), cool_down())
    assert "groups=" not in source_of(cool_down())


REFUSED = {
    "a floor that lets critical ones in": (useless("a", severity_below="none"), "Invalid enum value"),
    "no end": (useless("a", until=float("inf")), "until is inf"),
    "a ratio of NaN": (useless("a", ratio_at_most=float("nan")), "ratio_at_most is nan"),
    "no features": (useless(), "no features"),
    "a feature that is no text": (useless(5), "Expected `str`"),  # type: ignore[arg-type]
    "nobody asked": (rule("useless-a", "suppress", useless("a").condition, holdout=0.0), "> 0.0"),
    "all asked and more": (rule("useless-a", "suppress", useless("a").condition, holdout=1.1), "<= 1.0"),
    "an unknown field": (useless("a", since=1.0), "unknown field"),
    "a lower bar": (cool_down(factor=0.5), ">= 1.0"),
    "no time": (cool_down(seconds=0.0), "> 0.0"),
    "an endless pause": (cool_down(seconds=float("inf")), "seconds is inf"),
    "a group of no features": (group("group-a"), "no features"),
    "a group of none": (group("group-a", "a", at_least=0), ">= 1"),
    "a batch of none": (batch(0), ">= 1"),
    "half a batch": (batch(2.5), "Expected `int`"),  # type: ignore[arg-type]
    "an unknown kind": (rule("x", "snooze", {}), "kind"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_malformed_rules_are_refused(fault: str) -> None:
    """The message names the rule or what is wrong with it."""
    bad, says = REFUSED[fault]
    with pytest.raises(RenderError, match=says):
        source_of(bad)


@pytest.mark.parametrize("twice", [cool_down(), batch()], ids=lambda each: each.kind)
def test_one_pause_and_one_batch_are_all_there_is(twice: Rule) -> None:
    """Two would contradict each other."""
    with pytest.raises(RenderError, match="exactly one"):
        source_of(twice, msgspec.structs.replace(twice, id="another"))
