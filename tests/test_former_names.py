"""Tests that names in documents of earlier releases are converted when the documents are read."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from poet.build.manifest import decode_manifest
from poet.events import Event, make, parse
from poet.log import EventFilter, import_files, open_log
from poet.summaries import seal, summarise
from poet.workspace.configuration import initial_text, read_configuration
from poet_runtime import former_names
from poet_runtime.errors import EventError, SummaryError, WorkspaceError
from poet_runtime.files import to_json
from poet_runtime.registry.shadow import read_tallies
from tests.builders import filled_log, summaries_of, validation
from tests.served import served

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "feedback_log" / "demo.jsonl"
FORMER = re.compile(
    r"own_q90|own_max|own_mean|own_sd|roughness|deseasonalised|\"held|learning\.begun|\"agree\"|\"bar\""
)
MEASURES = {"statistic": 1.0, "own_q90": 0.5, "own_max": 0.7, "own_mean": 0.3, "own_sd": 0.1}
PRESENT_MEASURES = {"statistic": 1.0, "null_q90": 0.5, "null_max": 0.7, "null_mean": 0.3, "null_sd": 0.1}


def recorded(**more: Any) -> dict[str, Any]:
    """Return the payload of an execution as an earlier release recorded it."""
    return {
        "execution_id": "x1",
        "policy": "detect_drift",
        "version": 1,
        "drifted": True,
        "feature": "roughness",
        "test": "wasserstein/deseasonalised/own_q90",
        "scores": {
            "wasserstein/deseasonalised": MEASURES,
            "roughness/raw": MEASURES,
            "ks/raw": {"statistic": 0.2, "p_value": 0.04},
        },
        **more,
    }


RULE = {
    "id": "held-numeric",
    "kind": "decide",
    "status": "held",
    "condition": {"features": ["roughness", "held-back"]},
    "parameters": {
        "agree": 1,
        "criteria": [
            {"statistic": "roughness", "preparation": "deseasonalised", "scale": "own_sd", "threshold": 2.0},
            {"statistic": "ks", "preparation": "raw", "scale": "p_value", "threshold": 0.05},
        ],
    },
    "evidence": {"bar": 27.8, "e_value": 3.0},
    "of_later": {"agree": 1},
}
PRESENT_RULE = {
    "id": "candidate-numeric",
    "kind": "decide",
    "status": "candidate",
    "condition": {"features": ["roughness", "held-back"]},
    "parameters": {
        "min_votes": 1,
        "criteria": [
            {
                "statistic": "mean_absolute_difference",
                "preparation": "deseasonalized",
                "scale": "null_zscore",
                "threshold": 2.0,
            },
            {"statistic": "ks", "preparation": "raw", "scale": "p_value", "threshold": 0.05},
        ],
    },
    "evidence": {"e_value_threshold": 27.8, "e_value": 3.0},
    "of_later": {"agree": 1},
}
DECISIONS = {"format": 1, "rules": [RULE], "configuration": {"risk": 0.05, "costs": {"within": 2.0}}}
PRESENT_DECISIONS = {
    "format": 1,
    "rules": [PRESENT_RULE],
    "configuration": {"risk": 0.05, "costs": {"max_adjustment_factor": 2.0}},
}
TALLY = {
    "compared": 5,
    "quieter": 1,
    "louder": 2,
    "otherwise": 1,
    "witnesses": [{"difference": "quieter", "feature": "louder", "champion": "a", "shadow": "b"}, 3],
}
PRESENT_TALLY = {
    "compared": 5,
    "fewer_alerts": 1,
    "more_alerts": 2,
    "different": 1,
    "witnesses": [{"difference": "fewer_alerts", "feature": "louder", "champion": "a", "shadow": "b"}, 3],
}
AGAINST = {
    "flips": {"quieter": {"real": 1, "unlabelled": 2}, "louder": {"real": 0}, "otherwise": 3, "kept": 4},
    "comparison": {
        "asked": 100,
        "witnesses": [{"question": "scores = {'roughness/raw/own_q90': 0.0}, own_q90s", "was": 1.0}, "x"],
    },
}
PRESENT_AGAINST = {
    "flips": {
        "fewer_alerts": {"real": 1, "unlabeled": 2},
        "more_alerts": {"real": 0},
        "different": 3,
        "kept": 4,
    },
    "comparison": {
        "probes": 100,
        "witnesses": [
            {"probe": "scores = {'mean_absolute_difference/raw/null_q90': 0.0}, own_q90s", "was": 1.0},
            "x",
        ],
    },
}
WORD = {"policy": "p", "rule": "held-a", "word": "veto", "parameters": RULE["parameters"], "why": "held"}
OVERRIDE = {
    "policy": "p",
    "rule": "candidate-a",
    "action": "veto",
    "parameters": PRESENT_RULE["parameters"],
    "why": "held",
}


def execution_payload(data: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the payload of an execution."""
    return former_names.payload("execution.recorded", data)


