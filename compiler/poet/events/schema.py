"""The registry of event types, one struct each, and the JSON Schema generated from them."""

from typing import Final

import msgspec
from msgspec import inspect

from poet.events import payloads as _accuracy
from poet.events import payloads as _operations
from poet.events import payloads as _telemetry
from poet.events import payloads as _usefulness
from poet.events.payloads import Payload
from poet.events.types import KnownTypes

_OWN: Final[dict[str, type[Payload]]] = {
    "execution.recorded": _telemetry.ExecutionRecorded,
    "policy.executed": _telemetry.PolicyExecuted,
    "alert.raised": _telemetry.AlertRaised,
    "learning.epoch_started": _telemetry.LearningEpochStarted,
    "drift.validation": _accuracy.Validation,
    "model.retrained": _accuracy.ModelRetrained,
    "drift.false_positive": _accuracy.FalsePositive,
    "drift.detection_delay": _accuracy.DetectionDelay,
    "drift.noise_issue": _accuracy.NoiseIssue,
    "monitoring.performance": _accuracy.MonitoringPerformance,
    "feature.drift_impact": _usefulness.DriftImpact,
    "business.metric_degradation": _usefulness.MetricDegradation,
    "feature.interaction_discovered": _usefulness.InteractionDiscovered,
    "alert.response": _usefulness.AlertResponse,
    "alert.usefulness": _usefulness.AlertUsefulness,
    "threshold.adjustment": _usefulness.ThresholdAdjustment,
    "error.occurred": _operations.ErrorOccurred,
    "error.recovery": _operations.ErrorRecovery,
    "data.quality_issue": _operations.DataQualityIssue,
    "monitoring.cost": _operations.MonitoringCost,
    "monitoring.value_delivered": _operations.ValueDelivered,
    "resource.optimization_needed": _operations.OptimizationNeeded,
}
PAYLOADS: Final = KnownTypes(_OWN)
# events that POET writes itself; nothing is learned from them as feedback
TELEMETRY: Final = frozenset(
    {"execution.recorded", "policy.executed", "alert.raised", "learning.epoch_started"}
)
_ON_THE_WIRE: Final = {
    "usd": {"type": ["number", "string"], "description": 'US dollars: 1200, "$1200", "$0.50"'},
    "seconds": {"type": ["number", "string"], "description": 'seconds, or "2_hours", "90min", "PT2H"'},
    "instant": {
        "type": ["string", "number"],
        "description": 'RFC 3339; without an offset: UTC. "2024-01-15T10:00:00"',
    },
}


def register(type_: str, payload: type[Payload]) -> None:
    """Register an event type in this process only.

    An installed package registers its types in all processes through the entry-point group ``poet.events``.

    Raises
    ------
    EventError
        Another struct already has the name.
    """
    PAYLOADS.add(type_, payload)


def units_of(payload: type[Payload]) -> dict[str, str]:
    """Return the unit of every field that accepts several units, by field name."""
    described = inspect.type_info(payload)
    assert isinstance(described, inspect.StructType)  # noqa: S101 -- a Payload is a Struct
    return {field.encode_name: unit for field in described.fields if (unit := _unit(field.type))}


def _unit(type_: inspect.Type) -> str | None:
    if isinstance(type_, inspect.Metadata) and "unit" in (type_.extra or {}):
        return str((type_.extra or {})["unit"])
    if isinstance(type_, inspect.UnionType):
        return next((unit for each in type_.types if (unit := _unit(each))), None)
    return None


def json_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of all event types, as accepted on the wire.

    >>> from poet.events import json_schema
    >>> sorted(json_schema()["$defs"]["drift.validation"]["required"])
    ['data', 'type']
    """
    known = dict(PAYLOADS)
    pointers, components = msgspec.json.schema_components(known.values(), ref_template="#/$defs/{name}")
    definitions: dict[str, object] = dict(components)
    for payload, pointer in zip(known.values(), pointers, strict=True):
        described = components[pointer["$ref"].removeprefix("#/$defs/")]
        for name, unit in units_of(payload).items():
            described["properties"][name] = _ON_THE_WIRE[unit]
    definitions |= {
        type_: _event_schema(type_, pointer) for type_, pointer in zip(known, pointers, strict=True)
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "POET events: CloudEvents 1.0 with typed data",
        "oneOf": [{"$ref": f"#/$defs/{type_}"} for type_ in known],
        "$defs": definitions,
    }


def _event_schema(type_: str, pointer: object) -> dict[str, object]:
    text = {"type": "string", "minLength": 1}
    return {
        "type": "object",
        "required": ["type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": text,
            "source": text,
            "type": {"const": type_},
            "time": _ON_THE_WIRE["instant"],
            "subject": {"type": ["string", "null"]},
            "data": pointer,
        },
    }
