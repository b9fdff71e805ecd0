"""Rendered decisions of `monitor_with_recovery`, and rejected ones."""

from typing import Any

import msgspec
import pytest

from poet.build.check import check
from poet.build.render import render
from poet.spec import policy
from poet.spec.decisions import Decisions, Rule
from poet_runtime.errors import RenderError
from tests.policies.monitor_with_recovery.recovery_rules import (
    deadline,
    decisions_of,
    fallback,
    sample,
    sparse,
)


def source_of(*rules: Rule) -> str:
    """Return the checked source of version 2 with these rules."""
    return check(render(decisions_of(*rules))).rendered.source


def test_version_1_only_runs_the_monitor() -> None:
    """Version 1 has no learned numbers."""
    source = source_of()
    assert source.endswith("    # full\n    return run.full()\n")
    assert ".within(" not in source


def test_rules_are_rendered_in_the_order_of_execution() -> None:
    """The order is sparse data and samples, the deadline, the run, and fallbacks."""
    rules = (sparse(), sample(), deadline(), deadline("psi"), fallback("value"), fallback("io"))
    comments = [line.strip() for line in source_of(*rules).splitlines() if line.startswith("    # ")]
    assert comments == [
        "# sparse",
        "# sample",
        "# deadline-psi",
        "# deadline",
        "# full",
        "# fallback-io",
        "# fallback-value",
    ]


def test_every_number_is_a_constant_with_its_reason() -> None:
    """The first constant of a rule has the reason, the others refer to it."""
    source = source_of(sample(above=50_000, rows=10_000, loss=0.05))
    assert "SAMPLE_ROWS_ABOVE = 50000  # was a full run: a sample is enough\n" in source
    assert "SAMPLE_ROWS = 10000  # as above\nSAMPLE_QUALITY_LOSS = 0.05  # as above\n" in source


def test_a_deadline_of_one_computation_comes_before_the_one_for_all_others() -> None:
    """The general deadline does not apply to a computation with its own deadline."""
    source = source_of(deadline(), deadline("kl"), deadline("psi"))
    assert "    if run.computation == DEADLINE_KL_COMPUTATION:\n        if (\n" in source
    assert "    elif run.computation == DEADLINE_PSI_COMPUTATION:\n" in source
    assert "    # deadline\n    elif (\n        run.rows >= DEADLINE_ROWS_FROM\n" in source
    assert "    # deadline\n    if (\n        run.rows >= DEADLINE_ROWS_FROM\n" in source_of(deadline())


@pytest.mark.parametrize(
    ("rules", "runs"),
    [
        ((fallback("value"),), "    outcome = run.full()\n"),
        ((fallback("timeout"),), "    outcome = run.full(spares_time=True)\n"),
        (
            (fallback("timeout", rows_above=500),),
            "    outcome = run.full(spares_time=run.rows > FALLBACK_TIMEOUT_ROWS_ABOVE)\n",
        ),
        ((fallback("crash"),), "    run = run.isolated()\n    outcome = run.full()\n"),
        ((fallback("memory"),), "    run = run.isolated()\n    outcome = run.full()\n"),
    ],
)
def test_the_run_leaves_time_and_memory_for_fallbacks(rules: tuple[Rule, ...], runs: str) -> None:
    """The run saves time for a timeout fallback, and has its own process if it may be killed."""
    assert runs in source_of(*rules)


def test_candidates_are_not_rendered() -> None:
    """A candidate strategy has a different id from the active rule."""
    candidate = msgspec.structs.replace(fallback("value"), id="fallback-value-retry", status="candidate")
    assert source_of(fallback("value"), candidate) == source_of(fallback("value"))


def test_a_long_name_of_a_computation_keeps_its_lines_short() -> None:
    """Lines are formatted to at most 110 characters."""
    name = "a_computation_with_a_name_that_goes_on_and_on_and_o"
    body = source_of(deadline(name), deadline()).partition("def ")[2]
    assert max(map(len, body.splitlines())) <= 110


@pytest.mark.parametrize("text", ['"""\nimport os\n', "{{ 7 }}", "\u202e", "kl divergence", "x" * 10_000])
def test_a_computation_of_any_name_is_text(text: str) -> None:
    """Feedback cannot become code."""
    named = msgspec.structs.replace(
        deadline("psi"), condition=deadline("psi").condition | {"computation": text}
    )
    assert "DEADLINE_PSI_COMPUTATION = " in source_of(named)


REJECTED: dict[str, tuple[tuple[Rule, ...], str]] = {
    "a share above 1": ((sparse(above=1.5),), "missing_above"),
    "no number": ((sparse(above=float("nan")),), "missing_above"),
    "a loss above 1": ((sparse(loss=1.5),), "quality_loss"),
    "a sample larger than the table": (
        (sample(above=10, rows=20),),
        "expected a sample of at most as many rows",
    ),
    "an empty sample": ((sample(rows=0),), "rows"),
    "two deadlines for all": (
        (deadline(), msgspec.structs.replace(deadline(), id="deadline-x")),
        "expected one each",
    ),
    "an empty range": ((deadline(rows=(10, 5)),), "1 <= from <= to"),
    "a range from zero": ((deadline(features=(0, 5)),), "1 <= from <= to"),
    "no time": ((deadline(seconds=0.0),), "expected seconds above 0"),
    "less time for more work": ((deadline(per_rows=-0.5),), "exponents of at least 0"),
    "an overflow": ((deadline(per_rows=400.0),), "keep the rule as a candidate"),
    "an infinite time": ((deadline(seconds=float("inf")),), "expected a finite number"),
    "two fallbacks for one error": (
        (fallback("value"), msgspec.structs.replace(fallback("value"), id="fallback-x")),
        "expected one for each error",
    ),
    "an unknown error": ((fallback("bad_luck"),), "is not a Failed"),
    "an unknown strategy": ((fallback("value", strategies=("pray",)),), "is not a Tried"),
    "no strategy": ((fallback("value", strategies=()),), "at least one strategy"),
    "a duplicate strategy": ((fallback("value", strategies=("retry", "retry")),), "each once"),
    "a missing loss": ((fallback("value", losses=(0.1,)),), "a loss for each"),
    "an unknown kind": ((Rule(id="x", kind="prayer", status="adopted"),), "has kind 'prayer'"),
}


@pytest.mark.parametrize("what", REJECTED)
def test_invalid_decisions_are_rejected(what: str) -> None:
    """The message has the rule and the value."""
    rules, message = REJECTED[what]
    with pytest.raises(RenderError, match=message):
        render(decisions_of(*rules))


def test_the_run_itself_cannot_be_removed() -> None:
    """A policy must run the monitor."""
    nothing: Decisions = msgspec.structs.replace(policy("monitor_with_recovery").version_1(""), rules=())
    with pytest.raises(RenderError, match="exactly one active rule of kind 'run'"):
        render(nothing)


def test_the_policy_declares_its_words() -> None:
    """The shape proof must not treat them as text from feedback."""
    words: Any = policy("monitor_with_recovery").words
    for rule in (sparse(), sample(), deadline("psi"), fallback("value")):
        assert {*rule.condition, *rule.parameters} <= words
    assert {
        "timeout",
        "memory",
        "crash",
        "value",
        "io",
        "other",
        "sampled",
        "sparse",
        "by_feature",
        "retry",
    } <= words
