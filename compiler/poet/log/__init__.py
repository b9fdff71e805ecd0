"""The feedback log: append-only, one event per (source, id), read in order by position."""

from poet.log._buffered import BufferedLog, OnFull
from poet.log._export import export_jsonl, export_parquet
from poet.log._import import ImportReport, import_files
from poet.log._interface import FeedbackLog, StoredEvent, Wanted, Written
from poet.log._open import open_log

__all__ = [
    "BufferedLog",
    "FeedbackLog",
    "ImportReport",
    "OnFull",
    "StoredEvent",
    "Wanted",
    "Written",
    "export_jsonl",
    "export_parquet",
    "import_files",
    "open_log",
]
