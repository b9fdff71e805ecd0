"""The digest of a log prefix, from the segments: the same chain as the feedback log's own."""

import hashlib

import ibis

from poet.events import PAYLOADS
from poet.summaries._bounded import Bounded

__all__ = ["prefix_digest"]


def prefix_digest(tables: Bounded) -> str:
    """Chain source and id of every event up to the bound; see `poet.log.FeedbackLog.prefix_digest`."""
    digest = hashlib.sha256(b"").digest()
    names = tables.sealed(PAYLOADS)
    if not names:
        return digest.hex()
    listed = [tables(name).select("position", "source", "event_id") for name in names]
    rows = tables.engine.run(ibis.union(*listed).order_by("position"))
    for source, identity in zip(rows["source"].to_pylist(), rows["event_id"].to_pylist(), strict=True):
        link = hashlib.sha256(source.encode()).digest() + hashlib.sha256(identity.encode()).digest()
        digest = hashlib.sha256(digest + link).digest()
    return digest.hex()
