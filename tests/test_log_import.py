"""Bulk import and export: what is refused says why, and the rest lands."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poet.errors import LogError
from poet.log import export_jsonl, export_parquet, import_files, open_log
from tests.builders import SEED_PAYLOADS, filled_log, validation

LAST = 10**9


def test_the_seed_payloads_are_imported_verbatim(tmp_path: Path) -> None:
    """Eighteen lines, eighteen events."""
    lines = [json.dumps({"type": type_, "data": data}) for type_, data in SEED_PAYLOADS]
    (tmp_path / "seed.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with open_log(tmp_path / "log") as log:
        report = import_files([tmp_path / "seed.jsonl"], log, dead_letters=tmp_path / "dead.jsonl")
        assert (report.accepted, report.refused) == (18, 0)
        assert sum(log.count_by_type().values()) == 18
    assert not (tmp_path / "dead.jsonl").exists()


def test_refused_lines_are_buried_with_their_reasons_and_the_rest_lands(tmp_path: Path) -> None:
    """Each bad line is kept as it came, with file, line and reason."""
    bad = [
        '{"type": "drift.validation", "data": {"execution_id": "x"}}',
        "not json",
        '{"type": "x", "data": {}}',
    ]
    good = validation(1).raw.decode()
    (tmp_path / "mixed.jsonl").write_text("\n".join([bad[0], good, bad[1], bad[2]]), encoding="utf-8")
    with open_log(tmp_path / "log") as log:
        report = import_files([tmp_path / "mixed.jsonl"], log, dead_letters=tmp_path / "dead.jsonl")
        assert (report.accepted, report.refused, log.position()) == (1, 3, 1)
    letters = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]
    assert [(letter["line"], letter["text"]) for letter in letters] == [(1, bad[0]), (3, bad[1]), (4, bad[2])]
    assert "was_real_drift" in letters[0]["reason"]


def test_a_file_imported_twice_changes_nothing(tmp_path: Path) -> None:
    """Lines without an id get one from their content; equal lines of one file stay two events."""
    line = json.dumps({"type": "drift.validation", "data": {"execution_id": "x", "was_real_drift": True}})
    (tmp_path / "two.jsonl").write_text(f"{line}\n{line}\n", encoding="utf-8")
    with open_log(tmp_path / "log") as log:
        for _ in range(2):
            import_files([tmp_path / "two.jsonl"], log, dead_letters=tmp_path / "dead.jsonl")
        assert log.position() == 2


def test_csv_columns_become_fields(tmp_path: Path) -> None:
    """Flattened columns, or one column of JSON."""
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
    with open_log(tmp_path / "log") as log:
        files = [tmp_path / "flat.csv", tmp_path / "json.csv"]
        assert import_files(files, log, dead_letters=tmp_path / "dead.jsonl").accepted == 2
        first, second = (stored.event for stored in log.read())
    assert first.data.context == {"segment": "new"}
    assert second.data.was_real_drift is False  # type: ignore[attr-defined]


def test_parquet_rows_become_events(tmp_path: Path) -> None:
    """Typed columns need no JSON."""
    rows = {"type": ["drift.noise_issue"], "data.feature": ["f"], "data.window_size": [100]}
    pq.write_table(pa.table(rows | {"data.false_alarms_per_day": [1.5]}), tmp_path / "noise.parquet")
    with open_log(tmp_path / "log") as log:
        import_files([tmp_path / "noise.parquet"], log, dead_letters=tmp_path / "dead.jsonl")
        (stored,) = log.read()
    assert stored.event.data.false_alarms_per_day == 1.5  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", ["jsonl", "parquet"])
def test_an_export_is_imported_to_the_same_log(tmp_path: Path, how: str) -> None:
    """Of one type, so that the order is the log's own: the digests agree."""
    log = filled_log(tmp_path / "log", [validation(number) for number in range(30)])
    if how == "jsonl":
        files = [tmp_path / "all.jsonl"]
        export_jsonl(log, files[0])
    else:
        files = export_parquet(log, tmp_path / "parquet")
    with open_log(tmp_path / "again") as again:
        import_files(files, again, dead_letters=tmp_path / "dead.jsonl")
        assert again.prefix_digest(LAST) == log.prefix_digest(LAST)
    log.close()


def test_progress_ends_at_the_size_of_the_files(tmp_path: Path) -> None:
    """Bytes done grow up to bytes in all."""
    lines = "\n".join(validation(number).raw.decode() for number in range(2500))
    (tmp_path / "many.jsonl").write_text(lines, encoding="utf-8")
    seen: list[tuple[int, int]] = []
    with open_log(tmp_path / "log") as log:
        files = [tmp_path / "many.jsonl"]
        import_files(files, log, dead_letters=tmp_path / "d", progress=lambda *at: seen.append(at))
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] == len(lines)


def test_a_file_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    """The error names the kinds that are known."""
    (tmp_path / "a.xlsx").write_bytes(b"")
    with open_log(tmp_path / "log") as log, pytest.raises(LogError, match=r"\.jsonl, \.csv or \.parquet"):
        import_files([tmp_path / "a.xlsx"], log, dead_letters=tmp_path / "dead.jsonl")
