"""The Alertmanager configuration: valid, safely quoted, and never muting an alert that the policy sends."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from poet.build.check import check
from poet.build.gates import Gate, ValidatedModule, ValidationReport
from poet.build.manifest import Manifest
from poet.build.publish import publish
from poet.build.render import render
from poet.distribute.alertmanager import alertmanager
from poet.spec import policy
from poet.spec.decisions import Decisions, Rule
from poet_runtime.errors import ExportError
from poet_runtime.registry import PolicyEntry, Registry, RegistryDocument, VersionEntry
from poet_runtime.results import DriftResult
from tests.handmade import publish_case
from tests.hostile import FAVOURITES, hostile_text
from tests.workspaces import GENERATED

GOLDEN = Path(__file__).parent / "golden"
POLICY = "generate_alerts"
FEARED = tuple(dict.fromkeys(text.encode(errors="ignore").decode() for text in FAVOURITES))
END = datetime(2027, 3, 14, 15, 9, tzinfo=UTC)


def storable() -> st.SearchStrategy[str]:
    """Draw hostile text that a manifest, which is UTF-8, can contain."""
    return hostile_text().map(lambda text: text[:500].encode(errors="ignore").decode())


def decided(*rules: Rule) -> Decisions:
    """Return the decisions of version 2 with these rules; otherwise one alert per result."""
    first = policy(POLICY).version_1("")
    every = tuple(sorted((*first.rules, *rules), key=lambda rule: rule.id))
    return msgspec.structs.replace(first, version=2, revises=1, rules=every)


def published(folder: Path, *rules: Rule) -> Path:
    """Publish these rules as version 2 without its module, because rendering 64 KiB takes seconds."""
    folder.mkdir(exist_ok=True)
    source = b"VERSION = 2\n"
    manifest = Manifest(
        policy=POLICY,
        version=2,
        revises=1,
        source_sha256=hashlib.sha256(source).hexdigest(),
        template_sha256="",
        compiler="",
        log_position=0,
        log_prefix="",
        decisions=decided(*rules),
        validation=ValidationReport(policy=POLICY, gates=()),
    )
    content = msgspec.json.encode(manifest)
    entry = VersionEntry(
        module=f"{POLICY}_v2.py",
        sha256=manifest.source_sha256,
        manifest_sha256=hashlib.sha256(content).hexdigest(),
    )
    policies = {POLICY: PolicyEntry(active=2, previous=None, versions={"2": entry})}
    (folder / entry.module).write_bytes(source)
    (folder / f"{POLICY}_v2.json").write_bytes(content)
    (folder / "registry.json").write_bytes(
        msgspec.json.encode(RegistryDocument(generation=1, policies=policies))
    )
    return folder


def suppression(
    *features: str, until: datetime = END, below: str = "high", ratio: float | None = None, number: int = 1
) -> Rule:
    """Return a rule that suppresses alerts about these features."""
    condition: dict[str, object] = {
        "features": list(features),
        "until": until.timestamp(),
        "severity_below": below,
        "ratio_at_most": ratio,
    }
    return Rule(
        id=f"useless-{number}",
        kind="suppress",
        condition=condition,
        parameters={"holdout": 0.1},
        status="adopted",
        reason="useless",
    )


def group(*features: str) -> Rule:
    """Return a rule that groups these features."""
    condition: dict[str, object] = {"features": list(features)}
    return Rule(
        id="group-1",
        kind="group",
        condition=condition,
        parameters={"at_least": 2},
        status="adopted",
        reason="one",
    )


def cool_down(seconds: float = 3600.0) -> Rule:
    """Return a rule that delays alerts below a severity."""
    return Rule(
        id="cool-down",
        kind="cool_down",
        condition={"severity_below": "high"},
        parameters={"seconds": seconds, "factor": 2.0},
        status="adopted",
        reason="too many",
    )


def batch() -> Rule:
    """Return a rule that groups the remaining alerts."""
    return Rule(id="batch", kind="batch", condition={"at_least": 3}, status="adopted", reason="one cause")


def read(generated: Path) -> dict[str, Any]:
    """Export and parse a configuration, and check that it is valid."""
    text = alertmanager(generated)
    assert text.isascii()
    found: dict[str, Any] = yaml.safe_load(text)
    check_configuration(found)
    return found


ROUTE = {
    "receiver", "group_by", "group_wait", "group_interval", "repeat_interval", "matchers", "continue",
    "routes", "mute_time_intervals", "active_time_intervals",
}  # fmt: skip


def check_configuration(found: dict[str, Any]) -> None:
    """Check a document against Alertmanager's documentation of its configuration."""
    assert found.keys() <= {"global", "route", "receivers", "inhibit_rules", "time_intervals", "templates"}
    receivers = {receiver["name"] for receiver in found["receivers"]}
    intervals = {interval["name"]: interval["time_intervals"] for interval in found.get("time_intervals", [])}
    assert len(intervals) == len(found.get("time_intervals", []))
    root = found["route"]
    assert root["receiver"] in receivers
    assert "matchers" not in root
    assert "mute_time_intervals" not in root
    for route in (root, *root.get("routes", [])):
        assert route.keys() <= ROUTE
        assert set(route.get("mute_time_intervals", [])) <= intervals.keys()
        assert all(isinstance(label, str) for label in route["group_by"])
        for name in ("group_interval", "repeat_interval"):
            assert re.fullmatch(r"[1-9][0-9]*s", route.get(name, "1s"))
        for matcher in route.get("matchers", []):
            assert re.fullmatch(r'[a-z]+=~"(?:[^"\\\n]|\\\\)+"', matcher)
    for ranges in intervals.values():
        for each in ranges:
            assert each.keys() <= {"times", "weekdays", "days_of_month", "months", "years", "location"}
            for values in (each.get("years", []), each.get("months", []), each.get("days_of_month", [])):
                assert all(re.fullmatch(r"\d+(?::\d+)?", value) for value in values)
            for times in each.get("times", []):
                assert times.keys() == {"start_time", "end_time"}
                assert all(re.fullmatch(r"(?:[01]\d|2[0-3]):[0-5]\d", time) for time in times.values())
                assert times["start_time"] < times["end_time"]


