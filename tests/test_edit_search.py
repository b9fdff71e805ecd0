"""Manual edits of the modules of all policies are read back as exactly the decisions that they express."""

import io
import itertools
import re
import time
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poet.build.render import source_renderer
from poet.spec import policy
from poet.spec.decisions import Decisions, Rule, decode
from poet.workspace.edit_search import MOST_RENDERINGS, Leaf, leaves, with_leaf
from poet.workspace.edits import Edit, find_edits
from poet.workspace.normal_form import Interner, UnreadableModuleError, normal_form
from poet.workspace.overrides import amend
from poet_runtime.errors import EditError, RenderError
from tests.names import ALERTS, DRIFT, IMPORTANCE, RECOVERY, STRATEGY, WINDOW
from tests.regenerate_golden import POLICIES, cases

POLICY_NAMES = (ALERTS, DRIFT, IMPORTANCE, RECOVERY, STRATEGY, WINDOW)
CASES = tuple(str(case.relative_to(POLICIES)) for case in cases())
SCENARIOS = tuple(case for case in CASES if case.endswith("scenario"))
LONGEST_S = 10.0  # two seconds on an idle machine; the suite shares two cores


@cache
def decisions_of(case: str) -> Decisions:
    """Return the decisions of a golden folder."""
    return decode((POLICIES / case / "decisions.json").read_bytes())


@cache
def renderer(name: str) -> Callable[[Decisions], str]:
    """Return the renderer of a policy."""
    return source_renderer(name)


def rendered(decisions: Decisions) -> str:
    """Return the module of decisions."""
    return renderer(decisions.policy)(decisions)


def read(folder: Path, before: Decisions, source: str) -> tuple[Edit, ...]:
    """Return the edits found in a module that had been rendered from `before`."""
    path = folder / f"{before.policy}_v{before.version}.py"
    path.write_text(source, encoding="utf-8")
    calls = 0

    def counted(decisions: Decisions) -> str:
        nonlocal calls
        calls += 1
        return rendered(decisions)

    began = time.perf_counter()
    try:
        return find_edits(path, rendered(before).encode(), before, counted)
    finally:
        assert calls <= MOST_RENDERINGS + 2
        assert time.perf_counter() - began < LONGEST_S


def applied(before: Decisions, edits: tuple[Edit, ...]) -> Decisions:
    """Return the decisions with the edits."""
    rules = {rule.id: rule for rule in before.active}
    for edit in edits:
        rules.pop(edit.rule.id, None)
        if edit.after is not None:
            rules[edit.rule.id] = edit.after
    return msgspec.structs.replace(before, rules=tuple(sorted(rules.values(), key=lambda rule: rule.id)))


def effects(decisions: Decisions) -> dict[str, object]:
    """Return what the active rules do, without the order of a list of names, which code prints sorted."""

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            items = list(map(plain, value))
            return sorted(items, key=str) if all(isinstance(each, str) for each in items) else items
        return value

    return {rule.id: plain([rule.kind, rule.condition, rule.parameters]) for rule in decisions.active}


def is_equal(one: Decisions, other: Decisions) -> bool:
    """Return whether two decisions have the same module, apart from names and comments."""
    interner = Interner()
    return normal_form(rendered(one), interner).is_equal(normal_form(rendered(other), interner))


def is_visible(before: Decisions, after: Decisions) -> bool:
    """Return whether two decisions have different modules; the second may be invalid."""
    try:
        return not is_equal(before, after)
    except RenderError:
        return False


def others(leaf: Leaf, words: frozenset[str]) -> Iterator[object]:
    """Yield other values of a leaf's type; not every one is valid."""
    value = leaf.value
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, float):
        yield from (value * 1.25, value * 0.75, value + 0.01)
    elif isinstance(value, str):
        yield f"{value}_x"
        yield from sorted(words - {value})
    elif isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        yield sorted([*value, "extra"])
        yield value[1:]


def mutated(before: Decisions) -> Iterator[tuple[Leaf, Decisions]]:
    """Yield every leaf that the module shows, with the decisions with the first other value that is valid."""
    words = policy(before.policy).words
    for leaf in leaves(before.active):
        changed = (with_leaf(before, leaf, value) for value in others(leaf, words))
        visible = next((each for each in changed if is_visible(before, each)), None)
        if visible is not None:
            yield leaf, visible


