"""Rendered decisions of `generate_alerts`, and rejected ones."""

import re
from typing import Any

import msgspec
import pytest

from poet.build.check import check
from poet.build.render import render
from poet.spec import policy
from poet.spec.decisions import Decisions, Rule
from poet_runtime.alerts import to_timestamp
from poet_runtime.errors import RenderError
from poet_runtime.results import DriftResult
from tests.modules import module_of


def decisions_of(*rules: Rule) -> Decisions:
    """Return the decisions of version 2 with these additional rules."""
    first = policy("generate_alerts").version_1("")
    every = tuple(sorted((*first.rules, *rules), key=lambda rule: rule.id))
    return msgspec.structs.replace(first, version=2, revises=1, rules=every)


def source_of(*rules: Rule) -> str:
    """Return the checked source of version 2 with these rules."""
    return check(render(decisions_of(*rules))).rendered.source


def rule(identity: str, kind: str, condition: dict[str, Any], **parameters: Any) -> Rule:
    """Return an adopted rule."""
    return Rule(
        id=identity, kind=kind, condition=condition, parameters=parameters, status="adopted",
        was="individual alerts", reason="one cause",
    )  # fmt: skip


def useless(*features: str, **condition: Any) -> Rule:
    """Return a suppression of these features."""
    base = {"features": list(features), "until": 1e6, "severity_below": "high", "ratio_at_most": 2.0}
    return rule("useless-p50", "suppress", base | condition, holdout=0.1)


def cool_down(**changes: Any) -> Rule:
    """Return a cool-down."""
    numbers = {"seconds": 3600.0, "factor": 1.5} | changes
    return rule("cool-down", "cool_down", {"severity_below": "high"}, **numbers)


def group(identity: str, *features: str, at_least: int = 2) -> Rule:
    """Return a group."""
    return rule(identity, "group", {"features": list(features)}, at_least=at_least)


def batch(at_least: int = 3) -> Rule:
    """Return a batch."""
    return rule("batch", "batch", {"at_least": at_least})


def test_version_1_alerts_on_every_result() -> None:
    """Version 1 has no learned numbers and no unused imports."""
    source = source_of()
    assert "from poet_runtime.alerts import Time, plan_alerts\n" in source
    assert "import UTC, datetime" not in source
    assert source.endswith(
        '    """\n'
        "    plan = plan_alerts(drift_results, history=history, now=now, version=VERSION)\n"
        '    return plan.alert_individually(rule="every-drift")\n'
    )


def test_rules_are_rendered_in_the_order_of_execution() -> None:
    """The order is suppressions, cool-down, groups, batch, individual alerts."""
    source = source_of(
        batch(), group("group-b", "b", "c"), group("group-a", "a"), cool_down(), useless("p50")
    )
    assert re.findall(r'rule="([a-z0-9-]+)"', source) == [
        "useless-p50", "cool-down", "group-a", "group-b", "batch", "every-drift",
    ]  # fmt: skip


def test_every_number_is_a_constant_with_its_reason() -> None:
    """The reason of a rule is above its first constant; units are after the values."""
    source = source_of(cool_down(), useless("b", "a"))
    assert (
        "# Was individual alerts: one cause\n"
        "COOL_DOWN_SECONDS: Final = 3600.0  # after an alert about the same feature\n"
        "COOL_DOWN_FACTOR: Final = 1.5  # times the threshold\n"
    ) in source
    assert 'USELESS_P50_FEATURES: Final = frozenset({"a", "b"})\n' in source
    assert 'severity_below="high"' in source


def test_an_unknown_ratio_is_not_rendered() -> None:
    """A suppression without a ratio applies to any distance from the threshold."""
    assert "ratio_at_most" in source_of(useless("a"))
    assert "ratio_at_most" not in source_of(useless("a", ratio_at_most=None))


def test_summaries_reopen_only_with_a_cool_down() -> None:
    """Without a cool-down nothing is suppressed, so there is nothing to reopen."""
    assert "has_recent_summary" not in source_of(group("group-a", "a", "b"))
    assert "has_recent_summary" in source_of(group("group-a", "a", "b"), cool_down())
    assert "except_new_members_of" not in source_of(cool_down())


