"""JSON lines, CSV and Parquet → numbered lines, as a stream."""

import csv
import heapq
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple

from poet.errors import EventError, LogError
from poet.events import LIMIT_BYTES
from poet.log._row import canonical, document

__all__ = ["Line", "lines"]

ROWS = 1000  # rows of a Parquet file in memory
BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One line of one file; `cells` of a table's row, `problem` where it cannot be read as one."""

    file: Path
    number: int
    raw: bytes
    done_bytes: int  # of its file, with this line
    cells: dict[str, object] | None = None
    problem: str = ""
    position: int = 0  # in the log that it was exported from

    def document(self) -> bytes:
        """Give the event's JSON; raises `EventError` where the line holds none."""
        if self.problem:
            raise EventError(event="line", path="$", expected="a row of the table", got=self.problem)
        return self.raw if self.cells is None else document(self.cells)


def lines(files: Sequence[Path]) -> Iterator[Line]:
    """Stream the files' lines: in the order given, but exports of a log in the order of that log.

    Raises
    ------
    LogError
        A file cannot be read at all.
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
    raise LogError(f"{path}: unknown kind of file; give .jsonl, .csv or .parquet")


def _json_lines(path: Path) -> Iterator[Line]:
    for number, (raw, done) in enumerate(_raw_lines(path), start=1):
        if text := raw.strip():
            yield Line(path, number, text, done)


def _raw_lines(path: Path) -> Iterator[tuple[bytes, int]]:
    """Give lines with the bytes read so far; of one too long for an event, what suffices to refuse it."""
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
    """The text of a CSV file, line by line, keeping the lines of the row that is being read."""

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
    """Let a cell be as long as an event may be; the limit is the process's, so it is put back."""
    before = csv.field_size_limit(max(csv.field_size_limit(), LIMIT_BYTES))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _parquet_rows(path: Path) -> Iterator[Line]:
    import pyarrow as pa  # noqa: PLC0415 -- half a second that only Parquet pays
    import pyarrow.parquet as pq  # noqa: PLC0415

    size, number = path.stat().st_size, 0
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow.names)
            for batch in file.iter_batches(ROWS):
                for row in batch.to_pylist():
                    number += 1
                    cells = {name: value for name, value in row.items() if value is not None}
                    done = size * number // file.metadata.num_rows
                    position = cells.get("position")
                    place = position if isinstance(position, int) else 0
                    yield Line(path, number, _shown(cells), done, cells, position=place)
    except pa.ArrowException as error:
        raise LogError(f"{path} is not a Parquet file: {error}; write it again, or leave it out") from error


def _is_export(path: Path) -> bool:
    if path.suffix.lower() != ".parquet":
        return False
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        return "position" in pq.read_schema(path).names
    except pa.ArrowException as error:
        raise LogError(f"{path} is not a Parquet file: {error}; write it again, or leave it out") from error


def _shown(cells: dict[str, object]) -> bytes:
    try:
        return canonical(cells)
    except ValueError:
        return repr(cells).encode()


def _check_columns(path: Path, names: Sequence[str]) -> None:
    if names and "type" not in names:
        raise LogError(
            f"{path} has no column 'type', only {', '.join(names)[:200]}; name the event type there"
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LogError(f"{path} has two columns {twice[0]!r}; leave one out")