def epoch_payload(data: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the payload of the start of learning."""
    return former_names.payload("learning.epoch_started", data)


CONVERSIONS: dict[str, tuple[Callable[[Mapping[str, Any]], dict[str, Any]], Any, Any]] = {
    "an execution": (
        execution_payload,
        recorded(audit=False),
        {
            **recorded(audit=False),
            "test": "wasserstein/deseasonalized/null_q90",
            "scores": {
                "wasserstein/deseasonalized": PRESENT_MEASURES,
                "mean_absolute_difference/raw": PRESENT_MEASURES,
                "ks/raw": {"statistic": 0.2, "p_value": 0.04},
            },
        },
    ),
    "a start of learning": (epoch_payload, {"page": 3, "more": 1}, {"epoch": 3, "more": 1}),
    "a rule": (former_names.rule, RULE, PRESENT_RULE),
    "decisions": (former_names.decisions, DECISIONS, PRESENT_DECISIONS),
    "a manifest": (
        former_names.manifest,
        {"format": 1, "policy": "p", "source": "agree", "decisions": DECISIONS, "against": AGAINST},
        {
            "format": 2,
            "policy": "p",
            "source": "agree",
            "decisions": PRESENT_DECISIONS,
            "against": PRESENT_AGAINST,
        },
    ),
    "pins and vetoes": (
        former_names.overrides,
        {"format": 1, "words": [WORD, "x"]},
        {"format": 2, "overrides": [OVERRIDE, "x"]},
    ),
    "costs": (
        former_names.cost_names,
        {"miss": 3.0, "within": 2.0},
        {"miss": 3.0, "max_adjustment_factor": 2.0},
    ),
    "counts of a shadow": (former_names.tally, TALLY, PRESENT_TALLY),
}


@pytest.mark.parametrize("what", CONVERSIONS)
def test_every_former_name_is_converted_once(what: str) -> None:
    """Conversion changes nothing but names, neither in the argument nor when it is repeated."""
    convert, former, present = CONVERSIONS[what]
    before = json.dumps(former)
    assert convert(former) == present
    assert convert(present) == present
    assert json.dumps(former) == before


@pytest.mark.parametrize("what", CONVERSIONS)
@pytest.mark.parametrize("content", [{}, {"a": {"own_q90": 1, "word": 2}, "held": ["held-a"], "n": None}])
def test_unknown_content_is_unchanged(what: str, content: dict[str, Any]) -> None:
    """Former names are converted only where a document had them. Manifests and overrides get their format."""
    convert, _, present = CONVERSIONS[what]
    stated = {"format": 2} if what in ("a manifest", "pins and vetoes") else {}
    assert convert(content) == content | stated
    for name in present:  # a field of an unexpected type is reported by the reader of the document
        odd = {name: 5}
        assert convert(odd) == odd | stated


def test_a_field_under_both_names_keeps_the_present_one() -> None:
    """The order of the two fields does not matter."""
    both = {"max_adjustment_factor": 3.0, "within": 2.0}
    for fields in (both, dict(reversed(both.items()))):
        assert former_names.cost_names(fields) == {"max_adjustment_factor": 3.0}


def test_converted_rules_are_sorted_by_their_new_ids() -> None:
    """``held-`` is sorted after ``features``, and ``candidate-`` before it."""
    rules = [{"id": "a"}, {"id": "features"}, {"id": "held-z"}]
    found = former_names.decisions({"rules": rules})["rules"]
    assert [rule["id"] for rule in found] == ["a", "candidate-z", "features"]


# Modules --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('above("roughness", "raw", "own_q90", 1.7)', "roughness"),
        ('above("wasserstein", "deseasonalised", "null_q90", 1.7)', "deseasonalised"),  # language: keep
        ('below("ks", "raw", "own_sd", 1.7)', "own_sd"),
        ("samples.decide('numeric', agree=1)", "agree"),
        ('above("wasserstein", "deseasonalized", "null_q90", 1.7)', ""),
        ('samples.decide("roughness", min_votes=1)', ""),
        ('{"roughness", "own_q90"}  # agree=1', ""),
        ("function(agree=1)", ""),
        ("above('roughness'", ""),
    ],
)
def test_a_call_of_the_runtime_with_a_former_name_is_found(line: str, name: str) -> None:
    """Features with such a name, comments, and modules that do not compile are not reported."""
    assert former_names.in_module(f"found = {line}\n".encode()) == name


@pytest.mark.parametrize("path", sorted((ROOT / "generated").glob("*.py")), ids=lambda path: path.stem)
def test_modules_of_this_release_have_no_former_name(path: Path) -> None:
    """The runtime would refuse to run a module with a false positive."""
    assert former_names.in_module(path.read_bytes()) == ""


# Events ---------------------------------------------------------------------------------------------------


def made_and_parsed(type_: str, data: dict[str, Any]) -> list[Event]:
    """Return an event that is made by `make` and one that is parsed."""
    fields: dict[str, Any] = {"source": "poet", "id": "e1", "time": 1.7e9}
    text = {"type": type_, "data": data, "source": "poet", "id": "e1", "time": "2023-11-14T22:13:20Z"}
    return [make(type_, data, **fields), parse(json.dumps(text))]


def test_an_execution_of_an_earlier_client_is_understood() -> None:
    """The recorded envelope keeps the former names."""
    present = execution_payload(recorded())
    (expected, _) = made_and_parsed("execution.recorded", present)
    for event in made_and_parsed("execution.recorded", recorded(team="blue")):
        assert event.data == expected.data
        assert event.data.scores["wasserstein/deseasonalized"].null_q90 == 0.5  # type: ignore[attr-defined]
        assert b"own_q90" in event.raw
        assert event.extras() == {"data": {"team": "blue"}}


def test_the_start_of_learning_of_an_earlier_client_is_understood() -> None:
    """The type is converted, and the former name is not listed as an unknown field."""
    for event in made_and_parsed("learning.begun", {"page": 3, "more": 1}):
        assert event.type == "learning.epoch_started"
        assert event.data.epoch == 3  # type: ignore[attr-defined]
        assert event.extras() == {"data": {"more": 1}}
        assert msgspec.json.decode(event.raw)["type"] == "learning.begun"


def test_an_invalid_value_of_an_earlier_client_is_refused() -> None:
    """The error has the present name of the field."""
    with pytest.raises(EventError, match=r"epoch: expected `int` >= 2"):
        make("learning.begun", {"page": 0})
    with pytest.raises(EventError, match="null_q90"):
        make("execution.recorded", recorded(scores={"ks/raw": {"statistic": 1.0, "own_q90": "much"}}))
    with pytest.raises(EventError, match=r"\$: expected `object`, got `array`"):
        parse('{"type": "learning.begun", "data": [1]}')


def test_an_earlier_client_may_send_over_http(tmp_path: Path) -> None:
    """The server converts names like `emit`."""
    with served(tmp_path / "ws") as client:
        batch = [
            {"specversion": "1.0", "id": "x1", "source": "poet", "type": "execution.recorded"}
            | {"data": recorded()},
            {"specversion": "1.0", "id": "b1", "source": "poet", "type": "learning.begun"}
            | {"data": {"page": 2}},
        ]
        kind = {"content-type": "application/cloudevents-batch+json"}
        assert client.post("/v1/events", json=batch, headers=kind).status_code == 200
        execution, started = client.logged_events()
    assert execution.data.test == "wasserstein/deseasonalized/null_q90"
    assert (started.type, started.data.epoch) == ("learning.epoch_started", 2)


# Logs -----------------------------------------------------------------------------------------------------


def stored_by_an_earlier_release(event: Event) -> Event:
    """Return an event that a store writes as an earlier release would, with the type of its envelope."""
    return msgspec.structs.replace(event, type=msgspec.json.decode(event.raw)["type"])


def test_an_old_log_is_searched_and_counted_under_present_names(tmp_path: Path) -> None:
    """A search accepts both names of a type."""
    begun = stored_by_an_earlier_release(make("learning.begun", {"page": 2}, id="b"))
    with filled_log(tmp_path, [begun, validation(1)]) as log:
        for type_ in ("learning.epoch_started", "learning.begun"):
            (found,) = log.newest(EventFilter(type=type_), 5)
            assert (found.id, found.type) == ("b", "learning.epoch_started")
        assert [each.type for each in log.newest(EventFilter(is_feedback=True), 5)] == ["drift.validation"]
        assert log.count_by_type() == {"drift.validation": 1, "learning.epoch_started": 1}
        assert log.count_by_type(after=1) == {"drift.validation": 1}
        (event, _) = (stored.event for stored in log.read())
        assert event.type == "learning.epoch_started"


def test_old_executions_have_the_columns_of_new_ones(tmp_path: Path) -> None:
    """All tables of the segments are equal."""
    lines = [json.loads(line) for line in DEMO.read_bytes().splitlines()[:40]]
    former = [parse(json.dumps(line)) for line in lines]
    present = [
        parse(json.dumps(line | {"data": former_names.payload(line["type"], line["data"])})) for line in lines
    ]
    assert any(FORMER.search(event.raw.decode()) for event in former)
    assert not any(FORMER.search(event.raw.decode()) for event in present)
    found = []
    for name, events in (("former", former), ("present", present)):
        summaries_of(tmp_path / name, events)
        tables = sorted((tmp_path / name / "segments" / "segments").glob("*/*.parquet"))
        found.append(
            {path.parent.name: duckdb.read_parquet(str(path)).order("ALL").fetchall() for path in tables}
        )
    assert found[0] == found[1]
    assert found[0]["scores"]


def test_segments_of_an_earlier_release_are_sealed_again(tmp_path: Path) -> None:
    """Their columns have former names, and the log contains all of their content."""
    folder = tmp_path / "segments"
    with filled_log(tmp_path / "log", [make("execution.recorded", recorded(), id="x1")]) as log:
        seal(log, folder)
        expected = {path.name: path.read_bytes() for path in folder.rglob("*.parquet")}
        index = json.loads((folder / "segments.json").read_bytes())
        (folder / "segments.json").write_bytes(to_json(index | {"format": 1, "prefix": "of other columns"}))
        for path in folder.rglob("*.parquet"):
            path.write_bytes(b"of other columns")
        with pytest.raises(SummaryError, match="seal"):
            summarise(folder)
        assert seal(log, folder) == 1
    assert {path.name: path.read_bytes() for path in folder.rglob("*.parquet")} == expected
    assert summarise(folder).log_position == 1


def test_the_log_of_this_repository_is_that_of_an_earlier_release(tmp_path: Path) -> None:
    """The log is not rewritten, so manifests keep its digests, and its events are read with present names."""
    assert FORMER.search(DEMO.read_text())
    expected = hashlib.sha256().digest()
    with open_log(tmp_path) as log:
        import_files([DEMO], log, dead_letters=tmp_path / "dead.jsonl")
        for stored in log.read():
            event = stored.event
            names = (hashlib.sha256(name.encode()).digest() for name in (event.source, event.id))
            expected = hashlib.sha256(expected + b"".join(names)).digest()
            assert not FORMER.search(msgspec.json.encode(event.data).decode())
            assert event.extras().keys() <= {"data"}
            assert event.extras().get("data", {}).keys() <= {"sketch"}  # type: ignore[attr-defined]
        assert log.prefix_digest(log.position()) == expected.hex()


# Files of a workspace -------------------------------------------------------------------------------------


def test_a_manifest_of_an_earlier_release_is_read() -> None:
    """The decisions equal those of this release's manifest."""
    path = ROOT / "generated" / "detect_drift_v2.json"
    content = path.read_bytes()
    present = decode_manifest(content, path)
    former = content
    for before, after in (
        (b'"mean_absolute_difference"', b'"roughness"'),
        (b'"deseasonalized"', b'"deseasonalised"'),
        (b'"null_q90"', b'"own_q90"'),
        (b'"min_votes"', b'"agree"'),
        (b'"e_value_threshold"', b'"bar"'),
        (b'"max_adjustment_factor"', b'"within"'),
        (b'"candidate', b'"held'),
        (b'"fewer_alerts"', b'"quieter"'),
        (b'"more_alerts"', b'"louder"'),
        (b'"different"', b'"otherwise"'),
        (b'"probes"', b'"asked"'),
        (b'"probe"', b'"question"'),
        (b'"format": 2', b'"format": 1'),
    ):
        former = former.replace(before, after)
    assert former != content
    found = decode_manifest(former, path)
    assert found.decisions == present.decisions
    assert found.format == 2
    assert found.against is not None
    assert present.against is not None
    assert found.against.flips == present.against.flips


def test_counts_of_a_shadow_of_both_releases_are_added(tmp_path: Path) -> None:
    """One file may contain lines of both releases."""
    named = {"policy": "detect_drift", "version": 2, "sha256": "a", "champion": 1}
    lines = (named | TALLY | {"witnesses": TALLY["witnesses"][:1]}, named | {"compared": 4, "more_alerts": 3})  # type: ignore[index]
    (tmp_path / "shadow.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (found,) = read_tallies(tmp_path).values()
    assert (found.compared, found.fewer_alerts, found.more_alerts, found.different) == (9, 1, 5, 1)
    assert [each.difference for each in found.witnesses] == ["fewer_alerts"]


@pytest.mark.parametrize(
    ("costs", "factor"),
    [
        ("within = 4.0", 4.0),
        ("max_adjustment_factor = 3.0", 3.0),
        ("within = 4.0\nmax_adjustment_factor = 3.0", 3.0),
        ("max_adjustment_factor = 3.0\nwithin = 4.0", 3.0),
    ],
)
def test_costs_are_read_under_both_names(tmp_path: Path, costs: str, factor: float) -> None:
    """The present name takes precedence."""
    path = tmp_path / "poet.toml"
    path.write_text(initial_text(start="ks").replace("max_adjustment_factor = 2.0", costs))
    assert read_configuration(path).learn.costs.max_adjustment_factor == factor


def test_an_unknown_cost_is_still_refused(tmp_path: Path) -> None:
    """A former name next to it makes no difference, and its value is checked, too."""
    path = tmp_path / "poet.toml"
    path.write_text("[costs]\nwithin = 2.0\nwithout = 1.0\n")
    with pytest.raises(WorkspaceError, match="without"):
        read_configuration(path)
    path.write_text("[costs]\nwithin = 0.5\n")
    with pytest.raises(WorkspaceError, match=r"costs\.max_adjustment_factor must be at least 1"):
        read_configuration(path)
