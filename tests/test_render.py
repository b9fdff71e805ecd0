"""Rendering: literals, comments, templates, golden modules, hostile text."""

import ast
import difflib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poet.build.check import check
from poet.build.render import render, template_root
from poet.build.source import comment, constant, fit, identifier, in_order_of_use, literal
from poet.policies.detect_drift.behaviour import StubSamples
from poet.policies.detect_drift.rules import Branch, branches
from poet.spec import Constant, policies, policy
from poet.spec.decisions import Decisions, Rule, decode
from poet_runtime.errors import RenderError
from tests.hostile import FAVOURITES, hostile_text
from tests.regenerate_golden import EVENTS, POLICIES, cases, expected, golden

DATES = st.datetimes(timezones=st.just(UTC))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    hostile_text(),
)
COLLECTIONS = st.one_of(
    st.lists(SCALARS, max_size=4),
    st.lists(SCALARS, max_size=4).map(tuple),
    st.frozensets(hostile_text(), max_size=4),
)


def loaded(source: str) -> dict[str, Any]:
    """Execute a module and return its names."""
    names: dict[str, Any] = {}
    exec(compile(source, "<generated>", "exec"), names)  # noqa: S102 - this is what the test is about
    return names


def formatted(source: str) -> str:
    """Return a module as the formatter writes it."""
    command = ["ruff", "format", "--isolated", "--line-length", "110", "--stdin-filename", "x.py", "-"]
    command[0] = str(Path(sys.executable).parent / "ruff")
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


def drift_rule(rule_id: str, *features: str, threshold: float = 0.2, was: str = "", reason: str = "") -> Rule:
    """Return a drift rule for some features."""
    criterion = {"statistic": "psi", "scale": "absolute", "direction": "above", "threshold": threshold}
    return Rule(
        id=rule_id,
        kind="decide",
        condition={"features": list(features)},
        parameters={"criteria": [criterion]},
        status="adopted",
        was=was,
        reason=reason,
    )


def learned(*rules: Rule, version: int = 2) -> Decisions:
    """Return drift decisions: the KS preset and these rules."""
    first = policy("detect_drift").version_1("ks")
    every = tuple(sorted((*first.rules, *rules), key=lambda rule: rule.id))
    return msgspec.structs.replace(first, version=version, revises=version - 1, rules=every)


# literals


@settings(max_examples=200, deadline=None)
@given(st.one_of(SCALARS, COLLECTIONS))
def test_a_literal_is_ascii_and_evaluates_to_the_value(value: object) -> None:
    """A literal evaluates to the same value of the same type, for any text."""
    written = literal(value)
    back = eval(written, {"frozenset": frozenset})  # noqa: S307 - this is what the test is about
    assert (type(back), back) == (type(value), value)
    assert written.isascii()
    assert written.isprintable()


def test_a_frozenset_is_written_sorted() -> None:
    """The bytes do not depend on the order of insertion or hashing."""
    assert literal(frozenset({"b", "a", "c"})) == 'frozenset({"a", "b", "c"})'


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {"a": 1}, {1}, b"bytes", object(), 2**64, [float("-inf")], 1j]
)
def test_a_value_without_a_literal_is_refused(value: object) -> None:
    """There is no fallback to repr."""
    with pytest.raises(RenderError):
        literal(value)


def test_literals_have_the_form_of_the_formatter() -> None:
    """Generated modules need no formatter."""
    values = [1e16, 1e-7, -0.5, 5e-324, 2**63, (), ("a",), ("a", 1.0), frozenset[str](), *FAVOURITES]
    values += ["'\"'", '"\'"', '"', "'", "\\\"'", ("x" * 60, "y" * 60), frozenset({"x" * 60, "y" * 60})]
    values += [datetime(2024, 4, 15, tzinfo=UTC), datetime(2024, 4, 15, 9, 30, 0, 1, tzinfo=UTC)]
    source = "".join(f"{constant(Constant('r', f'C{n}', each, ''))}\n" for n, each in enumerate(values))
    assert formatted(source) == source


