"""Bulk import and export: rejected lines have reasons, and all others are imported."""

import csv
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poet.events import Event, make, parse
from poet.log import export_jsonl, export_parquet, import_files
from poet_runtime.errors import LogError
from tests.builders import SEED_PAYLOADS, filled_log, validation
from tests.stores import opened

pytestmark = pytest.mark.usefixtures("each_store")

LAST = 10**9


def test_the_seed_payloads_are_imported_verbatim(tmp_path: Path) -> None:
    """Eighteen lines become eighteen events."""
    lines = [json.dumps({"type": type_, "data": data}) for type_, data in SEED_PAYLOADS]
    (tmp_path / "seed.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with opened(tmp_path / "log") as log:
        report = import_files([tmp_path / "seed.jsonl"], log, dead_letters=tmp_path / "dead.jsonl")
        assert (report.accepted, report.refused) == (18, 0)
        assert sum(log.count_by_type().values()) == 18
    assert not (tmp_path / "dead.jsonl").exists()


def test_rejected_lines_become_dead_letters(tmp_path: Path) -> None:
    """Each is kept unchanged with file, line and reason, and all other lines are imported."""
    bad = [
        '{"type": "drift.validation", "data": {"execution_id": "x"}}',
        "not json",
        '{"type": "x", "data": {}}',
    ]
    good = validation(1).raw.decode()
    (tmp_path / "mixed.jsonl").write_text("\n".join([bad[0], good, bad[1], bad[2]]), encoding="utf-8")
    with opened(tmp_path / "log") as log:
        report = import_files([tmp_path / "mixed.jsonl"], log, dead_letters=tmp_path / "dead.jsonl")
        assert (report.accepted, report.refused, log.position()) == (1, 3, 1)
    letters = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]
    assert [(letter["line"], letter["text"]) for letter in letters] == [(1, bad[0]), (3, bad[1]), (4, bad[2])]
    assert "was_real_drift" in letters[0]["reason"]


def test_importing_a_file_twice_has_no_effect(tmp_path: Path) -> None:
    """Lines without an id get one from their content. Equal lines of one file remain two events."""
    line = json.dumps({"type": "drift.validation", "data": {"execution_id": "x", "was_real_drift": True}})
    (tmp_path / "two.jsonl").write_text(f"{line}\n{line}\n", encoding="utf-8")
    with opened(tmp_path / "log") as log:
        for _ in range(2):
            import_files([tmp_path / "two.jsonl"], log, dead_letters=tmp_path / "dead.jsonl")
        assert log.position() == 2


