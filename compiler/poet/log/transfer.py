"""Bulk import and export of events.

The import streams JSON lines, CSV and Parquet files as numbered lines. A rejected line goes to the
dead-letter file with the reason; all other lines are imported.

The export writes all events with their stored id, source and time, for `import_files` or any engine.
"""

import csv
import hashlib
import heapq
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Final, NamedTuple, Self
from urllib.parse import quote

import msgspec

from poet.events import LIMIT_BYTES, Event, parse
from poet.log.interface import FeedbackLog, StoredEvent
from poet.log.rows import ENVELOPE, canonical, document
from poet_runtime.errors import EventError, LogError
from poet_runtime.files import open_atomic

PARQUET_BATCH_ROWS: Final = 1000  # rows of a Parquet file that are in memory
BOM: Final = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One line of one file, with the `cells` of a table row, or the `problem` if it cannot be parsed."""

    file: Path
    number: int
    raw: bytes
    done_bytes: int  # bytes of its file up to and including this line
    cells: dict[str, object] | None = None
    problem: str = ""
    position: int = 0  # in the exported log

    def document(self) -> bytes:
        """Return the event's JSON; raise `EventError` if the line has none."""
        if self.problem:
            raise EventError(event="line", path="$", expected="a row of the table", got=self.problem)
        return self.raw if self.cells is None else document(self.cells)


def lines(files: Sequence[Path]) -> Iterator[Line]:
    """Yield the lines of files in the given order; lines of log exports follow in the order of the log.

    Raises
    ------
    LogError
        A file cannot be read.
    """
    exports = [path for path in files if _is_export(path)]
    others = [path for path in files if path not in exports]
    ordered = heapq.merge(*map(_parquet_rows, exports), key=attrgetter("position"))
    return chain(chain.from_iterable(map(_lines_of, others)), ordered)


def _lines_of(path: Path) -> Iterator[Line]:
    match path.suffix.lower():
        case ".jsonl" | ".ndjson" | ".json":
            return _json_lines(path)
        case ".csv":
            return _csv_rows(path)
        case ".parquet":
            return _parquet_rows(path)
    raise LogError(f"{path}: unknown file type; use .jsonl, .csv or .parquet")


def _json_lines(path: Path) -> Iterator[Line]:
    for number, (raw, done) in enumerate(_raw_lines(path), start=1):
        if text := raw.strip():
            yield Line(path, number, text, done)