@given(DATES)
def test_a_date_evaluates_to_itself(date: datetime) -> None:
    """It is written in UTC, to the microsecond, in a form that the dialect accepts."""
    written = literal(date)
    assert eval(written, {"datetime": datetime, "UTC": UTC}) == date  # noqa: S307 - as above
    assert re.fullmatch(r"datetime\(\d+(, \d+){2,6}, tzinfo=UTC\)", written)


@pytest.mark.parametrize(
    ("date", "written"),
    [
        (datetime(2024, 4, 15, tzinfo=UTC), "datetime(2024, 4, 15, tzinfo=UTC)"),
        (datetime(2024, 4, 15, 9, tzinfo=UTC), "datetime(2024, 4, 15, 9, tzinfo=UTC)"),
        (datetime(2024, 4, 15, 0, 0, 7, tzinfo=UTC), "datetime(2024, 4, 15, 0, 0, 7, tzinfo=UTC)"),
        (datetime(1970, 1, 1, tzinfo=timezone(timedelta(0))), "datetime(1970, 1, 1, tzinfo=UTC)"),
    ],
)
def test_a_date_has_no_trailing_zeros(date: datetime, written: str) -> None:
    """Year, month and day are always written."""
    assert literal(date) == written


@pytest.mark.parametrize("zone", [None, timezone(timedelta(hours=1))])
def test_a_date_that_is_not_in_utc_is_refused(zone: timezone | None) -> None:
    """The outline converts it, so that equal times have equal bytes."""
    with pytest.raises(RenderError, match="is not a date in UTC; convert it"):
        literal(datetime(2024, 4, 15, tzinfo=zone))


# identifiers, comments, layout


@pytest.mark.parametrize("value", ["", "1a", "a b", "a-b", "class", "None", "é", "a\n", "__import__", 3])
def test_an_identifier_is_a_plain_name(value: object) -> None:
    """Every other text is rejected."""
    with pytest.raises(RenderError, match="is not a name"):
        identifier(value)


@settings(max_examples=200, deadline=None)
@given(hostile_text())
def test_a_comment_stays_one_short_line(text: str) -> None:
    """No text can end its comment, start a second one, or reorder what a reader sees."""
    written = comment(text)
    assert len(written) <= 300
    assert "#" not in written
    assert all(letter.isprintable() for letter in written)
    assert ast.unparse(ast.parse(f"x = 1  # {written}\n")) == "x = 1"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("68\u201398 %", "68-98 %"),
        ("it\u2019s \u2018new\u2019", "it's 'new'"),
        ("3 \xd7 the \u03c3", "3 x the sigma"),
        (
            "na\xefve \u2014 \u201cgr\xf6\xdfer\u201d \u2265 1\u2026",
            "na\xefve \u2014 \u201cgr\xf6\xdfer\u201d \u2265 1\u2026",
        ),
        ("\u0430\u01c3", "\\u0430\\u01c3"),
    ],
)
def test_a_comment_has_no_ambiguous_characters(text: str, written: str) -> None:
    """The linter accepts the comment, and letters of other scripts are unchanged."""
    assert comment(text) == written


def test_a_comment_is_above_its_constant_and_a_unit_after_the_value() -> None:
    """A long comment has several lines."""
    assert constant(Constant("r", "LIMIT", 3, "Was 2", "points")) == "# Was 2\nLIMIT: Final = 3  # points"
    assert constant(Constant("r", "LIMIT", 3, "")) == "LIMIT: Final = 3"
    *above, last = constant(Constant("r", "LIMIT", 0.5, "was " + "many words " * 15)).splitlines()
    assert last == "LIMIT: Final = 0.5"
    assert len(above) == 2
    assert all(line.startswith("# ") and len(line) <= 110 for line in above)


def test_a_unit_that_does_not_fit_the_line_is_above_it() -> None:
    """The same limit applies to the last line of a collection."""
    name, unit = "N" * 72, "times the 90 % quantile of the self-distances"
    assert constant(Constant("r", name, 1.7, "Was 2", unit)) == f"# Was 2\n# {unit}\n{name}: Final = 1.7"
    assert constant(Constant("r", "N" * 40, 1.7, "", unit)).endswith(f": Final = 1.7  # {unit}")
    listed = constant(Constant("r", name, ("x" * 60, "y" * 60), "", unit))
    assert listed.splitlines()[-1] == f")  # {unit}"
    assert formatted(f"{listed}\n") == f"{listed}\n"


