"""Rendering: literals, comments, templates, golden modules, hostile text."""

import ast
import difflib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poet.build.check import check
from poet.build.render import render, template_root
from poet.build.source import comment, constant, fit, identifier, literal
from poet.policies.detect_drift.rules import Branch, branches
from poet.spec import Constant, policies, policy
from poet.spec.decisions import Decisions, Rule, decode
from poet_runtime.errors import RenderError
from tests.hostile import FAVOURITES, hostile_text
from tests.regenerate_golden import EVENTS, POLICIES, cases, expected, golden

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


def test_literals_are_written_as_the_formatter_writes_them() -> None:
    """Generated modules need no formatter."""
    values = [1e16, 1e-7, -0.5, 5e-324, 2**63, (), ("a",), ("a", 1.0), frozenset[str](), *FAVOURITES]
    values += ["'\"'", '"\'"', '"', "'", "\\\"'", ("x" * 60, "y" * 60), frozenset({"x" * 60, "y" * 60})]
    source = "".join(f"{constant(Constant('r', f'C{n}', each, ''))}\n" for n, each in enumerate(values))
    assert formatted(source) == source


# identifiers, comments, layout


@pytest.mark.parametrize("value", ["", "1a", "a b", "a-b", "class", "None", "é", "a\n", "__import__", 3])
def test_an_identifier_is_a_plain_name(value: object) -> None:
    """Every other text is refused."""
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


def test_a_constant_with_a_long_comment_has_it_above() -> None:
    """Otherwise the formatter would break the line."""
    written = constant(Constant("r", "LIMIT", 0.5, "was " + "many words " * 15))
    assert written.splitlines()[-1] == "LIMIT = 0.5"
    assert all(line.startswith("# ") and len(line) <= 110 for line in written.splitlines()[:-1])


def test_long_lines_are_broken_as_the_formatter_breaks_them() -> None:
    """Only long names make a line too long."""
    name = "N" * 72
    body = (
        "def f(a):\n"
        f"    if a.first in {name} and a.second <= {name} and not a.third:\n"
        f"        return g(\n"
        f'            above("anderson_darling", "deseasonalized", "null_q90", {name}),\n'
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
        f"    return g(first={name}, second={name})"
    ).replace(" ** ", "**")
    assert formatted(fit(body)) == fit(body) + "\n"
    assert max(map(len, fit(body).splitlines())) <= 110


@pytest.mark.parametrize("text", ["x and y", "'\" and ", "a or b <= c", "\\' and \\", '" and "'])
def test_text_in_a_condition_is_never_broken(text: str) -> None:
    """Feedback that contains a connective or a quote remains one literal."""
    long = text * 30
    body = f"def f(a):\n    if a.name == {literal(long)} and a.first <= {'N' * 60}:\n        return 1"
    assert ast.unparse(ast.parse(fit(body))) == ast.unparse(ast.parse(body))
    assert literal(long) in fit(body)
    assert "\n        and a.first <= N" in fit(body)


# golden modules


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.parent.name}/{case.name}")
def test_golden_decisions_give_their_module(case: Path) -> None:
    """Each folder has decisions and the module that they render to, byte for byte."""
    name, content = expected(case)
    held = {
        path.name: path.read_bytes() for path in case.iterdir() if path.name not in ("decisions.json", EVENTS)
    }
    assert held == {name: content}


def test_every_preset_of_every_policy_has_a_golden_folder() -> None:
    """Every first version was read by a person."""
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


def test_the_window_module_answers_as_its_rules_say() -> None:
    """The example scenario: 500 for fast features, doubled for stable ones, never above the cap."""
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


def stub_compare(**data: object) -> Callable[..., SimpleNamespace]:
    """Return a `compare` whose samples have these properties and answer with the rule that decided."""
    return lambda *_, **__: SimpleNamespace(reason="", decide=lambda rule, *_, **__: rule, **data)


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
                        n_reference=n, is_seasonal=seasonal, is_categorical=kind == "categorical"
                    )
                    first = next(
                        branch.rule.id
                        for branch in found
                        if takes(branch, feature, n, kind, seasonal=seasonal)
                    )
                    assert module["detect_drift"]([], [], feature=feature) == first


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
    """Without learned rules the importance is the base of the caller, or 1."""
    module = loaded(render(policy("calculate_feature_importance").version_1("ks")).source)
    importance = module["calculate_feature_importance"]
    assert [importance("a", {}), importance("a", None), importance("a", {"base_importance": 3})] == [
        1.0,
        1.0,
        3.0,
    ]


def test_the_first_strategy_is_the_same_for_every_model() -> None:
    """Hourly, all features, a single test."""
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
    assert changed_lines(before, after) == ["- A_PSI_ABOVE = 0.2  # new", "+ A_PSI_ABOVE = 0.3  # new"]


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


def test_a_template_of_the_workspace_comes_before_the_built_in_one(tmp_path: Path) -> None:
    """Its text is printed, and the digests differ."""
    folder = overriding(tmp_path, "# not comparable", "# cannot be compared")
    ours, theirs = render(learned()), render(learned(), overrides=folder)
    assert "# cannot be compared: empty" in theirs.source
    assert theirs.template_sha256 != ours.template_sha256


def test_the_digest_covers_the_templates_that_are_extended(tmp_path: Path) -> None:
    """A change of the common template changes the digest of every policy."""
    content = (template_root() / "_module.py.jinja").read_text()
    (tmp_path / "_module.py.jinja").write_text(content.replace("Written by", "Made by"))
    assert render(learned(), overrides=tmp_path).template_sha256 != render(learned()).template_sha256


def test_a_copy_of_the_templates_has_the_same_digest(tmp_path: Path) -> None:
    """The digest depends on names and contents, not on paths."""
    shutil.copytree(template_root(), tmp_path / "copy")
    assert render(learned(), overrides=tmp_path / "copy").template_sha256 == render(learned()).template_sha256


BAD_TEMPLATES = [
    (
        "{{ branch.rule | comment }}",
        "{{ branch.rule }}",
        "prints str 'feature-a' as it is; print values with literal",
    ),
    ("{{ branch.rule | comment }}", "{{ 7 * 7 }}", "prints int 49 as it is"),
    ("{{ branch.rule | comment }}", "{{ branch.rule | literal ~ branch.rule }}", "prints str"),
    ("{{ branch.rule | comment }}", "{{ branch.rle | comment }}", "has no attribute 'rle'"),
    ("{{ branch.rule | comment }}", "{{ branch.rule | upper }}", "No filter named 'upper'"),
    ("{{ branch.rule | comment }}", "{{ range(3) | literal }}", "'range' is undefined"),
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
    assert names["FEATURE_X_FEATURES"] == frozenset(features)
    names["compare"] = stub_compare(is_categorical=False, is_seasonal=False, n_reference=9)
    assert names["detect_drift"]([], [], feature=features[0]) == "feature-x"


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