def _raw_lines(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield lines with the bytes read so far; of a line too long for an event, enough to reject it."""
    done = 0
    with path.open("rb") as file:
        while raw := file.readline(LIMIT_BYTES + 2):
            done += len(raw)
            rest = raw
            while not rest.endswith(b"\n") and (rest := file.readline(LIMIT_BYTES)):
                done += len(rest)
            yield raw.removeprefix(BOM) if raw.startswith(BOM) else raw, done


def _csv_rows(path: Path) -> Iterator[Line]:
    with path.open("rb") as file, _long_cells():
        source = _CsvSource(file)
        rows = csv.reader(source, strict=True)
        header = next(rows, [])
        _check_columns(path, header)
        source.taken.clear()
        while True:
            cells: dict[str, object] | None = None
            problem = ""
            number = source.line_number + 1
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                problem = f"{error}"
            else:
                if len(row) > len(header):
                    problem = f"{len(row)} cells for {len(header)} columns"
                cells = {name: cell for name, cell in zip(header, row, strict=False) if cell}
            raw = b"".join(source.taken).rstrip(b"\r\n")
            source.taken.clear()
            if cells or problem:
                yield Line(path, number, raw, file.tell(), cells, problem)


class _CsvSource:
    """The text of a CSV file, line by line; it keeps the raw lines of the current row."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.taken: list[bytes] = []
        self.line_number = 0

    def __iter__(self) -> Iterator[str]:
        while raw := self._file.readline():
            self.line_number += 1
            self.taken.append(raw)
            yield raw.removeprefix(BOM if self.line_number == 1 else b"").decode("utf-8", "surrogateescape")


@contextmanager
def _long_cells() -> Iterator[None]:
    """Allow cells as long as an event; the limit is global to the process, so restore it afterwards."""
    before = csv.field_size_limit(max(csv.field_size_limit(), LIMIT_BYTES))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _parquet_rows(path: Path) -> Iterator[Line]:
    import pyarrow as pa  # noqa: PLC0415 -- half a second to import, needed only for Parquet
    import pyarrow.parquet as pq  # noqa: PLC0415

    size, number = path.stat().st_size, 0
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow.names)
            for batch in file.iter_batches(PARQUET_BATCH_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    cells = {name: value for name, value in row.items() if value is not None}
                    done = size * number // file.metadata.num_rows
                    stored = cells.get("position")
                    position = stored if isinstance(stored, int) else 0
                    yield Line(path, number, _shown(cells), done, cells, position=position)
    except pa.ArrowException as error:
        raise LogError(f"{path} is not a Parquet file: {error}; write it again, or omit it") from error


def _is_export(path: Path) -> bool:
    if path.suffix.lower() != ".parquet":
        return False
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        return "position" in pq.read_schema(path).names
    except pa.ArrowException as error:
        raise LogError(f"{path} is not a Parquet file: {error}; write it again, or omit it") from error


def _shown(cells: dict[str, object]) -> bytes:
    try:
        return canonical(cells)
    except ValueError:
        return repr(cells).encode()


def _check_columns(path: Path, names: Sequence[str]) -> None:
    if names and "type" not in names:
        raise LogError(
            f"{path} has no column 'type', only {', '.join(names)[:200]}; add it, with the event type"
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LogError(f"{path} has two columns {twice[0]!r}; remove one")


GROUP: Final = 500
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class ImportReport:
    """The outcome of an import."""

    accepted: int = 0  # events that are now in the log, including those that were there before
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
    now: Callable[[], float] = time.time,
) -> ImportReport:
    r"""Import JSON lines, CSV and Parquet files, chosen by suffix, and return the outcome.

    A table has one event per row: the envelope's columns, and `data` (JSON text) or one column per field
    (``data.feature``, ``data.context.segment``). A line without an `id` gets one derived from its content and
    from the number of earlier lines of the file with the same content, so importing a file again has no
    effect. Files written by `export_parquet` are merged in the order of their log.

    Parameters
    ----------
    paths
        The files, streamed in the given order.
    dead_letters
        The file for rejected lines, as JSON lines with file, line, reason and text (bytes that are not UTF-8
        as ``\\xff``). It is created only if a line is rejected.
    source
        The source of events without one.
    progress
        Called with the bytes done and the total bytes; everything done is on disk.
    now
        Returns the time of events without one, in seconds since 1970.

    Raises
    ------
    LogError
        A file cannot be read. Everything before it is imported; importing it again has no effect.
    """
    files = [Path(path) for path in paths]
    done, total = dict.fromkeys(files, 0), _size(files)
    report = ImportReport()
    naming = _Naming(source, now)
    group: list[Event] = []

    def commit() -> None:
        log.append(group, durable=True)
        report.accepted += len(group)
        group.clear()
        if progress is not None:
            progress(sum(done.values()), total)

    with _DeadLetters(dead_letters, report) as rejected:
        for count, line in enumerate(lines(files), start=1):
            try:
                group.append(naming.event(line))
            except EventError as refusal:
                rejected.write(line, str(refusal))
            done[line.file] = line.done_bytes
            if count % GROUP == 0:
                commit()
    done |= {path: path.stat().st_size for path in files}
    commit()
    return report


class _Id(msgspec.Struct):
    id: str | None = None


_ID: Final = msgspec.json.Decoder(_Id)


class _Naming:
    """A parser of lines that assigns an id to events without one."""

    def __init__(self, source: str, now: Callable[[], float]) -> None:
        self._source = source
        self._now = now
        self._seen: Counter[tuple[Path, bytes]] = Counter()

    def event(self, line: Line) -> Event:
        document = line.document()
        event = parse(document, source=self._source, now=self._now)
        if _ID.decode(document).id is not None:
            return event
        content = hashlib.sha256(document)
        key = line.file, content.digest()[:16]
        self._seen[key] += 1
        return msgspec.structs.replace(event, id=f"{content.hexdigest()[:32]}-{self._seen[key]}")


class _DeadLetters(AbstractContextManager["_DeadLetters"]):
    """The file of rejected lines, opened at the first rejection."""

    def __init__(self, path: Path, report: ImportReport) -> None:
        self._path = path
        self._report = report
        self._file: IO[str] | None = None

    def write(self, line: Line, reason: str) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8")
            self._report.dead_letters = self._path
        self._report.refused += 1
        if len(self._report.reasons) < 5:
            self._report.reasons.append(f"{line.file.name}:{line.number}: {reason}")
        text = line.raw.decode("utf-8", "backslashreplace")
        letter = {"file": str(line.file), "line": line.number, "reason": reason, "text": text}
        self._file.write(json.dumps(letter) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def _size(paths: list[Path]) -> int:
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise LogError(f"no such file: {', '.join(missing)}; pass JSON lines, CSV or Parquet files")
    return sum(path.stat().st_size for path in set(paths))


BUFFERED_ROWS: Final = 10_000  # rows of one event type that are collected in memory before a write

_DOCUMENT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def export_jsonl(log: FeedbackLog, path: Path) -> int:
    """Write every event as received, one per line, in order; return their number."""
    count = 0
    with open_atomic(path) as file:
        for count, stored in enumerate(log.read(until=log.position()), start=1):  # noqa: B007 -- returned
            file.write(_line(stored.event) + b"\n")
    return count


def export_parquet(log: FeedbackLog, folder: Path) -> list[Path]:
    """Write one Parquet file per event type, and return the paths.

    The columns are the position, the envelope's attributes, `data` as JSON text, and `extensions`, a JSON
    object with all other attributes of the envelope. Values are exported as received.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, _Table] = {}
    paths: dict[str, Path] = {}
    with ExitStack() as closing:
        for stored in log.read(until=log.position()):
            type_ = stored.event.type
            if type_ not in tables:
                paths[type_] = folder / f"{quote(type_, safe='')}.parquet"
                file = closing.enter_context(open_atomic(paths[type_]))
                tables[type_] = closing.enter_context(_Table(file))
            tables[type_].add(_row(stored))
    return [paths[type_] for type_ in sorted(paths)]


class _Table:
    """A Parquet file, written in row groups."""

    def __init__(self, file: BinaryIO) -> None:
        import pyarrow as pa  # noqa: PLC0415 -- half a second to import, needed only for exports
        import pyarrow.parquet as pq  # noqa: PLC0415

        texts = [(name, pa.string()) for name in (*ENVELOPE, "data", "extensions")]
        self._schema = pa.schema([("position", pa.int64()), *texts])
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._record_batch = pa.RecordBatch
        self._rows: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= BUFFERED_ROWS:
            self._write()

    def _write(self) -> None:
        self._writer.write_batch(self._record_batch.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()
        self._writer.close()


def _document(event: Event) -> dict[str, msgspec.Raw]:
    """Return the envelope, completed with the assigned attributes; every value keeps its original text."""
    envelope = _DOCUMENT.decode(event.raw)
    envelope["id"] = msgspec.Raw(msgspec.json.encode(event.id))
    envelope["source"] = msgspec.Raw(msgspec.json.encode(event.source))
    if bytes(envelope.get("time", b"null")) == b"null":
        envelope["time"] = msgspec.Raw(msgspec.json.encode(event.time))
    return envelope


def _line(event: Event) -> bytes:
    """Return the envelope on one line, with numbers and texts as received."""
    return msgspec.json.format(msgspec.json.encode(_document(event)), indent=-1)


def _row(stored: StoredEvent) -> dict[str, Any]:
    envelope = _document(stored.event)
    data = envelope.pop("data")
    row = {name: _text(envelope.pop(name)) for name in ENVELOPE if name in envelope}
    return row | {
        "position": stored.position,
        "data": bytes(data).decode(),
        "extensions": msgspec.json.encode(envelope).decode() if envelope else None,
    }


def _text(value: msgspec.Raw) -> str | None:
    """Return a text unchanged, and anything else (such as a time in seconds) as JSON."""
    plain = msgspec.json.decode(value)
    return plain if isinstance(plain, str) or plain is None else bytes(value).decode()