@pytest.mark.parametrize(
    "pragma", ["ruff: noqa", "fmt: off", "type: ignore", "NOQA", "-*- coding: utf-7 -*-"]
)
@pytest.mark.parametrize("length", range(45, 56))
def test_no_line_of_a_comment_begins_with_a_pragma(pragma: str, length: int) -> None:
    """Text from feedback decides where a line is broken, but not what tools do."""
    text = f"Was {'x ' * length}{pragma} and more"
    for written in (constant(Constant("r", "LIMIT", 3, text)), fit(f"    # {text}")):
        lines = [line.strip() for line in written.splitlines()]
        assert not any(line.removeprefix("# ").startswith(pragma) for line in lines)
        assert (
            " ".join(line.removeprefix("# ").removeprefix("… ") for line in lines if line[0] == "#") == text
        )


@pytest.mark.parametrize("end", ["n = 96", "others, n = 96", "f(x)", "return", "96"])
def test_no_continuation_line_of_a_comment_is_code(end: str) -> None:
    """A linter would report it as code that is commented out."""
    words = "word " * 20
    for gap in range(1, 12):
        *_, last = fit(f"    # {words}{'w' * gap} {end}").splitlines()
        with pytest.raises(SyntaxError):
            ast.parse(last.strip().removeprefix("# "))


def group(rule: str, *names: str, comment: str = "") -> tuple[Constant, ...]:
    """Return constants of one rule."""
    return tuple(Constant(rule, name, 1, comment) for name in names)


def test_constants_are_in_the_order_of_their_use_by_rule() -> None:
    """Constants of a rule stay together at its first use. A part of a name does not count as a use."""
    constants = (*group("a", "LAST", "A"), *group("b", "B"), *group("c", "C", "A_FIRST"))
    code = "if x > A_FIRST:\n    return B\nreturn f(A, C) + B + LAST"
    rules = in_order_of_use(constants, code)
    assert [[each.name for each in rule] for rule in rules] == [["A_FIRST", "C"], ["B"], ["A", "LAST"]]


def test_a_rule_has_its_comment_once() -> None:
    """It is above the constant that is used first, whichever that is."""
    constants = (*group("a", "X", "Y", comment="Was 2"), Constant("a", "Z", 1, "Was 3"))
    ((first, *others),) = in_order_of_use(constants, "Y + X + Z")
    assert (first.name, first.comment) == ("Y", "Was 2 Was 3")
    assert [each.comment for each in others] == ["", ""]


def test_a_constant_without_a_use_is_refused() -> None:
    """Every constant of a generated module must have an effect."""
    with pytest.raises(RenderError, match="the constant UNUSED of rule a is not used; remove it"):
        in_order_of_use(group("a", "USED", "UNUSED"), "return USED")


@pytest.mark.parametrize("constants", [None, ["A"], ("A",), (1.0,)])
def test_only_constants_have_an_order(constants: object) -> None:
    """An outline with anything else is an error with a next step."""
    if constants is None or isinstance(constants, list):
        assert in_order_of_use(constants, "A") == ()
        return
    with pytest.raises(RenderError, match="correct the policy's outline"):
        in_order_of_use(constants, "A")


@pytest.mark.parametrize("length", range(90, 112))
def test_no_line_of_a_comment_looks_like_an_assignment(length: int) -> None:
    """Linters take it for code that is commented out, so the comment is wrapped at other words."""
    text = f"Was {'x' * (length - 30)} of the value of a full result, n = 64"
    lines = constant(Constant("r", "LIMIT", 0.5, text)).splitlines()[:-1]
    assert " ".join(line.removeprefix("# ") for line in lines) == text
    assert max(map(len, lines)) <= 110
    assert not any(line.startswith(("# n =", "# result, n =")) for line in lines)