def matches(matcher: str, labels: dict[str, str]) -> bool:
    """Return whether a matcher accepts an alert: Go string syntax, then an anchored Go expression."""
    label, _, quoted = matcher.partition("=~")
    pattern = json.loads(quoted)
    pattern = re.sub(r"\\x\{([0-9a-f]+)\}", lambda sign: re.escape(chr(int(sign[1], 16))), pattern)
    return re.fullmatch(pattern, labels.get(label, ""), re.DOTALL) is not None


def route_of(found: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    """Return the first route that matches an alert."""
    root: dict[str, Any] = found["route"]
    for route in root.get("routes", []):
        if all(matches(matcher, labels) for matcher in route["matchers"]):
            return {**root, **route}
    return root


def is_muted(found: dict[str, Any], labels: dict[str, str], now: datetime) -> bool:
    """Return whether an alert is muted at a time."""
    names = route_of(found, labels).get("mute_time_intervals", [])
    intervals = {each["name"]: each["time_intervals"] for each in found.get("time_intervals", [])}
    return any(is_within(interval, now) for name in names for interval in intervals[name])


def is_within(interval: dict[str, Any], now: datetime) -> bool:
    """Return whether a time is in an interval: in one range of every field that it has."""
    fields = {"years": now.year, "months": now.month, "days_of_month": now.day}
    for name, value in fields.items():
        ranges = [list(map(int, each.split(":"))) for each in interval.get(name, [])]
        if ranges and not any(each[0] <= value <= each[-1] for each in ranges):
            return False
    clock = f"{now:%H:%M}"
    times = interval.get("times", [])
    return not times or any(each["start_time"] <= clock < each["end_time"] for each in times)


def test_the_learned_policy_is_exported(tmp_path: Path) -> None:
    """The golden scenario has a suppression, a group, a cool-down and a batch."""
    publish_case(GOLDEN / "scenario", tmp_path)
    found = read(tmp_path)
    suppressed, grouped, waiting = found["route"]["routes"]
    assert found["route"]["group_by"] == ["alertname"]
    assert suppressed["matchers"] == ['feature=~"latency_p50"', 'severity=~"low|medium"']
    assert grouped["matchers"] == ['feature=~"ad_spend|clicks|sessions"']
    assert grouped["group_by"] == ["alertname"]
    assert waiting["repeat_interval"] == grouped["repeat_interval"] == "3600s"
    assert "group_interval" not in waiting
    text = alertmanager(tmp_path)
    for omitted in (
        "a group has at least 3 alerts",
        "a random share of 0.1 is sent anyway",
        "an alert 3 times beyond its threshold",
    ):
        assert f"# not expressed: {omitted}" in text


def test_version_1_sends_one_alert_per_feature() -> None:
    """Nothing was learned yet."""
    found = read(GENERATED)
    assert found == {
        "route": {"receiver": "drift", "group_by": ["feature"]},
        "receivers": [{"name": "drift"}],
    }


def test_a_cool_down_without_a_batch_applies_to_each_feature(tmp_path: Path) -> None:
    """Intervals are whole seconds, at least one."""
    (route,) = read(published(tmp_path / "a", cool_down(90.5)))["route"]["routes"]
    assert route == {
        "matchers": ['severity=~"low|medium"'],
        "group_by": ["feature"],
        "group_interval": "91s",
        "repeat_interval": "91s",
    }
    (route,) = read(published(tmp_path / "b", cool_down(0.01)))["route"]["routes"]
    assert route["repeat_interval"] == "1s"


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2068, 1, 1)),  # noqa: DTZ001 -- hypothesis wants them naive
    st.lists(st.timedeltas(timedelta(days=-800), timedelta(days=800)), min_size=1, max_size=20),
)
@settings(max_examples=100, deadline=None)
def test_a_suppression_ends_at_its_minute(end: datetime, steps: list[timedelta]) -> None:
    """Alerts are muted before the end and sent from then on. The minute of the end counts as after it."""
    end = end.replace(tzinfo=UTC)
    with TemporaryDirectory() as folder:
        found = read(published(Path(folder), suppression("age", until=end)))
    whole = end.replace(second=0, microsecond=0)
    moments = [whole + step for step in steps] + [
        whole - timedelta(minutes=1),
        whole,
        whole + timedelta(minutes=1),
    ]
    for moment in moments:
        if moment.year >= 1970:
            muted = is_muted(found, {"feature": "age", "severity": "low"}, moment)
            assert muted == (moment < whole), moment