def is_spelled_out(before: Decisions, after: Decisions, leaf: Leaf) -> bool:
    """Return whether a word of a rule's parameters is code, such as the name of a method, and no literal."""
    if leaf.field != "parameters" or not isinstance(leaf.value, str):
        return False
    labels = [normal_form(rendered(each), Interner()).labels for each in (before, after)]
    return labels[0] != labels[1]


@pytest.mark.parametrize("case", SCENARIOS)
def test_every_value_of_a_rule_can_be_edited(tmp_path: Path, case: str) -> None:
    """A number, a text and a list in a condition or a parameter, each is read back exactly."""
    before, seen = decisions_of(case), set()
    for leaf, after in mutated(before):
        if is_spelled_out(before, after, leaf):
            continue
        edits = read(tmp_path, before, rendered(after))
        assert effects(applied(before, edits)) == effects(after), leaf
        seen.add(leaf.rule)
    assert seen >= {rule.id for rule in before.active if any(map(is_number, numbers(rule)))}


def numbers(rule: Rule) -> list[object]:
    """Return the values in a rule's parameters."""
    return [leaf.value for leaf in leaves((rule,)) if leaf.field == "parameters"]


def is_number(value: object) -> bool:
    """Return whether a value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@settings(max_examples=40, deadline=None)
@given(case=st.sampled_from(CASES), data=st.data())
def test_a_random_edit_of_a_random_leaf_is_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, case: str, data: st.DataObject
) -> None:
    """Any number or text that the compiler can print is read back as the same decision."""
    before = decisions_of(case)
    editable = [leaf for leaf in leaves(before.active) if is_number(leaf.value) or leaf.field == "condition"]
    if not editable:
        return
    leaf = data.draw(st.sampled_from(editable))
    values: st.SearchStrategy[object] = {
        int: st.integers(1, 10**6),
        float: st.floats(0.0, 1e9, allow_nan=False),
        str: st.text(st.characters(codec="utf-8"), max_size=8),
        list: st.lists(
            st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), max_size=4, unique=True
        ),
    }.get(type(leaf.value), st.booleans())
    after = with_leaf(before, leaf, data.draw(values))
    if is_visible(before, after):
        edits = read(tmp_path_factory.mktemp("edit"), before, rendered(after))
        assert is_equal(applied(before, edits), after)
        assert [edit.rule.id for edit in edits] == [leaf.rule]
        if edits[0].after is not None:  # a rule that no longer does anything is read as deleted
            assert effects(applied(before, edits)) == effects(after)


def without(decisions: Decisions, *ids: str) -> Decisions:
    """Return the decisions without some rules."""
    kept = tuple(rule for rule in decisions.rules if rule.id not in ids)
    return msgspec.structs.replace(decisions, rules=kept)


def with_rule(decisions: Decisions, rule: Rule) -> Decisions:
    """Return the decisions with another rule, or with a rule changed."""
    others = [each for each in decisions.rules if each.id != rule.id]
    rules = tuple(sorted([*others, rule], key=lambda each: each.id))
    return msgspec.structs.replace(decisions, rules=rules)


@pytest.mark.parametrize("case", CASES)
def test_every_rule_that_can_be_deleted_is_read_as_deleted(tmp_path: Path, case: str) -> None:
    """A rule that the policy needs cannot be deleted; its decisions cannot be rendered."""
    before = decisions_of(case)
    for rule in before.active:
        after = without(before, rule.id)
        if is_visible(before, after):
            edits = read(tmp_path, before, rendered(after))
            assert [(edit.rule.id, edit.after) for edit in edits] == [(rule.id, None)]
            assert str(edits[0]) == f"{rule.id} was deleted: it becomes a veto"


def test_two_deleted_rules_and_a_changed_number_are_read_together(tmp_path: Path) -> None:
    """The example has rules that look alike."""
    before = decisions_of(f"{WINDOW}/golden/many_bands")
    gone = [rule for rule in before.active if rule.kind == "band" and rule.condition][:2]
    bounds = next(rule for rule in before.active if rule.kind == "bounds")
    fewer = without(before, *(rule.id for rule in gone))
    after = with_leaf(fewer, Leaf(bounds.id, "parameters", ("cap",), 0), 123_456)
    edits = read(tmp_path, before, rendered(after))
    assert effects(applied(before, edits)) == effects(after)
    assert len(edits) == 3


def scenario(name: str) -> str:
    """Return the golden folder of a policy's scenario."""
    return f"{name}/golden/scenario"


