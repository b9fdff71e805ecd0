"""The feedback log: append-only, with one event per (source, id), read in order of position."""

from poet.log.buffered import BufferedLog, OnFull
from poet.log.interface import FeedbackLog, StoredEvent, Wanted, Written
from poet.log.open import open_log
from poet.log.transfer import ImportReport, export_jsonl, export_parquet, import_files

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
