"""How decisions of `monitor_with_recovery` are rendered, and which are refused."""

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
    """Render version 2 with these rules, and check it."""
    return check(render(decisions_of(*rules))).rendered.source


def test_the_first_version_only_runs_the_monitor() -> None:
    """There is no learned number yet."""
    source = source_of()
    assert source.endswith("    # full\n    return run.full()\n")
    assert ".within(" not in source


def test_rules_are_rendered_in_the_order_of_evaluation() -> None:
    """Smaller and simpler data first, then the deadline, the run, and the recovery from an error."""
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
    """The first constant of a rule has the reason, and the others refer to it."""
    source = source_of(sample(above=50_000, rows=10_000, loss=0.05))
    assert "SAMPLE_ROWS_ABOVE = 50000  # was run in full: a sample is enough\n" in source
    assert "SAMPLE_ROWS = 10000  # as above\nSAMPLE_QUALITY_LOSS = 0.05  # as above\n" in source


def test_the_deadline_of_a_computation_precedes_the_general_one() -> None:
    """A computation with its own deadline does not use the general one."""
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
def test_the_run_leaves_time_for_the_recovery(rules: tuple[Rule, ...], runs: str) -> None:
    """It reserves time after a possible timeout, and a separate process where it may be killed."""
    assert runs in source_of(*rules)


def test_candidates_are_not_rendered() -> None:
    """A candidate has its own id next to the active rule."""
    waiting = msgspec.structs.replace(fallback("value"), id="fallback-value-retry", status="held")
    assert source_of(fallback("value"), waiting) == source_of(fallback("value"))


def test_a_long_name_of_a_computation_keeps_its_lines_short() -> None:
    """Lines are as the formatter would write them."""
    name = "a_computation_with_a_name_that_goes_on_and_on_and_o"
    body = source_of(deadline(name), deadline()).partition("def ")[2]
    assert max(map(len, body.splitlines())) <= 110


@pytest.mark.parametrize("text", ['"""\nimport os\n', "{{ 7 }}", "\u202e", "kl divergence", "x" * 10_000])
def test_a_computation_of_any_name_stays_text(text: str) -> None:
    """Feedback cannot become code."""
    named = msgspec.structs.replace(
        deadline("psi"), condition=deadline("psi").condition | {"computation": text}
    )
    assert "DEADLINE_PSI_COMPUTATION = " in source_of(named)


REFUSED: dict[str, tuple[tuple[Rule, ...], str]] = {
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
    "a range that holds nothing": ((deadline(rows=(10, 5)),), "1 <= from <= to"),
    "a range from nothing": ((deadline(features=(0, 5)),), "1 <= from <= to"),
    "no time at all": ((deadline(seconds=0.0),), "expected seconds above 0"),
    "less time for more work": ((deadline(per_rows=-0.5),), "exponents of at least 0"),
    "an overflow": ((deadline(per_rows=400.0),), "keep the rule as a candidate"),
    "an infinite time": ((deadline(seconds=float("inf")),), "expected a finite number"),
    "two fallbacks for one error": (
        (fallback("value"), msgspec.structs.replace(fallback("value"), id="fallback-x")),
        "expected one for each error",
    ),
    "an unknown error": ((fallback("bad_luck"),), "is not a Failed"),
    "an unknown strategy": ((fallback("value", strategies=("pray",)),), "is not a Tried"),
    "nothing to try": ((fallback("value", strategies=()),), "at least one strategy"),
    "the same twice": ((fallback("value", strategies=("retry", "retry")),), "each once"),
    "a loss too few": ((fallback("value", losses=(0.1,)),), "a loss for each"),
    "an unknown kind": ((Rule(id="x", kind="prayer", status="adopted"),), "has kind 'prayer'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_invalid_decisions_are_refused(what: str) -> None:
    """The message has the rule and the value."""
    rules, says = REFUSED[what]
    with pytest.raises(RenderError, match=says):
        render(decisions_of(*rules))


def test_the_run_itself_cannot_be_removed() -> None:
    """A policy that never runs the monitor is invalid."""
    nothing: Decisions = msgspec.structs.replace(policy("monitor_with_recovery").version_1(""), rules=())
    with pytest.raises(RenderError, match="exactly one active rule of kind 'run'"):
        render(nothing)


def test_the_words_of_the_policy_are_declared() -> None:
    """No word of the policy is mistaken for text from feedback when the shape is proved."""
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
