"""The feedback log: append-only, one event per (source, id), read in order by position."""

from poet.log._embedded import EmbeddedLog, open_log
from poet.log._export import export_jsonl, export_parquet
from poet.log._import import ImportReport, import_files
from poet.log._interface import FeedbackLog, StoredEvent

__all__ = [
    "EmbeddedLog",
    "FeedbackLog",
    "ImportReport",
    "StoredEvent",
    "export_jsonl",
    "export_parquet",
    "import_files",
    "open_log",
]
