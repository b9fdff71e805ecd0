"""Accepted and refused events, and the error messages."""

import contextlib
import json
import math
import os
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poet.events import PAYLOADS, TELEMETRY, json_schema, make, new_id, parse
from poet.events.units import duration, instant, money
from poet_runtime.errors import EventError
from tests.builders import SEED_PAYLOADS

VALIDATION = {"execution_id": "uuid-1", "was_real_drift": True}


def refusal(document: object) -> EventError:
    """Return the error for a document."""
    with pytest.raises(EventError) as caught:
        parse(document if isinstance(document, bytes | str) else json.dumps(document))
    return caught.value


@pytest.mark.parametrize(("type_", "data"), SEED_PAYLOADS, ids=[type_ for type_, _ in SEED_PAYLOADS])
def test_the_seed_payloads_are_accepted_verbatim(type_: str, data: dict[str, Any]) -> None:
    """Every documented payload is accepted and returned unchanged."""
    event = parse(json.dumps({"type": type_, "data": data}))
    assert json.loads(event.raw)["data"] == data
    assert event.extras() == {}


def test_all_types_are_known() -> None:
    """There are eighteen feedback types and three that POET writes."""
    assert set(PAYLOADS) == {type_ for type_, _ in SEED_PAYLOADS} | TELEMETRY


@pytest.mark.parametrize(
    ("written", "dollars"), [("$1200", 1200.0), ("$0.50", 0.5), (50000, 50000.0), ("$1,200", 1200.0)]
)
def test_money_is_read_as_dollars(written: object, dollars: float) -> None:
    """Amounts are numbers or texts such as people write."""
    assert money(written) == dollars


@pytest.mark.parametrize(
    ("written", "seconds"), [("2_hours", 7200.0), ("90min", 5400.0), ("PT2H", 7200.0), (30, 30.0)]
)
def test_durations_are_read_as_seconds(written: object, seconds: float) -> None:
    """Durations are seconds, texts with a unit, or ISO 8601."""
    assert duration(written) == seconds


def test_a_time_without_an_offset_is_utc() -> None:
    """Three spellings give the same time."""
    assert instant("2024-01-15T10:00:00") == instant("2024-01-15T10:00:00Z") == 1705312800.0
    assert instant("2024-01-15T12:00:00+02:00") == 1705312800.0


def test_units_are_normalized_and_the_raw_text_is_kept() -> None:
    """The struct has floats, and the raw envelope keeps the original text."""
    event = make("drift.false_positive", {"execution_id": "x", "wasted_investigation_time": "2_hours"})
    assert event.data.wasted_investigation_time == 7200.0  # type: ignore[attr-defined]
    assert b"2_hours" in event.raw


def test_unknown_fields_are_kept() -> None:
    """Extra fields of the envelope or the payload are not an error."""
    event = parse(
        json.dumps({"type": "drift.validation", "team": "a", "data": VALIDATION | {"mood": "calm"}})
    )
    assert event.extras() == {"team": "a", "data": {"mood": "calm"}}


def test_a_missing_field_is_named() -> None:
    """The error names the field and the event."""
    error = refusal({"id": "e1", "type": "drift.validation", "data": {"execution_id": "x"}})
    assert (error.path, error.got) == ("was_real_drift", "nothing")
    assert "e1 (drift.validation)" in str(error)


def test_a_wrong_type_is_named_with_the_value() -> None:
    """The error has the expected type and the actual value."""
    error = refusal({"type": "drift.validation", "data": {"execution_id": "x", "was_real_drift": "yes"}})
    assert (error.path, error.expected, error.got) == ("was_real_drift", "`bool`", "`str`")


@pytest.mark.parametrize(
    ("type_", "change", "path"),
    [
        ("drift.noise_issue", {"false_alarms_per_day": -1}, "false_alarms_per_day"),
        ("drift.noise_issue", {"window_size": 0}, "window_size"),
        ("data.quality_issue", {"percent_missing": 101}, "percent_missing"),
        ("error.recovery", {"quality_loss": 1.5}, "quality_loss"),
        ("monitoring.cost", {"compute_cost": "-$5"}, "compute_cost"),
        ("model.retrained", {"retraining_cost": "a lot"}, "retraining_cost"),
        ("drift.false_positive", {"wasted_investigation_time": "soon"}, "wasted_investigation_time"),
        ("drift.detection_delay", {"detected_at": "2024-01-15T09:00:00"}, "detected_at"),
        ("drift.detection_delay", {"delay_hours": 5}, "delay_hours"),
        ("alert.response", {"action_taken": "shrugged"}, "action_taken"),
        ("alert.usefulness", {"alert_batch": []}, "alert_batch"),
    ],
)
def test_a_value_out_of_range_is_refused(type_: str, change: dict[str, Any], path: str) -> None:
    """Every range of the schema is enforced, and the error names the field."""
    assert refusal({"type": type_, "data": dict(SEED_PAYLOADS)[type_] | change}).path == path