CONDITIONS: dict[str, tuple[str, str, dict[str, object]]] = {
    "a field more": (
        DRIFT, "numeric-seasonal", {"kind": "numeric", "seasonal": True, "features": ["income"]},
    ),
    "two fields more": (
        DRIFT, "numeric-seasonal",
        {"kind": "numeric", "seasonal": True, "features": ["age", "income"], "reference_at_most": 500},
    ),
    "a field less": (DRIFT, "numeric-seasonal", {"seasonal": True}),
    "one field for another": (DRIFT, "numeric-seasonal", {"kind": "numeric", "features": ["income"]}),
    "a boolean": (DRIFT, "numeric-seasonal", {"kind": "numeric", "seasonal": False}),
    "another border": (WINDOW, "fast", {"velocity_above": 7500.0}),
    "another feature": (IMPORTANCE, "never-matters", {"features": ["age"]}),
    "a feature more": (IMPORTANCE, "never-matters", {"features": ["age", "user_location"]}),
    "another context": (
        IMPORTANCE, "time_of_year-black_friday-x3",
        {"key": "time_of_year", "value": "cyber_monday", "features": ["discount"]},
    ),
    "another key": (
        IMPORTANCE, "time_of_year-black_friday-x3",
        {"key": "season", "value": "black_friday", "features": ["discount", "price"]},
    ),
    "fewer impacts": (STRATEGY, "thorough", {"impacts": ["high", "critical"]}),
    "other rows": (RECOVERY, "sample", {"rows_above": 70_000}),
    "another severity": (ALERTS, "cool-down", {"severity_below": "medium"}),
    "a ratio": (ALERTS, "useless-latency_p50", {"ratio_at_most": 2.5}),
}  # fmt: skip


@pytest.mark.parametrize("what", CONDITIONS)
def test_a_changed_condition_is_read_back(tmp_path: Path, what: str) -> None:
    """Fields are added, removed and changed, up to two at once."""
    name, rule_id, condition = CONDITIONS[what]
    before = decisions_of(scenario(name))
    rule = next(each for each in before.active if each.id == rule_id)
    whole = condition if name != ALERTS else rule.condition | condition
    after = with_rule(before, msgspec.structs.replace(rule, condition=whole))
    edits = read(tmp_path, before, rendered(after))
    assert [edit.rule.id for edit in edits] == [rule_id]
    assert is_equal(applied(before, edits), after)


NEW_RULES: dict[str, tuple[str, str, dict[str, object], dict[str, object]]] = {
    "drift of a feature": (DRIFT, "numeric", {"features": ["income"]}, {}),
    "drift of features in small samples": (
        DRIFT, "numeric-seasonal", {"features": ["age", "income"], "reference_at_most": 300}, {},
    ),
    "a band": (WINDOW, "fast", {"velocity_above": 20_000.0}, {"window": 900}),
    "a slow band": (WINDOW, "fast", {"velocity_above": 20.0}, {"window": 900}),
    "the importance of a feature": (IMPORTANCE, "never-matters", {"features": ["age"]}, {"multiplier": 0.5}),
    "a context": (
        IMPORTANCE, "time_of_year-black_friday-x3",
        {"key": "region", "value": "eu", "features": ["tax"]}, {"multiplier": 2.0},
    ),
    "an interaction": (
        IMPORTANCE, "price-with-day_of_week", {"feature": "price", "other": "stock"}, {"multiplier": 1.25},
    ),
    "a suppression": (ALERTS, "useless-latency_p50", {"features": ["cpu"], "until": 1_800_000_000.0}, {}),
    "a group": (ALERTS, "group-ad_spend", {"features": ["cpu", "memory"]}, {"at_least": 2}),
    "a fallback": (RECOVERY, "fallback-timeout", {"error": "memory"}, {}),
    "a tier": (STRATEGY, "thorough", {"impacts": ["high", "critical"]}, {"frequency": "hourly"}),
    "quiet models": (STRATEGY, "quiet", {"drift_rate_below": 0.001}, {"frequency": "weekly", "top": 2}),
}  # fmt: skip


