"""The shape proof and the dialect: accepted code, and refusals with line, reason and next step."""

import contextlib
import dataclasses
import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from poet.build.check import check, check_dialect, difference, refusals, same_shape
from poet.build.render import render, template_root
from poet.spec import policies, policy
from poet.spec.decisions import Decisions, Rule
from poet_runtime.context import get, get_names
from poet_runtime.errors import CheckError
from tests.hostile import hostile_text


def module(body: str, *, parameters: str = "items, other=()", top: str = "") -> str:
    """Return a module in the dialect around a function body."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return (
        '"""Judge."""\n\nfrom typing import Final\n\nimport numpy as np\n\n__all__ = ["judge"]\n\n'
        f"VERSION: Final = 1\nLIMIT = 0.5\n{top}\n\n"
        f"def judge({parameters}) -> float:\n{lines}"
    )


def learned(*features: str) -> Decisions:
    """Return drift decisions with a rule for these features."""
    first = policy("detect_drift").version_1("ks")
    criterion = {"statistic": "psi", "scale": "absolute", "direction": "above", "threshold": 0.2}
    rule = Rule(
        id="feature-x",
        kind="decide",
        condition={"features": list(features)},
        parameters={"criteria": [criterion]},
        status="adopted",
    )
    return msgspec.structs.replace(first, version=2, revises=1, rules=(*first.rules, rule))


# check


def test_every_first_version_passes() -> None:
    """All presets of all policies are in the dialect and have the shape of their templates."""
    for spec in policies():
        for start in spec.starts:
            rendered = render(spec.version_1(start))
            assert check(rendered).sha256 == hashlib.sha256(rendered.source.encode()).hexdigest()


def test_a_source_of_another_shape_is_refused_with_the_place() -> None:
    """One statement more than in the template is found, even a harmless one."""
    rendered = render(learned("x"))
    tampered = dataclasses.replace(rendered, source=rendered.source + "\nMORE = 1\n")
    with pytest.raises(
        CheckError, match=r"detect_drift: a text in the decisions changed the code at module\.body: "
    ):
        check(tampered)


def with_lines(folder: Path, lines: str) -> Path:
    """Write a template for detect_drift to a folder that prints these lines once per feature name."""
    content = (template_root() / "detect_drift.py.jinja").read_text()
    guard = "    if not samples.comparable:"
    before, after = content.split(guard, 1)
    loop = "{% for branch in branches %}{% for test in branch.tests if test.of == 'feature' %}\n"
    loop += f"{{% set name = test.value %}}\n{lines}{{% endfor %}}{{% endfor %}}\n"
    (folder / "detect_drift.py.jinja").write_text(f"{before}{loop}{guard}{after}")
    return folder


@pytest.mark.parametrize("feature", ["eval", "price"])
def test_a_template_that_turns_feedback_into_a_name_is_refused(tmp_path: Path, feature: str) -> None:
    """Text from feedback must not become a name, even if it is a valid identifier."""
    folder = with_lines(tmp_path, "    {{ name | identifier }}\n")
    with pytest.raises(CheckError, match=rf"'{feature}' where the template gives 'text_\d'"):
        check(render(learned(feature), overrides=folder))


def test_a_template_that_branches_on_feedback_is_refused(tmp_path: Path) -> None:
    """Code that depends on a text changes the shape."""
    folder = with_lines(tmp_path, "{% if name == 'price' %}    feature = feature\n{% endif %}")
    assert check(render(learned("size"), overrides=folder))
    with pytest.raises(CheckError, match="7 parts where the template gives 6 parts"):
        check(render(learned("price"), overrides=folder))


# shape

SAME = [
    ("x = 1\n", "x = 2.5\n"),
    ("x = -1.5\n", "x = 3\n"),
    ("x = 'a'  # one\n", 'x = """b"""\n\n# two\n'),
    ("x = ('a', 'b')\n", "x = (\n    'a',\n    'long',\n)\n"),
    ("if a and b:\n    pass\n", "if (\n    a\n    and b\n):\n    pass\n"),
    ("f(a, b)\n", "f(\n    a,\n    b,\n)\n"),
    ("def f():\n    return 1\n", "def f():\n  return 1\n"),
]
DIFFERENT = [
    ("x = 1\n", "y = 1\n"),
    ("x = 1\n", "x = '1'\n"),
    ("x = 1\n", "x = 1\ny = 1\n"),
    ("x = 1\n", "x = +1\n"),
    ("x = ('a',)\n", "x = ('a')\n"),
    ("x = ('a', 'b')\n", "x = ('a', 'b', 'c')\n"),
    ("x = ('a', 'b')\n", "x = ('a' 'b')\n"),
    ("x = ('a', 'b')\n", "x = ['a', 'b']\n"),
    ("x = 'a'\n", "x = b'a'\n"),
    ("x = 'a'\n", "x = f'a'\n"),
    ("x = a > 1\n", "x = a >= 1\n"),
    ("x = a and b\n", "x = a or b\n"),
    ("x = a and (b or c)\n", "x = (a and b) or c\n"),
    ("f(a)\n", "f(*a)\n"),
    ("f(a=1)\n", "f(b=1)\n"),
    ("def f(a): pass\n", "def f(*, a): pass\n"),
    ("def f(a=1): pass\n", "def f(a): pass\n"),
    ("if a:\n    b\nelse:\n    c\n", "if a:\n    b\nc\n"),
    ("from a import b\n", "from .a import b\n"),
    ("x = True\n", "x = False\n"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_literals_comments_and_layout_are_not_part_of_the_shape(a: str, b: str) -> None:
    """Texts and numbers may differ."""
    assert same_shape(a, b)
    assert difference(b, a) is None


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_everything_else_is_part_of_the_shape(a: str, b: str) -> None:
    """The shape includes names, operators, and the type and number of nodes."""
    assert not same_shape(a, b)
    assert not same_shape(b, a)


def test_a_difference_names_its_place() -> None:
    """The path leads to the first node that differs."""
    found = difference("x = 1\ny = a\n", "x = 1\ny = b\n")
    assert str(found) == "Difference(path='module.body[1].body[0].value.value', left=\"'a'\", right=\"'b'\")"


def test_invalid_python_has_no_shape() -> None:
    """A syntax error is reported as such."""
    with pytest.raises(CheckError, match="not a Python module: Syntax Error"):
        same_shape("x = (\n", "x = 1\n")


@settings(max_examples=100, deadline=None)
@given(hostile_text())
def test_no_text_breaks_the_proof(text: str) -> None:
    """For any text the result is True, False or a `CheckError`."""
    with contextlib.suppress(CheckError):
        assert not same_shape(text[:2000], "x = (yield)\n")


# dialect

GOOD = [
    "return LIMIT",
    "return max(abs(float(item)) for item in items)",
    "total = 0.0\nfor item in items:\n    total += item\nreturn total",
    "for name, value in items.items():\n    if value:\n        return name\nreturn None",
    "try:\n    return items()\nexcept Exception as error:\n    return repr(error)",
    "kept = []\nfor item in sorted(items, key=repr):\n    kept.append(item)\nreturn tuple(kept)",
    "a, (b, c) = items\nreturn {'a': a, 'b': b}.get(c, -1)",
    "return f'{items[0]:.2f}' if np.mean(items) > LIMIT else 'x'",
]
BAD = [
    ("while items:\n    pass", "uses While"),
    ("with items:\n    pass", "uses With"),
    ("return lambda: 1", "uses Lambda"),
    ("class A:\n    pass", "uses ClassDef"),
    ("global LIMIT", "uses Global"),
    ("nonlocal x", "uses Nonlocal"),
    ("yield 1", "uses Yield"),
    ("return (x := 1)", "uses NamedExpr"),
    ("match items:\n    case 1:\n        pass", "uses Match"),
    ("del items", "uses Del"),
    ("assert items", "uses Assert"),
    ("try:\n    pass\nexcept* Exception:\n    pass", "uses TryStar"),
    ("return eval('1')", "uses the name eval"),
    ("exec('1')", "uses the name exec"),
    ("return getattr(items, 'x')", "uses the name getattr"),
    ("setattr(items, 'x', 1)", "uses the name setattr"),
    ("return __import__('os')", "uses the name __import__"),
    ("return globals()", "uses the name globals"),
    ("return open('f')", "uses the name open"),
    ("print(items)", "uses the name print"),
    ("return type(items)", "uses the name type"),
    ("return vars()", "uses the name vars"),
    ("return compile('1', '', 'eval')", "uses the name compile"),
    ("return unknown", "uses the name unknown"),
    ("return items.__class__", "reads the attribute __class__"),
    ("return items._private", "reads the attribute _private"),
    ("return '{0.__class__}'.format(items)", "reads the attribute format"),
    ("return np.load('f')", "reads the attribute load"),
    ("return np.ma.core.operator.attrgetter('x')", "reads the attribute operator"),
    ("return items.to_csv('f')", "reads the attribute to_csv"),
    ("return items.eval('@x')", "reads the attribute eval"),
    ("return np.lib.format.os", "reads the attribute os"),
    ("return np.random.rand()", "reads the attribute random"),
    ("return (x for x in items).gi_frame.f_builtins", "reads the attribute gi_frame"),
    ("np.seterr(all='ignore')", "reads the attribute seterr"),
    ("import os", "imports os"),
    ("from os import path", "imports path from os"),
    ("from numpy import load", "imports load from numpy"),
    ("from numpy import *", "imports everything from numpy"),
    ("from . import x", "imports x from ."),
    ("import numpy.ctypeslib", "imports numpy.ctypeslib"),
    ("from scipy import io", "imports io from scipy"),
    ("from numpy.ma.core import operator", "imports operator from numpy.ma.core"),
    ("from numpy.ma.mrecords import openfile", "imports openfile from numpy.ma.mrecords"),
    ("from scipy.sparse import save_npz", "imports save_npz from scipy.sparse"),
    ("from statsmodels.formula.api import ols", "imports ols from statsmodels.formula.api"),
    ("from poet_runtime.context import member", "imports member from poet_runtime.context"),
    ("from poet.learning import learn", "imports learn from poet.learning"),
    ("from poet_runtime.files import atomic_write", "imports atomic_write from poet_runtime.files"),
    ("from poet_runtime import registry", "imports registry from poet_runtime"),
    ("import poet_runtime.registry", "imports poet_runtime.registry"),
    ("from poet_runtime.alerts import groupby", "imports groupby from poet_runtime.alerts"),
    (
        "from poet_runtime.drift.comparison import Samples",
        "imports Samples from poet_runtime.drift.comparison",
    ),
    ("import numpyx", "imports numpyx"),
    ("for x in np.arange(10**12):\n    pass", "loops over something without a bound"),
    ("return [x for x in range(10**12)]", "loops over something without a bound"),
    ("for x in items:\n    items.append(x)", "changes items while looping over it"),
    ("grown = [1]\nfor x in grown:\n    grown.append(x)", "changes grown while looping over it"),
    ("return judge(items)", "uses judge inside itself"),
    ("judge.state = 1", "uses judge inside itself"),
    ("items[0] = 1", "assigns into an object"),
    ("items.x = 1", "assigns into an object"),
    ("a, items[0] = 1, 2", "assigns into an object"),
    ("for items[0] in other:\n    pass", "assigns into an object"),
    ("items += 1", "changes items in place"),
    ("items.sort()", "changes items by sort"),
    ("items[0].append(1)", "changes items by append"),
    ("try:\n    pass\nexcept:\n    pass", "catches everything"),
    ("def inner():\n    pass", "defines inner inside another function"),
]


@pytest.mark.parametrize("body", GOOD)
def test_plain_code_is_in_the_dialect(body: str) -> None:
    """Everything that a policy needs is allowed."""
    assert refusals(module(body), "judge") == ()


@pytest.mark.parametrize(("body", "what"), BAD)
def test_a_body_outside_the_dialect_is_refused(body: str, what: str) -> None:
    """The refusal has the line, the reason and the next step."""
    found = refusals(module(body), "judge")
    matching = [refusal for refusal in found if what in refusal.what]
    assert matching
    assert 14 <= matching[0].line <= 17
    assert matching[0].next_step


BAD_TOP = [
    ("print(1)", "has a Expr that runs at import"),
    ("limit = 1", "has a Assign that runs at import"),
    ("STATE = []", "has a Assign that runs at import"),
    ("STATE = {}", "has a Assign that runs at import"),
    ("NOW = np.zeros(9)", "has a Assign that runs at import"),
    ("A = B = 1", "has a Assign that runs at import"),
    ("STATE: Final = []", "has a AnnAssign that runs at import"),
    ("NOW: Final = np.zeros(9)", "has a AnnAssign that runs at import"),
    ("LATER: Final", "has a AnnAssign that runs at import"),
    ("limit: Final = 1", "has a AnnAssign that runs at import"),
    ("LIMIT: Final = 2", "assigns LIMIT twice"),
    ("A: np.zeros(9) = 1", "has an annotation that computes"),
    ("A = 2 ** 99", "has a Assign that runs at import"),
    ("NAMES = frozenset(np.zeros(3))", "has a Assign that runs at import"),
    ("if LIMIT:\n    A = 1", "has a If that runs at import"),
    ("LIMIT = 2", "assigns LIMIT twice"),
    ("def other():\n    return 1", "defines ['other', 'judge']"),
    ("A = '\u202e'", "holds the invisible character '\\u202e'"),
    ("A = '\x0c'", "holds the invisible character '\\x0c'"),
]


@pytest.mark.parametrize(("top", "what"), BAD_TOP)
def test_a_module_that_runs_code_at_import_is_refused(top: str, what: str) -> None:
    """A module consists of a docstring, imports, constants and one function."""
    assert what in str([str(refusal) for refusal in refusals(module("return 1", top=top), "judge")]).replace(
        "\\\\", "\\"
    )


GOOD_TOP = [
    "A: Final = 0.5",
    'A: Final = frozenset({"a", "b"})',
    "A: Final = (1, -2.5, None)",
    "A: int = 5",
    "A: Final[float] = 5.0",
]


@pytest.mark.parametrize("top", GOOD_TOP)
def test_an_annotated_constant_is_in_the_dialect(top: str) -> None:
    """Constants may be annotated with `Final`, which type checkers read."""
    assert refusals(module("return A", top=top), "judge") == ()


DATE = "from datetime import UTC, datetime\n"
GOOD_DATES = [
    "A: Final = datetime(2024, 4, 15, tzinfo=UTC)",
    "A = datetime(2024, 4, 15, 9, 30, 0, 1, tzinfo=UTC)",
    "A: Final = 1\nB: datetime = datetime(2024, 4, 15, tzinfo=UTC)",
]
BAD_DATES = [
    "datetime(2024, 4, 15)",
    "datetime(2024, 4, tzinfo=UTC)",
    "datetime(2024, 4, 15, 9, 30, 0, 1, 2, tzinfo=UTC)",
    "datetime(2024, 4, 15, tzinfo=None)",
    "datetime(2024, 4, 15, tz=UTC)",
    "datetime(2024, 4, 15, UTC)",
    "datetime(tzinfo=UTC)",
    "datetime()",
    "datetime(2024, 4, -15, tzinfo=UTC)",
    "datetime(2024, 4, 15.0, tzinfo=UTC)",
    "datetime(2024, 4, VERSION, tzinfo=UTC)",
    "datetime(2024, 4, max(1, 2), tzinfo=UTC)",
    "datetime(*PARTS, 4, 15, tzinfo=UTC)",
    "datetime(2024, 4, 15, fold=1, tzinfo=UTC)",
    "datetime(2024, 4, 15, tzinfo=UTC).timestamp()",
    "datetime.now(UTC)",
    "datetime.now(tzinfo=UTC)",
    "datetime",
]


@pytest.mark.parametrize("top", GOOD_DATES)
def test_a_date_is_a_constant(top: str) -> None:
    """It has three to seven whole numbers and is in UTC."""
    assert refusals(module("return A", top=DATE + top), "judge") == ()


@pytest.mark.parametrize("date", BAD_DATES)
def test_every_other_date_is_refused(date: str) -> None:
    """A constant has one value in every process and time zone."""
    top = f"{DATE}PARTS = (2024,)\nA: Final = {date}"
    found = [str(each) for each in refusals(module("return A", top=top), "judge")]
    assert any("has a AnnAssign that runs at import" in each for each in found), found


@pytest.mark.parametrize(
    "body",
    [
        "return datetime.now(UTC).hour",
        "return datetime.utcnow()",
        "now = datetime\nreturn now.today()",
        "return [kind.today() for kind in (datetime,)]",
        "return datetime(*items, tzinfo=UTC)",
    ],
)
def test_a_policy_does_not_read_the_clock(body: str) -> None:
    """Inside a function, `datetime` may only be used as a type or to write a constant date."""
    found = refusals(module(body, top=DATE), "judge")
    assert "uses datetime for more than a date" in {each.what for each in found}


def test_a_function_may_use_dates_and_their_type() -> None:
    """A time from the caller may be compared with a date."""
    source = module(
        "return now is not None and now < datetime(2024, 4, 15, tzinfo=UTC)",
        parameters="now: datetime | None = None",
        top=DATE,
    )
    assert refusals(source, "judge") == ()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("from datetime import datetime as clock", "imports datetime.datetime as clock"),
        ("from datetime import UTC as datetime", "imports datetime.UTC as datetime"),
        ("from numpy import zeros as datetime", "imports numpy.zeros as datetime"),
        ("import numpy as UTC", "imports numpy as UTC"),
        ("from datetime import timedelta", "imports timedelta from datetime"),
        ("from datetime import *", "imports everything from datetime"),
        ("import datetime", "imports datetime"),
        ("from typing import Any", "imports Any from typing"),
    ],
)
def test_dates_are_imported_under_their_own_names(line: str, what: str) -> None:
    """A call that looks like a date could otherwise be another function."""
    assert what in {each.what for each in refusals(module("return 1", top=line), "judge")}


GOOD_TYPES = [
    "int | None",
    "dict[str, tuple[int, ...]]",
    "np.ndarray | list[float]",
    '"int | None"',
    "Final",
    "None",
]
BAD_TYPES = [
    "np.zeros(3)",
    "int | len(VERSION)",
    "list[len(VERSION)]",
    "dict[str, [int, str]]",
    "list[1:2]",
    "tuple[*VERSION]",
    "int + str",
    "-VERSION",
    "int if VERSION else str",
    "[each for each in VERSION]",
]


@pytest.mark.parametrize("type_", GOOD_TYPES)
def test_types_may_annotate_parameters_and_results(type_: str) -> None:
    """Unions, types with parameters, and names of packages."""
    assert refusals(module("return items", parameters=f"items: {type_}"), "judge") == ()
    assert refusals(module("return 1").replace("-> float", f"-> {type_}"), "judge") == ()


@pytest.mark.parametrize("type_", BAD_TYPES)
def test_an_annotation_that_computes_is_refused(type_: str) -> None:
    """Annotations would run code at import."""
    found = refusals(module("return items", parameters=f"items: {type_}"), "judge")
    assert "has an annotation that computes" in {each.what for each in found}


def test_an_unknown_type_is_refused() -> None:
    """An annotation is a name like any other."""
    found = refusals(module("return items", parameters="items: list[Unknown]"), "judge")
    assert [each.what for each in found] == ["uses the name Unknown"]


BAD_WHOLE = [
    (module("return 1", parameters="a=[]"), "gives a a default that is not a literal"),
    (module("return 1", parameters="a={}"), "gives a a default that is not a literal"),
    (module("return 1", parameters="a=np.zeros(3)"), "gives a a default that is not a literal"),
    (module("return 1", parameters="a: np.zeros(3)"), "has an annotation that computes"),
    (module("return 1").replace("def judge", "@np.vectorize\ndef judge"), "decorates judge"),
    (module("return 1").replace("def judge", "async def judge"), "makes judge asynchronous"),
    (module("return 1").replace("def judge", "def other"), "defines ['other']"),
    (module("return 1").replace('["judge"]', '["judge", "more"]'), "exports ['judge', 'more']"),
    (module("return 1").replace("VERSION: Final = 1", "VERSION = 'x'"), "has no whole number VERSION"),
    ("# coding: utf-7\n" + module("return 1"), "does not begin with a docstring"),
    (module("return 1").removeprefix('"""Judge."""'), "does not begin with a docstring"),
]


@pytest.mark.parametrize(("source", "what"), BAD_WHOLE)
def test_a_module_of_another_form_is_refused(source: str, what: str) -> None:
    """A module has one undecorated public function named after the policy, with immutable defaults."""
    with pytest.raises(CheckError) as refused:
        check_dialect(source, "judge")
    assert what in str(refused.value)


def test_all_refusals_are_reported_together_by_line() -> None:
    """One correction of the module is enough to fix all of them."""
    with pytest.raises(CheckError) as refused:
        check_dialect(module("exec('1')\nwhile items:\n    pass"), "judge")
    lines = str(refused.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines] == ["judge", "line 14", "line 15"]


def test_invalid_python_is_not_in_the_dialect() -> None:
    """A syntax error is reported as such."""
    with pytest.raises(CheckError, match="judge: not a Python module"):
        check_dialect("def (", "judge")


def test_a_lone_surrogate_in_the_source_is_refused() -> None:
    """A source that cannot be encoded as UTF-8 cannot be published."""
    with pytest.raises(CheckError):
        check_dialect(module("return '\ud800'"), "judge")


class ContextObject:
    """A context as an object with two data attributes and a method."""

    region = "north"
    _hidden = 1

    def write(self) -> None:
        """Represent the methods of table objects."""


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (get, "__globals__"),
        (np, "save"),
        (np.zeros(1), "tofile"),
        ((each for each in "ab"), "gi_frame"),
        (ContextObject, "mro"),
        (ContextObject(), "__class__"),
        (ContextObject(), "_hidden"),
        (ContextObject(), "write"),
        (None, "region"),
    ],
)
def test_a_field_returns_only_data(value: object, name: str) -> None:
    """The dialect cannot check names in texts, so `get` returns only data."""
    assert get(value, name, 0) == 0
    assert get_names(value, name) == frozenset()


def test_a_field_is_read_from_objects_and_mappings() -> None:
    """A mapping may have any names, because its caller chose them."""
    assert get(ContextObject(), "region") == "north"
    assert get({"region": "south", "_own": 2}, "region") == "south"
    assert get({"region": "south", "_own": 2}, "_own") == 2


@pytest.mark.parametrize(
    ("value", "found"),
    [("ab", {"ab"}), (["a", "b", "a"], {"a", "b"}), (("a", 1, None), {"a"}), (3, set()), (None, set())],
)
def test_names_are_the_texts_of_a_field(value: object, found: set[str]) -> None:
    """A text counts as one name, and other values are ignored."""
    assert get_names({"features": value}, "features") == found