def test_long_lines_are_broken_as_the_formatter_breaks_them() -> None:
    """Lines exceed the limit only because of long names."""
    name = "N" * 72
    body = (
        "def f(a):\n"
        f"    if a.first in {name} and a.second <= {name} and not a.third:\n"
        f"        return g(\n"
        f'            samples.ratio("anderson_darling", preparation="deseasonalized")\n'
        f"            > {name},\n"
        f"        )\n"
        f'    if a.second in ("high", "critical") or a.first in {name}:\n'
        f"        return 1"
    )
    assert formatted(fit(body)) == fit(body) + "\n"
    assert max(map(len, fit(body).splitlines())) <= 110


def test_ranges_and_formulas_are_broken_as_the_formatter_breaks_them() -> None:
    """Conditions are broken at terms, then at comparisons; formulas are broken at factors."""
    name = "N" * 60
    body = (
        "def f(a):\n"
        f"    if {name} <= a.first <= {name}:\n"
        f"        a = a.with_limit({name} * a.second)\n"
        f'    elif a.name == "x" and {name} <= a.first <= {name} and {name} <= a.second:\n'
        f"        a = a.with_limit({name} * a.first**{name} * a.second**{name})\n"
        f"        a = a.with_limit({name} * a.first ** {name[:30]} * a.second)\n"
        f"    if a.first != {literal('x' * 120)} and a.second not in {literal('x' * 120)}:\n"
        f"        return g(first={name}, second={name})"
    ).replace(" ** ", "**")
    assert formatted(fit(body)) == fit(body) + "\n"


LONG_TEXTS = [
    "x" * 120,
    "this and that or another " * 5,
    "f(a, b) > C and " * 8,
    'it\'s "both", or none ' * 6,
    "\\" * 90,
]


@pytest.mark.parametrize("text", LONG_TEXTS)
def test_texts_are_not_broken(text: str) -> None:
    """Words and brackets in texts are not treated as code."""
    body = (
        "def f(feature, others, context):\n"
        f"    if feature == {literal(text)}:\n"
        "        return 1\n"
        f"    if feature in NAMES and {literal(text)} in others and others != 7:\n"
        f"        x = g(context, {literal(text)}, rule={literal(text)})\n"
        f"    if feature == {literal(text)} or others > LIMIT:\n"
        "        return 2\n"
    )
    assert ast.dump(ast.parse(fit(body))) == ast.dump(ast.parse(body))
    assert formatted(fit(body)) == fit(body)


# golden modules


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.parent.name}/{case.name}")
def test_golden_decisions_give_their_module(case: Path) -> None:
    """Each folder has decisions and the exact bytes of the module that they render to."""
    name, content = expected(case)
    held = {
        path.name: path.read_bytes() for path in case.iterdir() if path.name not in ("decisions.json", EVENTS)
    }
    assert held == {name: content}


@pytest.mark.parametrize("votes", [1, 2, 3])
@pytest.mark.parametrize("features", [(), ("a",), ("a" * 70, "b" * 70)])
def test_boolean_expressions_are_formatted(votes: int, features: tuple[str, ...]) -> None:
    """One vote is rendered as `or`, all votes as `and`, and anything between as `at_least`."""
    first = policy("detect_drift").version_1("ks")
    names = [
        ("mean_absolute_difference", "phase_matched", "null_max"),
        ("ks", "raw", "p_value"),
        ("ks", "detrended", "null_zscore"),
    ]
    criteria = [
        {
            "statistic": statistic,
            "preparation": preparation,
            "scale": scale,
            "direction": "below" if scale == "p_value" else "above",
            "threshold": 0.05,
        }
        for statistic, preparation, scale in names
    ]
    rule = Rule(
        id="a-rule-with-a-name-that-is-as-long-as-it-can-be-" + "x" * votes,
        kind="decide",
        condition={"kind": "numeric", "seasonal": True, "features": list(features)},
        parameters={"criteria": criteria, "min_votes": votes},
        status="adopted",
    )
    source = render(msgspec.structs.replace(first, rules=(*first.rules, rule))).source
    assert formatted(source) == source
    used = [each for each in ("or samples.p_value", "at_least(\n", "and samples.p_value") if each in source]
    assert used == [{1: "or samples.p_value", 2: "at_least(\n", 3: "and samples.p_value"}[votes]]