def added(what: str) -> tuple[Decisions, Decisions]:
    """Return the decisions of a scenario, and the same with a new rule."""
    name, form, condition, parameters = NEW_RULES[what]
    before = decisions_of(scenario(name))
    rule = next(each for each in before.active if each.id == form)
    whole = condition if name == DRIFT else rule.condition | condition
    new = Rule(id="z-new", kind=rule.kind, condition=whole, parameters=rule.parameters | parameters)
    return before, with_rule(before, new)


@pytest.mark.parametrize("what", NEW_RULES)
def test_a_new_branch_of_the_form_of_a_rule_is_read_as_a_new_rule(tmp_path: Path, what: str) -> None:
    """It becomes a pin of a rule that did not exist."""
    before, after = added(what)
    edits = read(tmp_path, before, rendered(after))
    assert [edit.before for edit in edits] == [None]
    assert is_equal(applied(before, edits), after)
    new = edits[0].as_override(before.policy, who="user/ana", when="", why="")
    amended = amend(before, [new])
    assert next(rule for rule in amended.active if rule.id == new.rule).status == "pinned"
    assert is_equal(amended, after)
    assert str(edits[0]) == f"{new.rule} was added: it becomes a pin"


@pytest.mark.parametrize("what", ["drift of a feature", "a band", "a context", "a group", "quiet models"])
def test_a_new_branch_and_a_changed_number_are_read_together(tmp_path: Path, what: str) -> None:
    """Both edits become pins."""
    before, more = added(what)
    leaf = next(each for each in leaves(before.active) if type(each.value) is float)
    after = with_leaf(more, leaf, leaf.value * 0.75 if isinstance(leaf.value, float) else 0)
    edits = read(tmp_path, before, rendered(after))
    assert is_equal(applied(before, edits), after)
    assert {edit.before is None for edit in edits} == {True, False}
    assert len(edits) == 2


@pytest.mark.parametrize("case", SCENARIOS)
def test_several_numbers_are_read_together(tmp_path: Path, case: str) -> None:
    """All numbers of a module are changed at once."""
    before = after = decisions_of(case)
    for leaf in leaves(before.active):
        for factor in (1.5, 0.75):
            value = leaf.value * factor if isinstance(leaf.value, float) else leaf.value
            changed = with_leaf(after, leaf, value)
            if isinstance(leaf.value, float) and is_visible(after, changed):
                after = changed
                break
    edits = read(tmp_path, before, rendered(after))
    assert effects(applied(before, edits)) == effects(after)


def tokens(source: str) -> list[tokenize.TokenInfo]:
    """Return the tokens of a module."""
    return list(tokenize.generate_tokens(io.StringIO(source).readline))


def replaced(source: str, which: Callable[[str], str | None]) -> str:
    """Return the source with the first token of the function replaced for which there is another."""
    lines = source.splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines, start=1) if line.startswith("def "))
    for token in tokens(source):
        new = which(token.string) if token.start[0] > start else None
        if new is not None:
            row, line = token.start[0] - 1, lines[token.start[0] - 1]
            lines[row] = line[: token.start[1]] + new + line[token.end[1] :]
            return "".join(lines)
    return source


