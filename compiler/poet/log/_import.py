"""Bulk import: a refused line goes to the dead letters with its reason, the rest lands."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from poet.errors import EventError, LogError
from poet.events import Event, parse
from poet.log._interface import FeedbackLog
from poet.log._lines import Line, lines

__all__ = ["ImportReport", "import_files"]

GROUP = 500
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class ImportReport:
    """What became of the lines of an import."""

    accepted: int = 0  # events in the log now, also those that it held before
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
    r"""Import JSON lines, CSV and Parquet, chosen by suffix.

    A table has one event a row: the envelope's columns, and `data` (JSON text) or one column a field
    (``data.feature``, ``data.context.segment``). A line without an `id` gets one made from its content and
    how often its file had that content before, so importing a file again changes nothing. Files that
    `export_parquet` wrote are read together, in the order of the log they came from.

    Parameters
    ----------
    paths
        Files; read in the given order, as a stream.
    dead_letters
        JSON lines of what was refused: file, line, reason, text (bytes that are not UTF-8 as ``\\xff``).
        Written only when something was.
    source
        The source of events that name none.
    progress
        Called with bytes done and bytes in all; what is done is on disk.
    now
        Gives the time of events that name none.

    Raises
    ------
    LogError
        A file cannot be read at all. What came before it has landed; importing again changes nothing there.
    """
    files = [Path(path) for path in paths]
    done, total = dict.fromkeys(files, 0), _size(files)
    report = ImportReport()
    naming = _Naming(source, now)
    group: list[Event] = []

    def land() -> None:
        log.append(group, durable=True)
        report.accepted += len(group)
        group.clear()
        if progress is not None:
            progress(sum(done.values()), total)

    with _DeadLetters(dead_letters, report) as letters:
        for count, line in enumerate(lines(files), start=1):
            try:
                group.append(naming.event(line))
            except EventError as refusal:
                letters.bury(line, str(refusal))
            done[line.file] = line.done_bytes
            if count % GROUP == 0:
                land()
    done |= {path: path.stat().st_size for path in files}
    land()
    return report


class _Id(msgspec.Struct):
    id: str | None = None


_ID = msgspec.json.Decoder(_Id)


class _Naming:
    """Reads lines, and gives those an id that name none."""

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
    """The file of what was refused, opened at the first refusal."""

    def __init__(self, path: Path, report: ImportReport) -> None:
        self._path = path
        self._report = report
        self._file: IO[str] | None = None

    def bury(self, line: Line, reason: str) -> None:
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
        raise LogError(f"no such file: {', '.join(missing)}; give JSON lines, CSV or Parquet files")
    return sum(path.stat().st_size for path in set(paths))