def test_every_preset_of_every_policy_has_a_golden_folder() -> None:
    """The first version of every preset has been reviewed by a person."""
    covered = {(each.policy, each.start) for each in map(decisions_of, cases()) if each.version == 1}
    assert covered == {(spec.name, start) for spec in policies() for start in spec.starts}


def decisions_of(case: Path) -> Decisions:
    """Return the decisions of a golden folder."""
    return decode((case / "decisions.json").read_bytes())


def test_golden_modules_are_formatted_and_checked() -> None:
    """They are formatted, and pass the shape proof and the dialect."""
    for case in cases():
        module = render(decisions_of(case))
        assert check(module).rendered is module
    modules = [str(path) for path in POLICIES.glob("*/golden/*/*.py")]
    ruff = str(Path(sys.executable).parent / "ruff")
    options = ["--isolated", "--line-length", "110"]
    assert subprocess.run([ruff, "format", "--check", *options, *modules], check=False).returncode == 0
    assert (
        subprocess.run(
            [ruff, "check", "--select", "F,I,E4,E7,E9,W", *options, *modules], check=False
        ).returncode
        == 0
    )


# behaviour of what was rendered


def test_the_window_module_answers_according_to_its_rules() -> None:
    """The window is 500 for fast features, doubled for stable ones, and never above the cap."""
    module = loaded(render(decisions_of(golden("calculate_adaptive_window") / "velocity_branches")).source)
    answer = module["calculate_adaptive_window"]
    assert answer("clicks", 5000.1, "normal") == 500
    assert answer("clicks", 5000.0, "normal") == 5000
    assert answer("revenue", 9000, "low") == 1000
    assert answer("clicks", 9000, "critical") == 1000
    assert answer("clicks", float("nan"), "normal") == 5000


def test_several_multipliers_never_shrink_under_a_stricter_requirement() -> None:
    """The largest multiplier applies to a strict requirement."""
    answer = loaded(render(decisions_of(golden("calculate_adaptive_window") / "many_bands")).source)
    windows = [
        [
            answer["calculate_adaptive_window"](name, 500.0, need)
            for need in ("low", "normal", "high", "critical")
        ]
        for name in ("revenue", "conversions", "clicks")
    ]
    assert windows == [[3000, 3000, 6000, 6000], [6000] * 4, [2000, 2000, 6000, 6000]]


def stub_compare(feature: str, **facts: Any) -> Callable[..., StubSamples]:
    """Return a `compare` whose samples have these facts and no scores."""
    return StubSamples(feature=feature, **facts).compare


@pytest.mark.parametrize("case", sorted(golden("detect_drift").iterdir()), ids=lambda case: case.name)
def test_the_drift_module_applies_its_rules_in_order(case: Path) -> None:
    """The rendered branches send every kind of data to the rule that the policy defines."""
    decisions = decisions_of(case)
    module = loaded(render(decisions).source)
    found = branches(decisions)
    names = {"", *(name for branch in found for name in branch.condition.features)}
    for feature in names:
        for n in (1, 1000, 1001, 2000, 2001):
            for seasonal in (True, False):
                for kind in ("numeric", "categorical"):
                    module["compare"] = stub_compare(
                        feature, n_reference=n, is_seasonal=seasonal, is_categorical=kind == "categorical"
                    )
                    first = next(
                        branch.rule.id
                        for branch in found
                        if takes(branch, feature, n, kind, seasonal=seasonal)
                    )
                    assert module["detect_drift"]([], [], feature=feature).rule == first


def takes(branch: Branch, feature: str, n: int, kind: str, *, seasonal: bool) -> bool:
    """Return whether a branch applies to such data."""
    condition = branch.condition
    return (
        (not condition.features or feature in condition.features)
        and (condition.reference_at_most is None or n <= condition.reference_at_most)
        and condition.seasonal in (None, seasonal)
        and condition.kind in (None, kind)
    )