WRONG = {
    "a changed operator": {">": ">=", "<": "<=", "<=": "<", "*=": "/=", "==": "!="},
    "another call": {
        "result": "not_compared", "min": "max", "prepare": "print", "top_features": "len",
        "plan_alerts": "print", "individual_alerts": "print",
    },
    "another return": {"return": "yield"},
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_other_code_is_refused_with_its_place(tmp_path: Path, what: str) -> None:
    """The message names the line, the text there, and what to do."""
    refused = 0
    for case in SCENARIOS:
        before = decisions_of(case)
        published = rendered(before)
        source = replaced(published, WRONG[what].get)
        if source == published:
            continue  # this policy has no such code
        lines = enumerate(zip(source.splitlines(), published.splitlines(), strict=True), start=1)
        line = next(number for number, (edited, compiled) in lines if edited != compiled)
        with pytest.raises(EditError) as raised:
            read(tmp_path, before, source)
        message = str(raised.value)
        assert f"line {line}, `{source.splitlines()[line - 1].strip()[:40]}" in message
        for step in ("poet pin", "templates/", "git checkout"):
            assert step in message
        refused += 1
    assert refused >= len(SCENARIOS) - 2


@pytest.mark.parametrize("case", SCENARIOS)
def test_a_renamed_variable_is_refused_and_a_renamed_constant_is_not_an_edit(
    tmp_path: Path, case: str
) -> None:
    """Names of constants do not matter, the names in the code are the template's."""
    before = decisions_of(case)
    published = rendered(before)
    *_, constant = re.findall(r"^([A-Z][A-Z0-9_]*): Final", published, re.MULTILINE)
    renamed = re.sub(rf"\b{constant}\b", "MY_VALUE", published)
    with pytest.raises(EditError, match="only names, comments or spacing"):
        read(tmp_path, before, renamed)
    body = (
        published[published.index('    """', published.index("\ndef ")) :]
        .partition("\n\n")[2]
        .partition('"""')[2]
    )
    variable = re.search(r"^    (\w+) = ", body, re.MULTILINE) or re.search(r"\((\w+)[,)]", body)
    assert variable is not None
    code = re.sub(rf"\b{variable[1]}\b", "something_else", body)
    with pytest.raises(EditError, match="the compiler writes"):
        read(tmp_path, before, published.replace(body, code))


def test_the_version_of_a_module_is_not_a_value_of_a_rule(tmp_path: Path) -> None:
    """The version is not editable in the code, in its constant or in the docstring."""
    for name, old in itertools.product((DRIFT, WINDOW), ("VERSION: Final = ", "Version ")):
        before = decisions_of(scenario(name))
        source = rendered(before).replace(f"{old}2", f"{old}3")
        with pytest.raises(EditError, match="is not a value of a rule"):
            read(tmp_path, before, source)
    before = decisions_of(scenario(WINDOW))
    with pytest.raises(EditError, match="VERSION is missing"):
        read(tmp_path, before, rendered(before).replace("VERSION: Final = 2", ""))


def test_a_changed_import_and_a_changed_docstring_are_named(tmp_path: Path) -> None:
    """The line alone would look like the compiler's."""
    before = decisions_of(scenario(DRIFT))
    published = rendered(before)
    with pytest.raises(EditError, match="imported from another module"):
        read(tmp_path, before, published.replace("from poet_runtime.drift import", "from mine import"))
    with pytest.raises(EditError, match="is not a value of a rule"):
        read(tmp_path, before, published.replace("values may be missing", "nothing is missing"))


def test_a_deleted_criterion_is_not_reported_as_an_import(tmp_path: Path) -> None:
    """The line that remains is the compiler's; the criterion after it is missing."""
    before = decisions_of(scenario(DRIFT))
    source, deleted = re.subn(r"\n +or samples\.ratio\(.*?,\n", ",\n", rendered(before))
    assert deleted == 1
    with pytest.raises(EditError, match="code from this line on is not a form that a rule can have"):
        read(tmp_path, before, source)


def test_branches_in_another_order_are_refused(tmp_path: Path) -> None:
    """The first branch that holds decides, so another order is another policy."""
    before = decisions_of(scenario(DRIFT))
    published = rendered(before)
    starts = [
        match.start()
        for match in re.finditer(r"^    (?:if samples\.is|return samples\.result)", published, re.MULTILINE)
    ]
    first, second, last = starts[-3:]
    swapped = published[:first] + published[second:last] + published[first:second] + published[last:]
    with pytest.raises(EditError, match="in another order"):
        read(tmp_path, before, swapped)


def test_a_rule_that_the_policy_needs_cannot_be_deleted(tmp_path: Path) -> None:
    """The message says which rule it is, and why."""
    before = decisions_of(scenario(DRIFT))
    published = rendered(before)
    start = published.index("    if samples.is_categorical:")
    end = published.index("\n    return samples.result(", start) + 1
    with pytest.raises(
        EditError, match=r"rule categorical cannot be deleted: .*no rule decides for categorical"
    ):
        read(tmp_path, before, published[:start] + published[end:])


def test_an_edit_of_two_readings_changes_the_fewest_rules(tmp_path: Path) -> None:
    """A band that passes another one changes their order, and still is one changed rule."""
    before = decisions_of(scenario(WINDOW))
    after = with_leaf(before, Leaf("fast", "condition", ("velocity_above",), 5_000.0), 60_000.0)
    (edit,) = read(tmp_path, before, rendered(after))
    assert edit.rule.id == "fast"


LAYOUTS = {
    "a number as a product": ("NUMERIC_KS_P: Final = 0.05", "NUMERIC_KS_P: Final = 0.001 * 10"),
    "a number in place": ("< NUMERIC_KS_P", "< 0.01"),
    "no annotation": ("NUMERIC_KS_P: Final = 0.05", "NUMERIC_KS_P = 0.01"),
    "another name": ("NUMERIC_KS_P", "MY_LIMIT"),
}


@pytest.mark.parametrize("what", LAYOUTS)
def test_layout_names_and_imports_do_not_matter(tmp_path: Path, what: str) -> None:
    """Only the value that the code uses is read."""
    before = decisions_of(scenario(DRIFT))
    old, new = LAYOUTS[what]
    source = "".join(rendered(before)).replace(old, new)
    source = source.replace("MY_LIMIT: Final = 0.05", "MY_LIMIT: Final = 0.01")
    source = source.replace("from typing import Final", "from typing import Final, Any")
    (edit,) = read(tmp_path, before, source)
    assert edit.after is not None
    assert edit.after.parameters["criteria"][0]["threshold"] == 0.01  # type: ignore[index]


BROKEN = {
    "a constant twice": ("NUMERIC_KS_P: Final = 0.05", "NUMERIC_KS_P: Final = 1\nNUMERIC_KS_P: Final = 2"),
    "a missing constant": ("< NUMERIC_KS_P", "< NUMERIC_KS"),
    "a computed constant": ("NUMERIC_KS_P: Final = 0.05", "NUMERIC_KS_P: Final = float('0.05')"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_modules_without_a_normal_form_are_reported(what: str) -> None:
    """The error has the line."""
    old, new = BROKEN[what]
    published = rendered(decisions_of(scenario(DRIFT)))
    source = published.replace(old, new)
    with pytest.raises(UnreadableModuleError) as raised:
        normal_form(source, Interner())
    assert "NUMERIC_KS" in source.splitlines()[raised.value.line - 1]


SAME = (
    ("x == 'a'", "x in ('a',)"), ("x in {'b', 'a'}", "x in frozenset({'a', 'b'})"), ("2", "2.0"),
    ("60 * 60", "3600"), ("datetime(1970, 1, 2, tzinfo=UTC)", "86400"), ("x != 'a'", "x not in ('a',)"),
)  # fmt: skip
DIFFERENT = (
    ("1", "True"), ("'1'", "1"), ("x == 'a'", "x == 'b'"), ("x in ('a', 'b')", "x in ('a',)"),
    ("(1, 2)", "(2, 1)"), ("f(a, b=1)", "f(a, c=1)"), ("a < b", "a <= b"), ("a and b", "a or b"),
    ("datetime(1970, 1, 2, tzinfo=UTC)", "datetime(1970, 1, 2)"),
    ("lambda *, a=1, b: 0", "lambda *, a, b=1: 0"),
)  # fmt: skip


@pytest.mark.parametrize(("one", "other"), [*SAME, *DIFFERENT])
def test_the_normal_form_is_equal_for_equal_code_only(one: str, other: str) -> None:
    """Every field of the syntax tree counts."""
    interner = Interner()
    first, second = (
        normal_form(f"from datetime import UTC, datetime\nvalue = {each}\n", interner)
        for each in (one, other)
    )
    assert first.is_equal(second) is ((one, other) in SAME)
    assert (first.distance(second) == (0, 0)) is ((one, other) in SAME)