def test_csv_columns_become_fields(tmp_path: Path) -> None:
    """Fields come from flattened columns, or from one JSON column."""
    with (tmp_path / "flat.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["type", "source", "data.execution_id", "data.was_real_drift", "data.context.segment"]
        )
        writer.writerow(["drift.validation", "user/bo", "x1", "true", "new"])
    with (tmp_path / "json.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["type", "data"])
        writer.writerow(["drift.validation", '{"execution_id": "x2", "was_real_drift": false}'])
    with opened(tmp_path / "log") as log:
        files = [tmp_path / "flat.csv", tmp_path / "json.csv"]
        assert import_files(files, log, dead_letters=tmp_path / "dead.jsonl").accepted == 2
        first, second = (stored.event for stored in log.read())
    assert first.data.context == {"segment": "new"}
    assert second.data.was_real_drift is False  # type: ignore[attr-defined]


def test_parquet_rows_become_events(tmp_path: Path) -> None:
    """Typed columns need no JSON."""
    rows = {"type": ["drift.noise_issue"], "data.feature": ["f"], "data.window_size": [100]}
    pq.write_table(pa.table(rows | {"data.false_alarms_per_day": [1.5]}), tmp_path / "noise.parquet")
    with opened(tmp_path / "log") as log:
        import_files([tmp_path / "noise.parquet"], log, dead_letters=tmp_path / "dead.jsonl")
        (stored,) = log.read()
    assert stored.event.data.false_alarms_per_day == 1.5  # type: ignore[attr-defined]


def imported(tmp_path: Path, name: str, content: bytes) -> tuple[list[Event], list[dict[str, Any]]]:
    """Import one file into a separate log; return the events and the dead letters."""
    (tmp_path / name).write_bytes(content)
    with opened(tmp_path / "log") as log:
        import_files([tmp_path / name], log, dead_letters=tmp_path / "dead.jsonl")
        events = [stored.event for stored in log.read()]
    dead = tmp_path / "dead.jsonl"
    return events, [json.loads(line) for line in dead.read_text().splitlines()] if dead.exists() else []


def test_texts_that_look_like_numbers_stay_texts(tmp_path: Path) -> None:
    """An execution may be called 12345 and a reason may be "true". Numeric fields stay numbers."""
    content = (
        b"type,data.execution_id,data.reason,data.wasted_investigation_time,data.context.week\n"
        b"drift.false_positive,12345,true,90,7\n"
    )
    (event,), dead = imported(tmp_path, "names.csv", content)
    assert (msgspec.to_builtins(event.data), dead) == (
        {
            "context": {"week": 7},
            "execution_id": "12345",
            "reason": "true",
            "wasted_investigation_time": 90.0,
        },
        [],
    )


def test_a_table_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """It has a byte order mark, carriage returns, a line break inside a cell, and an empty row."""
    content = (
        b"\xef\xbb\xbftype,data.execution_id,data.was_real_drift,data.root_cause\r\n"
        b'drift.validation,x1,TRUE,"a\r\nb"\r\n'
        b",,,\r\n"
        b"drift.validation,x2,false,c\r\n"
    )
    events, dead = imported(tmp_path, "sheet.csv", content.replace(b"TRUE", b"true"))
    assert [event.data.root_cause for event in events] == ["a\r\nb", "c"]  # type: ignore[attr-defined]
    assert dead == []


def test_malformed_rows_become_dead_letters(tmp_path: Path) -> None:
    """They have too many cells, invalid bytes or unbalanced quotes. The rows between them are imported."""
    good = [b"drift.validation,x%d,true" % number for number in range(3)]
    bad = [b"drift.validation,x,true,and more", b"drift.validation,\xff,true", b'drift.validation,"x"y,true']
    rows = [b"type,data.execution_id,data.was_real_drift", good[0], bad[0], good[1], bad[1], bad[2], good[2]]
    events, dead = imported(tmp_path, "bad.csv", b"\n".join(rows))
    assert [event.data.execution_id for event in events] == ["x0", "x1", "x2"]  # type: ignore[attr-defined]
    assert [(letter["line"], letter["text"]) for letter in dead] == [
        (3, bad[0].decode()),
        (5, "drift.validation,\\xff,true"),
        (6, bad[2].decode()),
    ]
    assert "4 cells for 3 columns" in dead[0]["reason"]


def test_a_row_with_contradicting_columns_is_rejected(tmp_path: Path) -> None:
    """A field cannot be a value and an object, or be both in `data` and in its own column."""
    data = json.dumps({"execution_id": "x", "was_real_drift": True}).replace('"', '""')
    content = f'type,data,data.feature,data.feature.name,extensions\ndrift.validation,"{data}",f,g,\n'
    content += f'drift.validation,"{data}",,,12\ndrift.validation,"{data}",f,,\n'
    events, dead = imported(tmp_path, "double.csv", content.encode())
    assert [event.data.feature for event in events] == ["f"]  # type: ignore[attr-defined]
    assert ["feature.name" in dead[0]["reason"], "extensions" in dead[1]["reason"]] == [True, True]


def test_a_line_above_the_size_limit_is_rejected(tmp_path: Path) -> None:
    """The import keeps no more of it in memory than an event may have, and reads the next line."""
    good = validation(1).raw
    long = b'{"type": "' + b"x" * 3_000_000 + b'"}'
    events, dead = imported(tmp_path, "long.jsonl", b"\n".join([b"\xef\xbb\xbf" + good, long, good]))
    assert [event.id for event in events] == [validation(1).id]
    assert [(letter["line"], "256 KiB" in letter["reason"]) for letter in dead] == [(2, True)]
    assert len(dead[0]["text"]) < 300_000


def test_a_cell_may_be_as_long_as_an_event(tmp_path: Path) -> None:
    """Python's csv module has a lower limit, which is restored afterwards."""
    data = json.dumps({"execution_id": "x", "was_real_drift": True, "root_cause": "y" * 200_000})
    content = 'type,data\ndrift.validation,"{}"\n'.format(data.replace('"', '""'))
    before = csv.field_size_limit()
    events, dead = imported(tmp_path, "wide.csv", content.encode())
    assert (len(events), dead, csv.field_size_limit()) == (1, [], before)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"kind,data\nx,y\n", "no column 'type', only kind, data"),
        ("a.csv", b"type,id,id\nx,y,z\n", "two columns 'id'"),
        ("a.parquet", b"PAR1 and then nothing of the kind", "not a Parquet file"),
    ],
)
def test_a_file_without_events_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """It causes one message instead of one dead letter per line."""
    with pytest.raises(LogError, match=message):
        imported(tmp_path, name, content)


