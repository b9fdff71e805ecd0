"""What the decisions of `monitor_with_recovery` become, and which are refused."""

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
    """Render version 2 with these rules, checked."""
    return check(render(decisions_of(*rules))).rendered.source


def test_the_first_version_runs_the_monitor_and_no_more() -> None:
    """No number is learned yet."""
    source = source_of()
    assert source.endswith("    # full\n    return run.full()\n")
    assert ".within(" not in source


def test_rules_stand_in_the_order_in_which_they_act() -> None:
    """Smaller and plainer data first, then the deadline, the run, what follows an error."""
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
    """The first one of a rule tells, the others point to it."""
    source = source_of(sample(above=50_000, rows=10_000, loss=0.05))
    assert "SAMPLE_ROWS_ABOVE = 50000  # was run in full: a sample is enough\n" in source
    assert "SAMPLE_ROWS = 10000  # as above\nSAMPLE_QUALITY_LOSS = 0.05  # as above\n" in source


def test_a_deadline_of_one_computation_comes_before_the_one_for_all_others() -> None:
    """Where the computation is its own, the general one is not asked."""
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
def test_the_run_leaves_room_for_what_follows_it(rules: tuple[Rule, ...], runs: str) -> None:
    """Time where time may run out, a process of its own where it may be killed."""
    assert runs in source_of(*rules)


def test_held_rules_are_not_printed() -> None:
    """A strategy that waits for evidence has an id of its own beside the rule in force."""
    waiting = msgspec.structs.replace(fallback("value"), id="fallback-value-retry", status="held")
    assert source_of(fallback("value"), waiting) == source_of(fallback("value"))


def test_a_long_name_of_a_computation_keeps_its_lines_short() -> None:
    """As the formatter would have them."""
    name = "a_computation_with_a_name_that_goes_on_and_on_and_o"
    body = source_of(deadline(name), deadline()).partition("def ")[2]
    assert max(map(len, body.splitlines())) <= 110


@pytest.mark.parametrize("text", ['"""\nimport os\n', "{{ 7 }}", "\u202e", "kl divergence", "x" * 10_000])
def test_a_computation_of_any_name_stays_text(text: str) -> None:
    """Feedback cannot write code."""
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
    "no end": ((deadline(per_rows=400.0),), "keep the rule as a candidate"),
    "an infinite time": ((deadline(seconds=float("inf")),), "expected a finite number"),
    "two fallbacks for one error": (
        (fallback("value"), msgspec.structs.replace(fallback("value"), id="fallback-x")),
        "expected one for each error",
    ),
    "an error of no kind": ((fallback("bad_luck"),), "is not a Failed"),
    "a strategy nobody knows": ((fallback("value", strategies=("pray",)),), "is not a Tried"),
    "nothing to try": ((fallback("value", strategies=()),), "at least one strategy"),
    "the same twice": ((fallback("value", strategies=("retry", "retry")),), "each once"),
    "a loss too few": ((fallback("value", losses=(0.1,)),), "a loss for each"),
    "a kind nobody knows": ((Rule(id="x", kind="prayer", status="adopted"),), "has kind 'prayer'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_decisions_that_make_no_sense_are_refused(what: str) -> None:
    """With the rule and the value."""
    rules, says = REFUSED[what]
    with pytest.raises(RenderError, match=says):
        render(decisions_of(*rules))


def test_the_run_itself_cannot_be_removed() -> None:
    """A policy that runs no monitor is none."""
    nothing: Decisions = msgspec.structs.replace(policy("monitor_with_recovery").version_1(""), rules=())
    with pytest.raises(RenderError, match="exactly one active rule of kind 'run'"):
        render(nothing)


def test_the_words_of_the_policy_are_its_own() -> None:
    """So that none of them is taken for text from feedback when the shape is proved."""
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
