"""What comes by HTTP, turned into events: pure functions of headers, body and clock."""

from poet.ingest._alertmanager import read_alertmanager
from poet.ingest._cloudevents import BATCH_LIMIT, Received, read_cloudevents
from poet.ingest._signed import Signature, read_signature, require_slack, sign
from poet.ingest._slack import Heard, read_slack

__all__ = [
    "BATCH_LIMIT",
    "Heard",
    "Received",
    "Signature",
    "read_alertmanager",
    "read_cloudevents",
    "read_signature",
    "read_slack",
    "require_slack",
    "sign",
]
