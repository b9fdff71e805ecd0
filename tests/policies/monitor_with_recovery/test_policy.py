"""Rendered decisions of `monitor_with_recovery`, and rejected ones."""

import ast
import itertools
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from poet.build.check import check
from poet.build.compare import same
from poet.build.render import render
from poet.policies.monitor_with_recovery.behaviour import BEHAVIOUR
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
    assert source.endswith("version=VERSION)\n    return run.execute()\n")
    assert ".with_deadline(" not in source


def test_rules_are_rendered_in_the_order_of_execution() -> None:
    """The order is sparse data and samples, the deadline, the run, and fallbacks."""
    rules = (sparse(), sample(), deadline(), deadline("psi"), fallback("value"), fallback("io"))
    body = source_of(*rules).partition("version=VERSION)")[2]
    steps = (
        "run.sparse(",
        "run.sampled(",
        'run.computation == "psi"',
        'run.computation != "psi"',
        "run.execute(",
        'outcome.error == "io"',
        'outcome.error == "value"',
    )
    assert sorted(steps, key=body.index) == list(steps)


def test_every_number_is_a_constant_with_its_reason() -> None:
    """The reason is above the constants of a rule, and units follow the values."""
    source = source_of(sample(above=50_000, rows=10_000, loss=0.05))
    assert (
        "# Was a full run: a sample is enough\n"
        "SAMPLE_ROWS_ABOVE: Final = 50000\n"
        "SAMPLE_ROWS: Final = 10000\n"
        "SAMPLE_QUALITY_LOSS: Final = 0.05  # fraction of a full result\n\n"
    ) in source


def test_a_deadline_of_one_computation_comes_before_the_one_for_all_others() -> None:
    """The general deadline does not apply to a computation with its own deadline."""
    source = source_of(deadline(), deadline("kl"), deadline("psi"))
    assert '    if (\n        run.computation == "kl"\n        and DEADLINE_KL_MIN_ROWS <= run.rows' in source
    assert '    elif (\n        run.computation == "psi"\n' in source
    assert "    elif (\n        run.computation not in DEADLINE_EXCLUDED_COMPUTATIONS\n        and " in source
    assert 'COMPUTATIONS: Final = frozenset({"kl", "psi"})  # have their own deadline\n' in source
    assert '    elif (\n        run.computation != "kl"\n        and ' in source_of(
        deadline(), deadline("kl")
    )
    assert "    if (\n        DEADLINE_MIN_ROWS <= run.rows <= DEADLINE_MAX_ROWS\n" in source_of(deadline())