def test_a_propensity_of_zero_is_refused() -> None:
    """Learners divide by it."""
    recorded = {"execution_id": "x", "policy": "p", "version": 1, "drifted": False, "propensity": 0}
    assert refusal({"type": "execution.recorded", "data": recorded}).path == "propensity"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nan_and_infinity_are_refused(value: float) -> None:
    """JSON would silently turn NaN into null."""
    with pytest.raises(EventError, match=r"false_alarms_per_day: expected a finite number"):
        make("drift.noise_issue", {"false_alarms_per_day": value, "window_size": 5, "feature": "f"})


def test_an_unknown_type_is_refused_with_the_nearest_known_one() -> None:
    """A typo gets a suggestion, and another unknown type gets the list."""
    assert "did you mean 'drift.validation'?" in refusal({"type": "drift.validaton", "data": {}}).expected


def test_an_event_over_256_kib_is_refused() -> None:
    """A single event cannot fill the log."""
    big = {"type": "drift.validation", "data": VALIDATION | {"note": "x" * 300_000}}
    assert refusal(big).expected == "at most 256 KiB"


@pytest.mark.parametrize("document", [b"not json", b"[]", b'{"type": 5, "data": {}}', b"\xff\xfe", b""])
def test_a_document_that_is_not_an_envelope_is_refused(document: bytes) -> None:
    """Every invalid document raises `EventError`."""
    assert refusal(document).event == "event"


@pytest.mark.parametrize(
    ("field", "value"), [("id", ""), ("source", ""), ("time", "yesterday"), ("specversion", "2")]
)
def test_the_envelope_is_validated(field: str, value: str) -> None:
    """CloudEvents requires nonempty texts and a valid time."""
    assert refusal({"type": "drift.validation", "data": VALIDATION, field: value}).path == field


def test_a_default_id_is_a_uuid_of_version_seven() -> None:
    """These ids are sortable by time."""
    first, second = new_id(1000.0), new_id(2000.0)
    assert (first[14], first[19] in "89ab", first < second) == ("7", True, True)


def test_the_schema_describes_every_type() -> None:
    """It describes units in the form in which they are accepted."""
    definitions: Any = json_schema()["$defs"]
    assert set(PAYLOADS) <= set(definitions)
    assert definitions["ModelRetrained"]["properties"]["retraining_cost"]["type"] == ["number", "string"]


SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)
HOSTILE = st.text(st.characters(), max_size=40)


@given(HOSTILE, st.booleans(), st.dictionaries(st.text(max_size=8), SCALARS, max_size=3))
def test_parse_reads_what_make_writes(name: str, was_real: bool, context: dict[str, Any]) -> None:  # noqa: FBT001
    """The canonical envelope gives the same event for any text. Lone surrogates are refused."""
    data = {"execution_id": name or "x", "was_real_drift": was_real, "context": context}
    try:
        event = make("drift.validation", data, source="user/ana", time=5.0)
    except EventError:
        with pytest.raises(UnicodeEncodeError):
            json.dumps(data, ensure_ascii=False).encode()
        return
    assert parse(event.raw) == event


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_document_crashes_the_parser(document: bytes | str) -> None:
    """Any document is an event or raises `EventError`."""
    with contextlib.suppress(EventError):
        assert isinstance(parse(document).data, msgspec.Struct)


TEXT = st.text(max_size=8)
DATA = st.fixed_dictionaries(
    {"execution_id": st.text(min_size=1, max_size=8), "was_real_drift": st.booleans()},
    optional={
        "root_cause": TEXT | st.none(),
        "z": st.floats(allow_nan=False, allow_infinity=False),
        "a": st.lists(TEXT),
        "é": st.integers(),
    },
)
MOMENTS = st.floats(0.0, 5e9) | st.integers(0, 5 * 10**15).map(lambda micros: micros / 1e6)


@given(data=DATA, time=MOMENTS, source=st.text(min_size=1, max_size=8), subject=TEXT | st.none())
def test_the_fast_path_equals_the_general_path(
    data: dict[str, Any], time: float, source: str, subject: str | None
) -> None:
    """A created event has the same bytes as its canonical JSON parsed again."""
    try:
        made = make("drift.validation", data, source=source, time=time, id="x", subject=subject)
    except EventError:  # a lone surrogate
        return
    envelope = {
        "specversion": "1.0",
        "id": "x",
        "source": source,
        "type": "drift.validation",
        "time": datetime.fromtimestamp(round(time, 6), UTC).isoformat(),
        "data": data,
    } | ({} if subject is None else {"subject": subject})
    assert made == parse(msgspec.json.encode(envelope, order="sorted"))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_creates_its_own_ids() -> None:
    """Random bytes drawn before the fork belong to the parent."""
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(new_id(1.0) for _ in range(50)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    said = os.read(reading, 50 * 36).decode()
    os.close(reading)
    os.close(writing)
    assert not {said[at : at + 36] for at in range(0, 1800, 36)} & {new_id(1.0) for _ in range(300)}