@pytest.mark.parametrize(
    ("until", "printed"),
    [
        (1_713_139_200.0, "datetime(2024, 4, 15, tzinfo=UTC)"),
        (0.0, "datetime(1970, 1, 1, tzinfo=UTC)"),
        (1e6 + 0.25, "datetime(1970, 1, 12, 13, 46, 40, 250000, tzinfo=UTC)"),
        (1e-7, "1e-07  # seconds since 1970"),
        (-0.5, "-0.5  # seconds since 1970"),
        (253_402_300_800.0, "253402300800.0  # seconds since 1970"),  # year 10 000
        (1e300, "1e300  # seconds since 1970"),
    ],
)
def test_an_end_is_a_date_if_the_date_is_exact(until: float, printed: str) -> None:
    """An end that no date represents exactly is rendered in seconds since 1970."""
    source = source_of(useless("a", until=until))
    assert f"USELESS_P50_UNTIL: Final = {printed}\n" in source
    assert ("from datetime import UTC, datetime\n" in source) == printed.startswith("datetime")
    end = module_of(decisions_of(useless("a", until=until))).USELESS_P50_UNTIL
    assert to_timestamp(end) == until


@pytest.mark.parametrize("name", ["p50", 'a"b', "x, y) and (z or", "é\n", "x" * 200])
def test_a_single_feature_is_printed_in_the_call(name: str) -> None:
    """Several features are a constant."""
    assert "FEATURES" not in source_of(useless(name))
    assert "FEATURES" not in source_of(useless(name, name))
    assert "USELESS_P50_FEATURES: Final" in source_of(useless(name, "other"))
    result = DriftResult(drifted=True, score=1.5, threshold=1.0, test="t", feature=name, execution_id="x9")
    plan = module_of(decisions_of(useless(name))).generate_alerts([result], now=5.0)
    assert [each.rule for each in plan.suppressed] == ["useless-p50"]


REJECTED = {
    "a floor that lets critical ones in": (useless("a", severity_below="none"), "Invalid enum value"),
    "no end": (useless("a", until=float("inf")), "until is inf"),
    "a ratio of NaN": (useless("a", ratio_at_most=float("nan")), "ratio_at_most is nan"),
    "no features": (useless(), "no features"),
    "a feature that is not text": (useless(5), "Expected `str`"),  # type: ignore[arg-type]
    "no holdout": (rule("useless-a", "suppress", useless("a").condition, holdout=0.0), "> 0.0"),
    "a holdout above 1": (rule("useless-a", "suppress", useless("a").condition, holdout=1.1), "<= 1.0"),
    "an unknown field": (useless("a", since=1.0), "unknown field"),
    "a lower threshold": (cool_down(factor=0.5), ">= 1.0"),
    "no time": (cool_down(seconds=0.0), "> 0.0"),
    "an endless pause": (cool_down(seconds=float("inf")), "seconds is inf"),
    "a group of no features": (group("group-a"), "no features"),
    "a group of none": (group("group-a", "a", at_least=0), ">= 1"),
    "a batch of none": (batch(0), ">= 1"),
    "half a batch": (batch(2.5), "Expected `int`"),  # type: ignore[arg-type]
    "an unknown kind": (rule("x", "snooze", {}), "kind"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REJECTED)
def test_malformed_rules_are_rejected(fault: str) -> None:
    """The message names the rule or the fault."""
    bad, message = REJECTED[fault]
    with pytest.raises(RenderError, match=message):
        source_of(bad)


@pytest.mark.parametrize("twice", [cool_down(), batch()], ids=lambda each: each.kind)
def test_at_most_one_cool_down_and_one_batch_are_allowed(twice: Rule) -> None:
    """Two rules of these kinds would contradict each other."""
    with pytest.raises(RenderError, match="exactly one"):
        source_of(twice, msgspec.structs.replace(twice, id="another"))