@pytest.mark.parametrize(
    ("rules", "runs"),
    [
        ((fallback("value"),), "    outcome = run.execute()\n"),
        ((fallback("timeout"),), "    outcome = run.execute(reserve_time=True)\n"),
        (
            (fallback("timeout", rows_above=500),),
            "    outcome = run.execute(reserve_time=run.rows > FALLBACK_TIMEOUT_ROWS_ABOVE)\n",
        ),
        (
            (fallback("crash"),),
            "    run = run.isolated()  # so that the caller survives a crash\n    outcome = run.execute()\n",
        ),
        (
            (fallback("memory"),),
            "    run = run.isolated()  # so that the caller survives a crash\n    outcome = run.execute()\n",
        ),
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
    body = source_of(deadline(name), deadline(), deadline("psi")).partition("def ")[2]
    assert max(map(len, body.splitlines())) <= 110


@pytest.mark.parametrize(
    "text",
    ['"""\nimport os\n', "{{ 7 }}", "\u202e", "kl divergence", "x" * 10_000, "x and y" * 40, "'\" and " * 40],
)
def test_the_name_of_a_computation_is_always_text(text: str) -> None:
    """Feedback cannot become code."""
    named = msgspec.structs.replace(
        deadline("psi"), condition=deadline("psi").condition | {"computation": text}
    )
    tree = ast.parse(source_of(named, deadline()))
    found = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == text]
    assert found == [text, text]


@pytest.mark.parametrize(
    ("exponents", "formula", "unit"),
    [
        ((0.0, 0.0), "DEADLINE_SECONDS", ""),
        ((1.0, 0.0), "DEADLINE_COEFFICIENT * run.rows", "seconds per row"),
        ((1.08, 0.0), "DEADLINE_COEFFICIENT * run.rows**DEADLINE_ROWS_EXPONENT", "seconds per row^1.08"),
        (
            (0.0, 0.5),
            "DEADLINE_COEFFICIENT * run.features**DEADLINE_FEATURES_EXPONENT",
            "seconds per feature^0.5",
        ),
        ((1.0, 1.0), "DEADLINE_COEFFICIENT * run.rows * run.features", "seconds per row and feature"),
        (
            (0.8, 1.0),
            "DEADLINE_COEFFICIENT * run.rows**DEADLINE_ROWS_EXPONENT * run.features",
            "seconds per row^0.8 and feature",
        ),
    ],
)
def test_a_formula_has_no_factors_without_effect(
    exponents: tuple[float, float], formula: str, unit: str
) -> None:
    """Exponents of 0 and 1 are not constants."""
    source = source_of(deadline(seconds=0.001, per_rows=exponents[0], per_features=exponents[1]))
    assert f"run.with_deadline({formula})" in source
    assert "EXPONENT: Final = 0.0\n" not in source
    assert "EXPONENT: Final = 1.0\n" not in source
    assert (f"DEADLINE_COEFFICIENT: Final = 0.001  # {unit}\n" in source) is bool(unit)


FORMULA = "DEADLINE_COEFFICIENT * run.rows**DEADLINE_ROWS_EXPONENT"


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ("run.rows**DEADLINE_ROWS_EXPONENT * DEADLINE_COEFFICIENT", True),
        ("DEADLINE_COEFFICIENT * (run.rows * run.rows) ** (DEADLINE_ROWS_EXPONENT / 2.0)", True),
        ("DEADLINE_COEFFICIENT * run.rows**1.5 / run.rows", True),
        ("DEADLINE_COEFFICIENT / run.rows ** -0.5", True),
        ("DEADLINE_COEFFICIENT * run.rows**0.50001", False),
        ("DEADLINE_COEFFICIENT * run.features**DEADLINE_ROWS_EXPONENT", False),
        ("DEADLINE_COEFFICIENT * run.rows", False),
        ("DEADLINE_COEFFICIENT * 10.0", False),
        ("run.rows ** (DEADLINE_COEFFICIENT * run.rows)", False),
    ],
)
def test_versions_are_compared_by_the_formulas_of_their_deadlines(other: str, is_same: bool) -> None:  # noqa: FBT001 -- pytest passes it by name
    """Equal formulas are proved equal on every table, although only some sizes are probed."""
    source = source_of(sample(), deadline(rows=(100, 100), features=(100, 100), per_features=0.0))
    assert FORMULA in source
    assert same(source, source.replace(FORMULA, other), BEHAVIOUR) is is_same


@dataclass(frozen=True)
class SizedRun:
    """A run of a given size, whose outcome is its deadline."""

    rows: int
    features: int
    computation: str = ""
    seconds: float | None = None

    def with_deadline(self, seconds: float) -> "SizedRun":
        """Return the run with the deadline."""
        return replace(self, seconds=seconds)

    def execute(self) -> float | None:
        """Return the deadline."""
        return self.seconds


EXPONENTS = (0.0, 0.25, 1.0, 1.08, 2.0)
ROWS = (0, 1, 2, 3, 999, 54_000, 2**31 + 1, 2**40, 2**40 + 1)
FEATURES = (0, 1, 2, 7, 500, 2**20, 2**20 + 1)


@pytest.mark.parametrize("per_rows", EXPONENTS)
@pytest.mark.parametrize("per_features", EXPONENTS)
def test_a_deadline_equals_the_formula_of_its_rule_to_the_last_bit(
    per_rows: float, per_features: float
) -> None:
    """Factors that are left out change no deadline, and ranges include both ends."""
    seconds, most_rows, most_features = 7.3e-31, 2**40, 2**20
    rows_reach, features_reach = (1, most_rows), (1, most_features)
    rule = deadline(
        rows=rows_reach,
        features=features_reach,
        seconds=seconds,
        per_rows=per_rows,
        per_features=per_features,
    )
    module: dict[str, Any] = {}
    exec(source_of(rule), module)  # noqa: S102 -- our own source
    for rows, features in itertools.product(ROWS, FEATURES):
        run = SizedRun(rows, features)
        module["prepare_run"] = lambda *_given, run=run, **_named: run
        is_inside = 1 <= rows <= most_rows and 1 <= features <= most_features
        expected = seconds * rows**per_rows * features**per_features if is_inside else None
        assert module["monitor_with_recovery"](None) == expected, (rows, features)


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
