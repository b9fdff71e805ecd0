"""Event types: one typed struct per event type, in a CloudEvents 1.0 envelope."""

from poet.events.event import LIMIT_BYTES, Event, make, new_id, parse
from poet.events.payloads import (
    AlertRaised,
    DetectionDelay,
    ExecutionRecorded,
    FalsePositive,
    Impact,
    LearningEpochStarted,
    ModelRetrained,
    MonitoringPerformance,
    NoiseIssue,
    Payload,
    PolicyExecuted,
    RecordedScore,
    Validation,
)
from poet.events.schema import PAYLOADS, TELEMETRY, json_schema, register

__all__ = [
    "LIMIT_BYTES",
    "PAYLOADS",
    "TELEMETRY",
    "AlertRaised",
    "DetectionDelay",
    "Event",
    "ExecutionRecorded",
    "FalsePositive",
    "Impact",
    "LearningEpochStarted",
    "ModelRetrained",
    "MonitoringPerformance",
    "NoiseIssue",
    "Payload",
    "PolicyExecuted",
    "RecordedScore",
    "Validation",
    "json_schema",
    "make",
    "new_id",
    "parse",
    "register",
]
