"""The event types: one struct each, and the JSON Schema made from them."""

from types import MappingProxyType

import msgspec
from msgspec import inspect

from poet.errors import EventError
from poet.events import _accuracy, _operations, _telemetry, _usefulness
from poet.events._payload import Payload

__all__ = ["PAYLOADS", "json_schema", "register", "units_of"]

_PAYLOADS: dict[str, type[Payload]] = {
    "execution.recorded": _telemetry.ExecutionRecorded,
    "alert.raised": _telemetry.AlertRaised,
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
PAYLOADS = MappingProxyType(_PAYLOADS)
_ON_THE_WIRE = {
    "usd": {"type": ["number", "string"], "description": 'US dollars: 1200, "$1200", "$0.50"'},
    "seconds": {"type": ["number", "string"], "description": 'seconds, or "2_hours", "90min", "PT2H"'},
    "instant": {
        "type": ["string", "number"],
        "description": 'RFC 3339; without an offset: UTC. "2024-01-15T10:00:00"',
    },
}


def register(type_: str, payload: type[Payload]) -> None:
    """Let a domain add an event type.

    Raises
    ------
    EventError
        Another struct has the name already.
    """
    if _PAYLOADS.setdefault(type_, payload) is not payload:
        raise EventError(event=type_, path="type", expected="a name not taken yet", got=repr(type_))


def units_of(payload: type[Payload]) -> dict[str, str]:
    """Give the unit of every field that people write in a unit of their own."""
    described = inspect.type_info(payload)
    assert isinstance(described, inspect.StructType)  # noqa: S101 -- a Payload is a Struct
    return {field.encode_name: unit for field in described.fields if (unit := _unit(field.type))}


def _unit(type_: inspect.Type) -> str | None:
    if isinstance(type_, inspect.Metadata) and type_.extra:
        return str(type_.extra["unit"])
    if isinstance(type_, inspect.UnionType):
        return next((unit for each in type_.types if (unit := _unit(each))), None)
    return None


def json_schema() -> dict[str, object]:
    """Give the JSON Schema (2020-12) of every event type, as accepted on the wire."""
    _, components = msgspec.json.schema_components(list(PAYLOADS.values()), ref_template="#/$defs/{name}")
    definitions: dict[str, object] = dict(components)
    for payload in PAYLOADS.values():
        described = components[payload.__name__]
        for name, unit in units_of(payload).items():
            described["properties"][name] = _ON_THE_WIRE[unit]
    definitions |= {type_: _event_schema(type_, payload) for type_, payload in PAYLOADS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "POET events: CloudEvents 1.0 with typed data",
        "oneOf": [{"$ref": f"#/$defs/{type_}"} for type_ in PAYLOADS],
        "$defs": definitions,
    }


def _event_schema(type_: str, payload: type[Payload]) -> dict[str, object]:
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
            "data": {"$ref": f"#/$defs/{payload.__name__}"},
        },
    }