def test_the_first_alert_plan_has_every_drift_once_in_any_order() -> None:
    """There is one alert per drifted result, and the plan does not depend on their order."""
    from poet_runtime.results import DriftResult

    def result(name: str, *, drifted: bool) -> DriftResult:
        return DriftResult(drifted=drifted, score=1.0, threshold=0.5, test="ks/raw/absolute", feature=name)

    generate = loaded(render(policy("generate_alerts").version_1("ks")).source)["generate_alerts"]
    results = [result("b", drifted=True), result("a", drifted=True), result("c", drifted=False)]
    plan = generate(results)
    assert plan == generate(results[::-1])
    assert [alert.members[0].feature for alert in plan.alerts] == ["a", "b"]


def test_the_first_recovery_reports_the_error_of_a_monitor() -> None:
    """A failed monitor gives an outcome, and so does a missing one."""
    run = loaded(render(policy("monitor_with_recovery").version_1("ks")).source)["monitor_with_recovery"]

    def slow(_: object) -> None:
        raise TimeoutError("too slow")

    assert (run([1], monitor=len).results, run([1], monitor=len).strategy) == (1, "full")
    assert (run([1], monitor=slow).warnings, run([1], monitor=slow).timed_out) == (
        ("TimeoutError('too slow')",),
        True,
    )
    assert run([1]).strategy == "failed"


def test_the_first_importance_is_the_base_importance() -> None:
    """The importance without learned rules is the base that the caller passed, or 1."""
    module = loaded(render(policy("calculate_feature_importance").version_1("ks")).source)
    importance = module["calculate_feature_importance"]
    assert [importance("a", {}), importance("a", None), importance("a", {"base_importance": 3})] == [
        1.0,
        1.0,
        3.0,
    ]


def important(*rules: tuple[str, float]) -> str:
    """Return the importance module with a rule for two features per id and multiplier."""
    first = policy("calculate_feature_importance").version_1("ks")
    learned_rules = tuple(
        Rule(
            id=identity,
            kind="feature",
            condition={"features": ["a", "b"]},
            parameters={"multiplier": multiplier},
            status="adopted",
        )
        for identity, multiplier in rules
    )
    return render(msgspec.structs.replace(first, rules=(*first.rules, *learned_rules))).source


def test_the_name_of_a_multiplier_does_not_contain_its_value() -> None:
    """The value is in the name only if two rules differ in nothing else."""
    assert "\nSUMMER_MULTIPLIER: Final = 2.5\n" in important(("summer-x3", 2.5))
    assert "\nSUMMER_MULTIPLIER: Final = 0.5\n" in important(("summer-x0_5", 0.5))
    both = important(("summer-x2", 2.0), ("summer-x3", 3.0), ("winter-x2", 2.0))
    for name, value in (("SUMMER_X2", 2.0), ("SUMMER_X3", 3.0), ("WINTER", 2.0)):
        assert f"\n{name}_MULTIPLIER: Final = {value}\n" in both
    assert "\nSUMMER_X2_MULTIPLIER: Final = 2.0\n" in important(("summer-x2", 2.0), ("summer", 3.0))


def test_a_multiplier_of_1_is_left_out() -> None:
    """A factor without an effect would only be noise for the reader."""
    assert important(("summer", 1.0)) == important()
    first = policy("calculate_adaptive_window").version_1("ks")
    parameters: dict[str, object] = {"features": ["a"], "multiplier": 1.0}
    steady = Rule(id="steady", kind="stability", parameters=parameters, status="pinned")
    assert render(msgspec.structs.replace(first, rules=(*first.rules, steady))).source == render(first).source


def test_the_first_strategy_is_the_same_for_every_model() -> None:
    """The strategy is hourly, with all features and a single test."""
    module = loaded(render(policy("adaptive_monitoring_strategy").version_1("ks")).source)
    strategy = module["adaptive_monitoring_strategy"]({"business_impact": "critical"})
    assert (strategy.frequency, strategy.features, strategy.tests) == ("hourly", "all", "single")


# determinism and small differences


