"""The feedback log: append-only, one event per (source, id), read in order by position."""

from poet.log._embedded import EmbeddedLog, open_log
from poet.log._interface import FeedbackLog, StoredEvent
from poet.log._transfer import ImportReport, export_jsonl, export_parquet, import_files

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
