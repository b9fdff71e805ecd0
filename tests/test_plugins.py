"""Tests of packages with policies and event types, valid and broken."""

import importlib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import msgspec
import pytest

from poet import Workspace
from poet.build.check import check, refusals
from poet.build.compare import compare
from poet.build.render import render
from poet.build.validate import validate
from poet.events import PAYLOADS, json_schema, make
from poet.events.types import KnownTypes
from poet.spec import broken_policies, domains, policies, policy
from poet.spec import registration as _registered
from poet.workspace.pipeline import summaries_of as summaries_of_log
from poet_runtime import plugins
from poet_runtime.errors import CheckError, EventError, PluginError
from poet_runtime.policies.policy import BUILT_IN, runtime_policy
from poet_runtime.registry import on_trial
from tests.builders import summaries_of
from tests.handmade import write_version
from tests.workspaces import first_workspace

Bring = Callable[..., None]
POLICY = """
from poet.spec.decisions import Rule
from poet.spec import PolicySpec
def baseline(start):
    return (Rule(id="only", kind="only"),)
def outline(decisions):
    return {"constants": ()}
SPEC = PolicySpec("greet", "NAME:greet.jinja", ("plain",), baseline, outline, None, "NAME.contract",
                  domain="manners", imports=IMPORTS)
"""
TEMPLATE = """{% extends "_module.py.jinja" %}
{% block summary %}Greet.{% endblock %}
{% block imports %}
from NAME.words import word


{% endblock %}
{% block function %}
def greet() -> str:
    return word()
{% endblock %}
"""
CONTRACT = """
from hypothesis import given, strategies
from poet.build.contract import Contract, no_boundary_table, require
def says_hello(policy):
    @given(strategies.none())
    def test(_):
        require(policy() == "hello", "it does not say hello")
    return test
CONTRACT = Contract(properties=(says_hello,), boundary_table=no_boundary_table)
"""
EVENT = """
from typing import Literal
from poet.events import Payload
class Said(Payload, frozen=True, kw_only=True):
    source: str
    how_often: int
    tones: tuple[str, ...] = ()
    pitches: tuple[float, ...] = ()
    level: Literal[1, 2] = 1
"""


@pytest.fixture
def bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bring]:
    """Return a function that installs a package from its entry points by group and its files."""
    monkeypatch.syspath_prepend(str(tmp_path))

    known = dict(PAYLOADS)

    def forget() -> None:
        plugins.entries.cache_clear()
        _registered._installed.cache_clear()
        runtime_policy.cache_clear()
        PAYLOADS._known.clear()
        PAYLOADS._known.update(known)
        PAYLOADS._refused.clear()

    def install(name: str, points: dict[str, dict[str, str]], **files: str) -> None:
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        listed = (f"[{group}]\n" + "\n".join(map(" = ".join, each.items())) for group, each in points.items())
        (info / "entry_points.txt").write_text("\n".join(listed))
        (tmp_path / name).mkdir()
        for file, content in {"__init__.py": "", **files}.items():
            (tmp_path / name / file.replace("_py", ".py").replace("_jinja", ".jinja")).write_text(content)
        forget()

    yield install
    monkeypatch.undo()
    forget()


def greeting(bring: Bring, name: str, *, imports: str = "()") -> None:
    """Install a package with the policy `greet`."""
    bring(
        name,
        {"poet.policies": {"greet": f"{name}.policy:SPEC"}},
        policy_py=POLICY.replace("NAME", name).replace("IMPORTS", imports),
        greet_jinja=TEMPLATE.replace("NAME", name),
        words_py="def word():\n    return 'hello'\n",
    )


# policies


def test_a_policy_of_a_package_comes_after_the_built_in_ones_with_its_domain(bring: Bring) -> None:
    """The policy is found by its name."""
    greeting(bring, "greeter_a")
    assert [spec.name for spec in policies()][len(BUILT_IN) :] == ["greet"]
    assert policy("greet").domain == "manners"
    assert domains() == ("ml_monitoring", "manners")


