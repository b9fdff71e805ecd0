"""Export: all events with the id, source and time they were taken with, for `import_files` or any engine."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import quote

import msgspec

from poet.events import Event
from poet.files import open_atomic
from poet.log._interface import FeedbackLog, StoredEvent
from poet.log._row import ENVELOPE

__all__ = ["export_jsonl", "export_parquet"]

ROWS = 10_000  # rows of one event type that are in memory before they are written

_DOCUMENT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def export_jsonl(log: FeedbackLog, path: Path) -> int:
    """Write every event as it came, one line each, in order; gives how many."""
    count = 0
    with open_atomic(path) as file:
        for count, stored in enumerate(log.read(until=log.position()), start=1):  # noqa: B007 -- given back
            file.write(_line(stored.event) + b"\n")
    return count


def export_parquet(log: FeedbackLog, folder: Path) -> list[Path]:
    """Write one Parquet file an event type: position, the envelope's columns, `data` as JSON text.

    `extensions` holds the envelope's other attributes, a JSON object. Texts are as they came.
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
    """A Parquet file that is written in row groups."""

    def __init__(self, file: BinaryIO) -> None:
        import pyarrow as pa  # noqa: PLC0415 -- half a second that only an export pays
        import pyarrow.parquet as pq  # noqa: PLC0415

        texts = [(name, pa.string()) for name in (*ENVELOPE, "data", "extensions")]
        self._schema = pa.schema([("position", pa.int64()), *texts])
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._record_batch = pa.RecordBatch
        self._rows: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= ROWS:
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
    """Give the envelope with what it left open when it came; each value the very text that came."""
    envelope = _DOCUMENT.decode(event.raw)
    envelope["id"] = msgspec.Raw(msgspec.json.encode(event.id))
    envelope["source"] = msgspec.Raw(msgspec.json.encode(event.source))
    if bytes(envelope.get("time", b"null")) == b"null":
        envelope["time"] = msgspec.Raw(msgspec.json.encode(event.time))
    return envelope


def _line(event: Event) -> bytes:
    """Give the envelope on one line, numbers and texts as they came."""
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
    """Give a text for itself, anything else (a time in seconds) as JSON."""
    plain = msgspec.json.decode(value)
    return plain if isinstance(plain, str) or plain is None else bytes(value).decode()