def test_parquet_values_are_converted_or_rejected(tmp_path: Path) -> None:
    """NaN is not null. Times, decimals and whole numbers stored as floats are converted."""
    moment = datetime(2024, 1, 15, 10, tzinfo=UTC)
    rows = {"type": ["drift.noise_issue"] * 2, "data.feature": ["f", "g"], "time": [moment] * 2}
    rows |= {"data.window_size": [Decimal(100)] * 2, "data.false_alarms_per_day": [1.5, float("nan")]}
    pq.write_table(pa.table(rows), tmp_path / "made.parquet")
    (event,), (letter,) = imported(tmp_path, "made.parquet", (tmp_path / "made.parquet").read_bytes())
    assert (event.time, event.data.feature) == (moment.timestamp(), "f")  # type: ignore[attr-defined]
    assert "values that JSON can represent" in letter["reason"]


def test_a_log_survives_a_round_trip_through_parquet(tmp_path: Path) -> None:
    """With several types, units, extensions and minimal envelopes, order and digest are equal."""
    open_envelope = (
        b'{"type": "drift.validation",\n "data": {"execution_id": "x", "was_real_drift": true,'
        b' "n": 1.10}, "traceparent": "00-1"}'
    )
    events = [make(type_, data, id=f"{row}", time=row) for row, (type_, data) in enumerate(SEED_PAYLOADS)]
    events = [
        *events[::-1],
        parse(open_envelope, source="user/bo", now=lambda: 1.25),
        *map(validation, (1, 2)),
    ]
    log = filled_log(tmp_path / "log", events)
    with opened(tmp_path / "again") as again:
        files = export_parquet(log, tmp_path / "parquet")
        report = import_files(files, again, dead_letters=tmp_path / "dead.jsonl")
        assert (report.accepted, report.refused) == (21, 0)
        assert again.prefix_digest(LAST) == log.prefix_digest(LAST)
        for before, after in zip(log.read(), again.read(), strict=True):
            kept = [(e.id, e.source, e.type, e.time, e.data, e.extras()) for _, e in (before, after)]
            assert kept[0] == kept[1]
        import_files(files, again, dead_letters=tmp_path / "dead.jsonl")
        assert again.position() == 21
        lines = export_jsonl(log, tmp_path / "all.jsonl")
    assert lines == len((tmp_path / "all.jsonl").read_bytes().splitlines()) == 21
    assert b'"n":1.10' in (tmp_path / "all.jsonl").read_bytes()
    log.close()


def test_an_import_into_a_dropping_log_drops_nothing(tmp_path: Path) -> None:
    """An import waits for room in the buffer."""
    lines = b"\n".join(validation(number).raw for number in range(1200))
    (tmp_path / "many.jsonl").write_bytes(lines)
    with opened(tmp_path / "log", capacity=20, on_full="drop") as log:
        report = import_files([tmp_path / "many.jsonl"], log, dead_letters=tmp_path / "dead.jsonl")
        assert (report.accepted, log.position(), log.dropped) == (1200, 1200, 0)


@pytest.mark.parametrize("how", ["jsonl", "parquet"])
def test_importing_an_export_gives_the_same_log(tmp_path: Path, how: str) -> None:
    """The events have one type, so the order is that of the log and the digests are equal."""
    log = filled_log(tmp_path / "log", [validation(number) for number in range(30)])
    if how == "jsonl":
        files = [tmp_path / "all.jsonl"]
        export_jsonl(log, files[0])
    else:
        files = export_parquet(log, tmp_path / "parquet")
    with opened(tmp_path / "again") as again:
        import_files(files, again, dead_letters=tmp_path / "dead.jsonl")
        assert again.prefix_digest(LAST) == log.prefix_digest(LAST)
    log.close()


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_progress_grows_to_the_size_of_the_file(tmp_path: Path, suffix: str) -> None:
    """The bytes done increase to the total for every kind of file."""
    path = tmp_path / f"many{suffix}"
    rows = [{"type": "drift.validation", "data": validation(n).raw.decode()} for n in range(2500)]
    if suffix == ".jsonl":
        path.write_bytes(b"\n".join(validation(number).raw for number in range(2500)))
    elif suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["type", "data"], *(row.values() for row in rows)])
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    seen: list[tuple[int, int]] = []
    with opened(tmp_path / "log") as log:
        import_files([path], log, dead_letters=tmp_path / "d", progress=lambda *at: seen.append(at))
    assert len(seen) == 6
    assert seen == sorted(seen)
    assert 0 < seen[0][0] < seen[-1][0]
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)


def test_a_file_of_an_unknown_type_is_refused(tmp_path: Path) -> None:
    """The error names the known types."""
    (tmp_path / "a.xlsx").write_bytes(b"")
    with opened(tmp_path / "log") as log, pytest.raises(LogError, match=r"\.jsonl, \.csv or \.parquet"):
        import_files([tmp_path / "a.xlsx"], log, dead_letters=tmp_path / "dead.jsonl")