def test_a_template_of_a_package_is_overridden_by_file_name(bring: Bring, tmp_path: Path) -> None:
    """The template extends the built-in one, and the digest covers both."""
    greeting(bring, "greeter_b")
    first = policy("greet").version_1("plain")
    ours = render(first)
    assert ours.source.startswith('"""Greet.\n\nVersion 1, preset plain.')
    overrides = tmp_path / "templates"
    overrides.mkdir()
    (overrides / "greet.jinja").write_text(TEMPLATE.replace("NAME", "greeter_b").replace("Greet.", "Hail."))
    theirs = render(first, overrides=overrides)
    assert theirs.source == ours.source.replace("Greet.", "Hail.")
    assert theirs.template_sha256 != ours.template_sha256


def test_generated_code_imports_only_the_packages_of_its_policy(bring: Bring) -> None:
    """The default is the packages that are allowed for every policy."""
    greeting(bring, "greeter_c")
    with pytest.raises(CheckError, match=r"imports word from greeter_c\.words; import from numpy"):
        check(render(policy("greet").version_1("plain")))


def test_a_package_that_a_policy_names_may_be_imported_by_public_names(bring: Bring, tmp_path: Path) -> None:
    """The rules are those of numpy, and also hold in the sandbox, wherever the package is installed."""
    greeting(bring, "greeter_d", imports='("greeter_d",)')
    (tmp_path / "greeter_d" / "contract.py").write_text(CONTRACT)
    checked = check(render(policy("greet").version_1("plain")))
    assert validate(checked, staging=tmp_path / "staging", effort=5).report.passed
    private = checked.rendered.source.replace("greeter_d.words", "greeter_d._words")
    first, *_ = refusals(private, "greet", imports=("greeter_d",))
    assert first.what == "imports word from greeter_d._words"


BROKEN = {
    "import no_such_library": "No module named 'no_such_library'",
    "raise SystemExit(3)": "SystemExit",
    "SPEC = 7": "expected a PolicySpec named 'greet', got 7",
    POLICY.replace('"greet",', '"meet",').replace("IMPORTS", "()"): "expected a PolicySpec named 'greet'",
    POLICY.replace('("plain",)', "()").replace("IMPORTS", "()"): "starts is empty",
    POLICY.replace("return (Rule", "return start.no or (Rule").replace("IMPORTS", "()"): "cannot be made",
}


@pytest.mark.parametrize(("source", "message"), BROKEN.items(), ids=range(len(BROKEN)))
def test_a_broken_policy_is_reported_and_does_not_affect_others(
    bring: Bring, request: pytest.FixtureRequest, source: str, message: str
) -> None:
    """The error has the package and the reason."""
    name = f"broken_{request.node.callspec.indices['source']}"
    bring(name, {"poet.policies": {"greet": f"{name}.policy:SPEC"}}, policy_py=source)
    assert len(policies()) == len(BUILT_IN)
    with pytest.raises(PluginError, match=rf"package {name} \(poet\.policies: greet = {name}\.policy:SPEC\)"):
        policy("greet")
    assert message in str(broken_policies()["greet"])


def test_a_duplicate_policy_name_is_refused(bring: Bring) -> None:
    """A built-in policy stays; of two packages with the same name neither is used."""
    bring("usurper", {"poet.policies": {"detect_drift": "usurper:SPEC"}})
    greeting(bring, "greeter_e")
    bring("greeter_f", {"poet.policies": {"greet": "greeter_f:SPEC"}})
    assert policy("detect_drift").contract == "poet.policies.detect_drift.contract"
    assert "package usurper" in str(broken_policies()["detect_drift"])
    with pytest.raises(PluginError, match=r"more than once: package greeter_e .* package greeter_f "):
        policy("greet")


RUNTIME = """
from poet_runtime.policies.policy import RuntimePolicy, difference_of_counts
RUNTIME = RuntimePolicy(
    name="greet",
    difference=lambda champion, shadow: difference_of_counts(len(champion), len(shadow)),
    feature_arguments=("who",),
    span_attributes=lambda answer: {"greet.length": len(answer)},
)
"""
LABEL = """
from poet.events import Payload
class Returned(Payload, frozen=True, kw_only=True):
    execution_id: str
    was_polite: bool
"""