@given(
    st.lists(
        st.one_of(storable(), st.sampled_from(["age", "a|b", "a.b", "a", "b", ".*", "|", "a+"])),
        max_size=4,
    ),
    st.lists(storable(), min_size=1, max_size=3),
)
@settings(max_examples=100, deadline=None)
def test_a_name_matches_no_other_feature(names: list[str], others: list[str]) -> None:
    """Names contain regular expressions, quotes, line breaks or YAML.

    Only the suppressed features are muted.
    """
    names = [*names, "age"]
    sayable = {name for name in names if name}
    with TemporaryDirectory() as folder:
        found = read(published(Path(folder), suppression(*names), group("ad_spend", "clicks"), batch()))
    assert len(found["route"]["routes"]) == 2
    assert found.keys() == {"route", "receivers", "time_intervals"}
    before = END - timedelta(days=1)
    for name in (*names, *others, "", "b", "agee", "xage", "age\n", "AGE", *(name[:-1] for name in sayable)):
        muted = is_muted(found, {"feature": name, "severity": "medium"}, before)
        assert muted == (name in sayable), name


def test_all_hostile_texts_are_exported_safely(tmp_path: Path) -> None:
    """One configuration has all of them."""
    found = read(published(tmp_path, suppression(*FEARED), group(*FEARED)))
    assert len(found["route"]["routes"]) == 2
    assert "omitted" in alertmanager(tmp_path)


def test_reasons_stay_comments(tmp_path: Path) -> None:
    """A reason with line breaks cannot add a route."""
    for number, reason in enumerate(FEARED):
        rule = msgspec.structs.replace(group("a", "b"), reason=reason + "\n  routes: []\n\x7f\x85")
        assert len(read(published(tmp_path / str(number), rule))["route"]["routes"]) == 1


def test_no_alert_is_muted_that_the_policy_sends(tmp_path: Path) -> None:
    """Features and severities are compared with the policy itself, except for its random holdout."""
    rules = (
        suppression("age", below="critical"),
        suppression("age", "pay", below="medium", number=2),
        suppression("x", ratio=1.5, number=3),
    )
    module = ValidatedModule(
        check(render(decided(*rules, group("age", "clicks"), cool_down(), batch()))),
        ValidationReport(policy=POLICY, gates=(Gate(name="import", passed=True),)),
    )
    publish([module], tmp_path, who="user/ana", why="", at="2026-01-01T00:00:00+00:00")
    generated = tmp_path
    found = read(generated)
    generate_alerts = Registry(generated).policy(POLICY)
    now = END - timedelta(hours=1)
    muted = 0
    for feature in ("age", "pay", "x", "clicks", "other", ""):
        for severity in ("low", "medium", "high", "critical"):
            result = DriftResult(
                drifted=True,
                score=9.0,
                threshold=1.0,
                test="ks/raw/absolute",
                feature=feature,
                business_impact=severity,
                execution_id="told",
            )
            plan = generate_alerts([result], now=now)
            is_sent = bool(plan.alerts) and not plan.alerts[0].is_holdout
            is_muted_there = is_muted(found, {"feature": feature, "severity": severity}, now)
            assert not (is_sent and is_muted_there), (feature, severity)
            muted += is_muted_there
    assert muted == 4
    assert "# not written: it applies up to 1.5 times the threshold" in alertmanager(generated)


def test_an_alert_without_labels_is_always_sent(tmp_path: Path) -> None:
    """An empty name in a pattern would match every alert that lacks the label."""
    found = read(published(tmp_path, suppression("", "age"), group("", "b")))
    assert route_of(found, {}) is found["route"]
    assert 'omitted: the feature ""' in alertmanager(tmp_path)
    found = read(published(tmp_path / "only", suppression(""), group("")))
    assert "routes" not in found["route"]


def test_other_policies_and_changed_manifests_are_refused(tmp_path: Path) -> None:
    """Only `generate_alerts` and published decisions can be exported."""
    with pytest.raises(ExportError, match="detect_drift cannot be exported"):
        alertmanager(GENERATED, "detect_drift")
    generated = published(tmp_path, group("a", "b"))
    path = generated / "generate_alerts_v2.json"
    path.write_text(path.read_text().replace('"one"', '"two"'))
    with pytest.raises(ExportError, match="is not the manifest that was published"):
        alertmanager(generated)