def test_the_bytes_do_not_depend_on_the_process() -> None:
    """Hash seeds change the order of sets, which must not affect a module."""
    decisions = golden("detect_drift") / "features_and_agreement" / "decisions.json"
    program = (
        "import sys, pathlib; from poet.spec.decisions import decode; from poet.build.render import render;"
        "sys.stdout.buffer.write(render(decode(pathlib.Path(sys.argv[1]).read_bytes())).source.encode())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program, str(decisions)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {expected(decisions.parent)[1]}


def changed_lines(old: Decisions, new: Decisions) -> list[str]:
    """Return the lines that a diff to the new module shows."""
    lines = difflib.ndiff(render(old).source.splitlines(), render(new).source.splitlines())
    return [line for line in lines if line[0] in "+-"]


def test_a_changed_number_changes_its_own_line() -> None:
    """The diff shows only the decision."""
    before, after = (learned(drift_rule("a", "x", threshold=number)) for number in (0.2, 0.3))
    assert changed_lines(before, after) == ["- A_PSI: Final = 0.2", "+ A_PSI: Final = 0.3"]


def test_a_new_rule_only_adds_lines() -> None:
    """Rules keep their order between versions."""
    before, after = learned(drift_rule("a", "x")), learned(drift_rule("a", "x"), drift_rule("b", "y"))
    assert [line for line in changed_lines(before, after) if line.startswith("-")] == []


# templates


def overriding(folder: Path, old: str, new: str) -> Path:
    """Write a changed template for detect_drift to a folder."""
    content = (template_root() / "detect_drift.py.jinja").read_text()
    assert old in content
    (folder / "detect_drift.py.jinja").write_text(content.replace(old, new, 1))
    return folder


def test_a_template_of_the_workspace_overrides_the_built_in_one(tmp_path: Path) -> None:
    """The module contains the text of the override, and the digests differ."""
    folder = overriding(tmp_path, "    if not samples", "    # empty columns\n    if not samples")
    ours, theirs = render(learned()), render(learned(), overrides=folder)
    assert "    # empty columns\n" in theirs.source
    assert theirs.template_sha256 != ours.template_sha256


def test_the_digest_covers_the_templates_that_are_extended(tmp_path: Path) -> None:
    """A change of the common template changes the digest of every policy."""
    content = (template_root() / "_module.py.jinja").read_text()
    (tmp_path / "_module.py.jinja").write_text(content.replace("generated by", "written by"))
    assert render(learned(), overrides=tmp_path).template_sha256 != render(learned()).template_sha256


def test_a_copy_of_the_templates_has_the_same_digest(tmp_path: Path) -> None:
    """The digest depends on names and contents, not on paths."""
    shutil.copytree(template_root(), tmp_path / "copy")
    assert render(learned(), overrides=tmp_path / "copy").template_sha256 == render(learned()).template_sha256


BAD_TEMPLATES = [
    (
        "{{ branch.rule | literal }}",
        "{{ branch.rule }}",
        "prints str 'feature-a' as it is; print values with literal",
    ),
    ("{{ branch.rule | literal }}", "{{ 7 * 7 }}", "prints int 49 as it is"),
    ("{{ branch.rule | literal }}", "{{ branch.rule | literal ~ branch.rule }}", "prints str"),
    ("{{ branch.rule | literal }}", "{{ branch.rle | comment }}", "has no attribute 'rle'"),
    ("{{ branch.rule | literal }}", "{{ branch.rule | upper }}", "No filter named 'upper'"),
    ("{{ branch.rule | literal }}", "{{ range(3) | literal }}", "'range' is undefined"),
    ("{% endfor %}", "", "Encountered unknown tag"),
    ('{% extends "_module.py.jinja" %}', '{% extends "no.jinja" %}', "no template 'no.jinja'"),
    ('{% extends "_module.py.jinja" %}', "{% extends policy %}", "no template 'detect_drift'"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD_TEMPLATES)
def test_a_bad_template_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    """Templates print only through filters, and the error names the violation."""
    folder = overriding(tmp_path, old, new)
    with pytest.raises(RenderError, match=re.escape(message)):
        render(learned(drift_rule("feature-a", "a")), overrides=folder)


# hostile text


@settings(max_examples=25, deadline=None)
@given(st.lists(hostile_text(), min_size=1, max_size=4), hostile_text(), hostile_text())
def test_hostile_text_is_data_in_a_working_module(features: list[str], was: str, reason: str) -> None:
    """Names, reasons and previous values of any content pass the check and keep their meaning."""
    module = render(learned(drift_rule("feature-x", *features, was=was, reason=reason)))
    names = loaded(check(module).rendered.source)
    assert names.get("FEATURE_X_FEATURES", frozenset(features)) == frozenset(features)
    names["compare"] = stub_compare(features[0], is_categorical=False, is_seasonal=False, n_reference=9)
    assert names["detect_drift"]([], [], feature=features[0]).rule == "feature-x"


@settings(max_examples=20, deadline=None)
@given(st.lists(hostile_text(), min_size=1, max_size=3), hostile_text())
def test_hostile_names_of_stable_features_multiply_their_windows(features: list[str], reason: str) -> None:
    """The window module supports names of any content as well."""
    first = policy("calculate_adaptive_window").version_1("ks")
    parameters: dict[str, object] = {"features": features, "multiplier": 2}
    stable = Rule(id="stable", kind="stability", parameters=parameters, status="adopted", reason=reason)
    decisions = msgspec.structs.replace(first, rules=(*first.rules, stable))
    names = loaded(check(render(decisions)).rendered.source)
    assert {names["calculate_adaptive_window"](name, 1.0, "low") for name in features} == {10_000}


@settings(max_examples=20, deadline=None)
@given(hostile_text(), hostile_text(), hostile_text(), st.lists(hostile_text(), min_size=1, max_size=2))
def test_hostile_names_of_settings_multiply_an_importance(
    key: str, value: str, other: str, features: list[str]
) -> None:
    """The importance module compares names, fields and values of any content."""
    first = policy("calculate_feature_importance").version_1("ks")
    multiplier: dict[str, object] = {"multiplier": 2.0}
    season: dict[str, object] = {"key": key, "value": value, "features": features}
    pair: dict[str, object] = {"feature": features[0], "other": other}
    rules = (
        Rule(id="season-x2", kind="context", condition=season, parameters=multiplier, status="adopted"),
        Rule(id="pair", kind="interaction", condition=pair, parameters=multiplier, status="adopted"),
    )
    names = loaded(
        check(render(msgspec.structs.replace(first, rules=(*first.rules, *rules)))).rendered.source
    )
    importance = names["calculate_feature_importance"]
    context = {"other_features": [other]} | {key: value}
    expected = 2.0 if key in ("other_features", "base_importance") else 4.0
    if key != "base_importance":
        assert importance(features[0], context) == expected


@settings(max_examples=100, deadline=None)
@given(hostile_text(), st.sampled_from(["id", "kind", "key", "statistic", "threshold"]))
def test_hostile_text_where_no_text_belongs_is_refused(text: str, place: str) -> None:
    """An invalid id, kind, field name or statistic is an error, never code."""
    rule = drift_rule("feature-x", "x")
    criterion: dict[str, Any] = {
        "statistic": "psi",
        "scale": "absolute",
        "direction": "above",
        "threshold": 0.2,
    }
    changes: dict[str, dict[str, Any]] = {
        "id": {"id": text + "!"},
        "kind": {"kind": text + "!"},
        "key": {"condition": {text + "!": "x"}},
        "statistic": {"parameters": {"criteria": [criterion | {"statistic": text + "!"}]}},
        "threshold": {"parameters": {"criteria": [criterion | {"threshold": text}]}},
    }
    with pytest.raises(RenderError):
        render(learned(msgspec.structs.replace(rule, **changes[place])))


def test_the_shape_has_no_text_from_feedback() -> None:
    """The expected shape is rendered without any hostile text."""
    module = render(learned(drift_rule("feature-x", "secret name", was="secret was", reason="secret reason")))
    assert module.source.count("secret") == 3
    assert module.shape.count("secret") == 0