def greetings(folder: Path) -> Path:
    """Publish two versions of `greet` in a workspace, the second as a shadow of the first."""
    generated = first_workspace(folder) / "generated"
    source = "VERSION = {0}\n\n\ndef greet(who) -> str:\n    return 'hello' * VERSION\n"
    document = msgspec.json.decode((generated / "registry.json").read_bytes())
    entries = {
        str(number): msgspec.to_builtins(
            write_version(generated, "greet", number, source=source.format(number))
        )
        for number in (1, 2)
    }
    document["policies"]["greet"] = {"active": 1, "previous": None, "versions": entries}
    (generated / "registry.json").write_bytes(msgspec.json.encode(document))
    on_trial(
        generated, "greet", 2, mode="shadow", share=1.0, who="user/ana", why="test", at="2026-01-01T00:00:00Z"
    )
    return generated.parent


def test_a_policy_of_a_package_is_recorded_shadowed_and_labeled(bring: Bring, tmp_path: Path) -> None:
    """The answer has an execution id that a label cites, without any code for the policy in POET."""
    points = {
        "poet.policies": {"greet": "greeter_h.policy:SPEC"},
        "poet_runtime": {"greet": "greeter_h.runtime:RUNTIME"},
        "poet.events": {"greeting.returned": "greeter_h.events:Returned"},
    }
    policy_py = POLICY.replace("NAME", "greeter_h").replace("imports=IMPORTS", "")
    bring("greeter_h", points, policy_py=policy_py, runtime_py=RUNTIME, events_py=LABEL)
    assert runtime_policy("greet") is importlib.import_module("greeter_h.runtime").RUNTIME
    with Workspace.open(greetings(tmp_path / "w")) as workspace:
        assert workspace.policy("greet")("ana") == "hello"
        identity = workspace.last_execution_id()
        workspace.emit("greeting.returned", {"execution_id": identity, "was_polite": True}, source="user/ana")
        workspace.flush()
        (tally,) = workspace.registry.tallies()
        assert (tally.compared, tally.more_alerts, tally.witnesses[0].feature) == (1, 1, "ana")
        summaries = summaries_of_log(workspace.log, tmp_path / "segments")
    (execution,) = summaries.events("policy.executed").to_pylist()
    (label,) = summaries.events("greeting.returned").to_pylist()
    assert execution["execution_id"] == label["execution_id"] == identity
    recorded = tuple(execution[name] for name in ("policy", "version", "arguments", "answer"))
    assert recorded == ("greet", 1, '{"who":"ana"}', '"hello"')


def test_two_versions_of_a_policy_of_a_package_are_compared(bring: Bring) -> None:
    """The comparison uses the `BEHAVIOUR` of the package."""
    behaviour = """
from poet.build.compare import Behaviour, ProbeSet
BEHAVIOUR = Behaviour(
    probes=lambda modules, literals, most: ProbeSet(({"who": "ana"},), True),
    evaluate=lambda module, probe: module.greet(**probe),
    outcome=len, direction=lambda before, after: (after > before) - (after < before),
    stricter="says more", looser="says less",
)
"""
    policy_py = POLICY.replace("NAME", "greeter_i").replace(
        "imports=IMPORTS", "behaviour='greeter_i.behaviour'"
    )
    bring(
        "greeter_i",
        {"poet.policies": {"greet": "greeter_i.policy:SPEC"}},
        policy_py=policy_py,
        behaviour_py=behaviour,
    )
    source = "VERSION = {0}\ndef greet(who) -> str:\n    return 'hello' * VERSION\n"
    found = compare(
        source.format(1), source.format(2), import_module(str(policy("greet").behaviour)).BEHAVIOUR
    )
    assert (found.verdict, found.means) == ("stricter", "says more")


