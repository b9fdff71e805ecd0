"""The feedback log: append-only, with one event per (source, id), read in order of position."""

from poet.log.buffered import BufferedLog, OnFull
from poet.log.interface import EventFilter, FeedbackLog, RawEvent, StoredEvent
from poet.log.open import open_log
from poet.log.transfer import ImportReport, export_jsonl, export_parquet, import_files

__all__ = [
    "BufferedLog",
    "EventFilter",
    "FeedbackLog",
    "ImportReport",
    "OnFull",
    "RawEvent",
    "StoredEvent",
    "export_jsonl",
    "export_parquet",
    "import_files",
    "open_log",
]
