"""Bulk import and export. A refused line goes to the dead letters with its reason; the rest land."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from poet.errors import EventError, LogError
from poet.events import Event, parse
from poet.log._interface import FeedbackLog

__all__ = ["ImportReport", "export_jsonl", "export_parquet", "import_files"]

GROUP = 1000
ENVELOPE = ("specversion", "id", "source", "type", "time", "subject")
Progress = Callable[[int, int], None]


class _Line(NamedTuple):
    number: int
    document: str
    done_bytes: int


@dataclass(slots=True)
class ImportReport:
    """What became of the lines of an import."""

    accepted: int = 0
    refused: int = 0
    dead_letters: Path | None = None
    reasons: list[str] = field(default_factory=list)  # the first few


def import_files(
    paths: Iterable[Path],
    log: FeedbackLog,
    *,
    dead_letters: Path,
    source: str = "import",
    progress: Progress | None = None,
) -> ImportReport:
    """Import JSON lines, CSV and Parquet, chosen by suffix.

    A table has one event a row: the envelope's columns, and either `data` (JSON text) or one column a
    field (``data.feature``, ``data.context.segment``; a cell that reads as JSON is taken as JSON). A line
    without an `id` gets one made from its content and how often that content came before, so importing a
    file twice changes nothing.

    Parameters
    ----------
    paths
        Files; read in the given order.
    dead_letters
        JSON lines of what was refused: file, line, reason, text. Written only when something was.
    source
        The source of events that name none.
    progress
        Called with bytes done and bytes in all.

    Raises
    ------
    LogError
        A file cannot be read at all.
    """
    files = [Path(path) for path in paths]
    report = ImportReport()
    seen: Counter[str] = Counter()
    total, before = _sizes(files), 0
    for path in files:
        group: list[Event] = []
        for line in _lines(path):
            try:
                group.append(_event(line.document, seen, source))
            except EventError as refusal:
                _bury(report, dead_letters, path, line, str(refusal))
            if len(group) >= GROUP:
                log.append(group)
                report.accepted += len(group)
                group = []
            if progress is not None and line.number % GROUP == 0:
                progress(before + line.done_bytes, total)
        log.append(group)
        report.accepted += len(group)
        before += path.stat().st_size
        if progress is not None:
            progress(before, total)
    log.flush()
    return report


def export_jsonl(log: FeedbackLog, path: Path) -> int:
    """Write every event as it came, one line each, in order; gives how many."""
    count = 0
    with path.open("wb") as file:
        for stored in log.read():
            file.write(_settled(stored.event) + b"\n")
            count += 1
    return count


def export_parquet(log: FeedbackLog, folder: Path) -> list[Path]:
    """Write one Parquet file an event type: the envelope's columns and `data` as JSON text."""
    import pyarrow as pa  # noqa: PLC0415 -- half a second that only an export pays
    import pyarrow.parquet as pq  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[dict[str, Any]]] = {}
    for stored in log.read():
        envelope = json.loads(_settled(stored.event))
        row = {name: envelope.get(name) for name in ENVELOPE}
        others = {name: value for name, value in envelope.items() if name not in (*ENVELOPE, "data")}
        row |= {"data": _json(envelope["data"]), "extensions": _json(others) if others else None}
        rows.setdefault(stored.event.type, []).append(row)
    schema = pa.schema([(name, pa.string()) for name in (*ENVELOPE, "data", "extensions")])
    written = []
    for type_, of_type in sorted(rows.items()):
        path = folder / f"{type_}.parquet"
        pq.write_table(pa.Table.from_pylist(of_type, schema=schema), path, compression="zstd")
        written.append(path)
    return written


def _settled(event: Event) -> bytes:
    """Give the envelope with the id, source and time that it was taken with."""
    envelope = json.loads(event.raw)
    envelope |= {"id": event.id, "source": event.source, "specversion": "1.0"}
    envelope.setdefault("time", event.time)
    return _json(envelope).encode()


def _sizes(paths: list[Path]) -> int:
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise LogError(f"no such file: {', '.join(missing)}; give JSON lines, CSV or Parquet files")
    return sum(path.stat().st_size for path in paths)


def _lines(path: Path) -> Iterator[_Line]:
    readers = {".jsonl": _json_lines, ".ndjson": _json_lines, ".json": _json_lines, ".csv": _csv_rows}
    readers |= {".parquet": _parquet_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise LogError(f"{path}: unknown kind of file; give .jsonl, .csv or .parquet")
    return reader(path)


def _json_lines(path: Path) -> Iterator[_Line]:
    done = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            done += len(raw)
            if raw.strip():
                yield _Line(number, raw.decode("utf-8", "surrogateescape").strip(), done)


def _csv_rows(path: Path) -> Iterator[_Line]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        for row in (reader := csv.DictReader(file)):
            cells = {name: value for name, value in row.items() if name and value not in (None, "")}
            yield _Line(reader.line_num, _json(_envelope(cells)), 0)


def _parquet_rows(path: Path) -> Iterator[_Line]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        batches = pq.ParquetFile(path).iter_batches(GROUP)
        number = 0
        for batch in batches:
            for row in batch.to_pylist():
                number += 1
                cells = {name: value for name, value in row.items() if value is not None}
                yield _Line(number, _json(_envelope(cells)), 0)
    except pa.ArrowException as error:
        raise LogError(f"{path} is not a Parquet file: {error}") from error


def _envelope(cells: dict[str, Any]) -> dict[str, Any]:
    """Build the envelope that a table's row spells out."""
    envelope: dict[str, Any] = {name: cells[name] for name in ENVELOPE if name in cells}
    extensions = cells.get("extensions")
    if isinstance(extensions, str):
        envelope |= _value(extensions)
    data = cells.get("data")
    fields: dict[str, Any] = {}
    for name, value in cells.items():
        if name.startswith("data."):
            *outer, last = name.split(".")[1:]
            inner = fields
            for step in outer:
                inner = inner.setdefault(step, {})
            inner[last] = _value(value)
    envelope["data"] = fields or (_value(data) if data is not None else {})
    return envelope


def _value(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def _event(document: str, seen: Counter[str], source: str) -> Event:
    """Read a line; one that names no id gets one made of its content."""
    try:
        raw = document.encode()
    except UnicodeEncodeError:
        raw = document.encode("utf-8", "surrogateescape")
    event = parse(raw, source=source, now=lambda: 0.0)
    stated = json.loads(raw)
    if "id" in stated and "time" in stated:
        return event
    content = hashlib.sha256(raw).hexdigest()
    seen[content] += 1
    made = {"id": f"{content[:32]}-{seen[content]}"} if "id" not in stated else {}
    return parse(_json(stated | made), source=source)


def _bury(report: ImportReport, dead_letters: Path, path: Path, line: _Line, reason: str) -> None:
    report.refused += 1
    report.dead_letters = dead_letters
    if len(report.reasons) < 5:
        report.reasons.append(f"{path.name}:{line.number}: {reason}")
    dead_letters.parent.mkdir(parents=True, exist_ok=True)
    letter = {"file": path.name, "line": line.number, "reason": reason, "text": line.document}
    with dead_letters.open("a", encoding="utf-8") as file:
        file.write(json.dumps(letter, ensure_ascii=True) + "\n")


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