@pytest.mark.parametrize("part", ["missing", "another", "broken"])
def test_a_runtime_part_that_production_would_not_find_is_refused(bring: Bring, part: str) -> None:
    """The compiler reports the package, and production uses the defaults."""
    name = f"greeter_{part}"
    policy_py = POLICY.replace("NAME", name).replace("imports=IMPORTS", "runtime=RUNTIME") + (
        "from poet_runtime.policies.policy import RuntimePolicy\nOTHER = RuntimePolicy(name='greet')\n"
    )
    policy_py = (
        "from poet_runtime.policies.policy import RuntimePolicy\nRUNTIME = RuntimePolicy(name='greet')\n"
        + policy_py
    )
    points = {"poet.policies": {"greet": f"{name}.policy:SPEC"}}
    registered = {"missing": None, "another": f"{name}.policy:OTHER", "broken": f"{name}.policy:SPEC"}[part]
    bring(name, points | ({"poet_runtime": {"greet": registered}} if registered else {}), policy_py=policy_py)
    with pytest.raises(PluginError, match=rf"package {name}"):
        policy("greet")
    assert runtime_policy("greet").name == "greet"
    assert runtime_policy("greet").feature_arguments == ("feature", "feature_name")


# event types


def test_an_event_type_of_a_package_is_read_sealed_and_summarized(bring: Bring, tmp_path: Path) -> None:
    """A field with a name of the envelope has its own column, and fields without a column are JSON."""
    bring("sayer_a", {"poet.events": {"greet.said": "sayer_a.events:Said"}}, events_py=EVENT)
    data = {"source": "a friend", "how_often": 2**70, "tones": ["high"], "pitches": [0.5], "level": 2}
    event = make("greet.said", data | {"context": {"b": 1, "a": "x"}}, source="user/ana", id="e", time=1.0)
    (row,) = summaries_of(tmp_path / "s", [event]).events("greet.said").to_pylist()
    assert row == {
        "position": 1,
        "event_id": "e",
        "source": "user/ana",
        "time": 1.0,
        "subject": None,
        "context": '{"a":"x","b":1}',
        "data_source": "a friend",
        "how_often": 2**63 - 1,
        "tones": ["high"],
        "pitches": "[0.5]",
        "level": "2",
    }
    assert "greet.said" in json_schema()["$defs"]  # type: ignore[operator]


def test_a_broken_event_type_is_reported_and_does_not_affect_others(bring: Bring) -> None:
    """The list of all types omits it."""
    bring(
        "sayer_b",
        {"poet.events": {"greet.broken": "sayer_b:missing", "greet.odd": "sayer_b.odd:Odd"}},
        odd_py="from poet.events import Payload\nclass Odd(Payload):\n    what: object()\n",
    )
    known = KnownTypes(dict(PAYLOADS))
    with pytest.raises(EventError, match=r"package sayer_b \(poet\.events: greet\.broken = sayer_b:"):
        known["greet.broken"]
    assert set(known) == set(PAYLOADS)
    assert len(known.problems) == 2


def test_a_built_in_event_type_cannot_be_replaced(bring: Bring) -> None:
    """A package that uses its name is reported."""
    bring("sayer_c", {"poet.events": {"drift.validation": "sayer_c.events:Said"}}, events_py=EVENT)
    own = KnownTypes(dict(PAYLOADS))
    assert own["drift.validation"].__name__ == "Validation"
    assert [str(each)[:15] for each in own.problems] == ["package sayer_c"]


def test_segments_of_an_unknown_type_are_not_ignored(
    bring: Bring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has the name of the type."""
    from poet.summaries import summaries as _summaries
    from poet.summaries import summarise
    from poet_runtime.errors import SummaryError

    bring("sayer_d", {"poet.events": {"greet.again": "sayer_d.events:Said"}}, events_py=EVENT)
    summaries_of(tmp_path / "s", [make("greet.again", {"source": "a", "how_often": 1}, id="e", time=1.0)])
    monkeypatch.setattr(_summaries, "PAYLOADS", {"drift.validation": msgspec.Struct})
    with pytest.raises(
        SummaryError, match=r"events of type greet\.again, which no installed package provides"
    ):
        summarise(tmp_path / "s" / "segments")
