"""The OpenAPI 3.1 document of what machines call, made from the events' own schema."""

from functools import cache
from importlib.metadata import version
from typing import Any, Final

from poet.events import json_schema
from poet.server.readers import BATCH_LIMIT

_TEXT: Final = {"type": "string"}
_PROBLEMS: Final = {
    "400": "The request cannot be read.",
    "401": "No token, one that is unknown, or a signature that does not hold.",
    "403": "The role, the source or another site's page does not allow it.",
    "408": "The body did not come in time.",
    "413": "The body is too large.",
    "415": "A kind of content that this does not take.",
    "421": "There are no tokens, and the server was called by a name that is not this machine's.",
    "422": "Events were refused; the others are in the log.",
    "429": "Too many requests; `retry-after` says when to come again.",
    "503": "The log cannot be written; send it again later, with the same ids.",
}


@cache
def openapi() -> dict[str, Any]:
    """Give the document."""
    schema: Any = json_schema()
    names = {name: name.replace("/", ".") for name in schema["$defs"]}
    schemas = {names[name]: _moved(each) for name, each in schema["$defs"].items()}
    schemas["Event"] = {"oneOf": _moved(schema["oneOf"])}
    schemas["Accepted"] = _object(
        {"accepted": {"type": "array", "items": _TEXT}, "resolved": {"type": "integer"}}, "accepted"
    )
    schemas["Problem"] = _object(
        {"title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "where": _TEXT, "expected": _TEXT}
        | {"got": _TEXT, "next": _TEXT, "accepted": {"type": "array", "items": _TEXT}}
        | {"refused": {"type": "array", "items": {"type": "object"}}},
        "title",
        "status",
        "detail",
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "POET",
            "version": version("poet-policy-compiler"),
            "description": "Feedback in, as CloudEvents 1.0. What is answered with 200 is on disk. "
            "An event with a source and an id that the log holds changes nothing.",
        },
        "paths": _paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths() -> dict[str, Any]:
    event, batch = _ref("Event"), {"type": "array", "items": _ref("Event"), "maxItems": BATCH_LIMIT}
    token: list[Any] = [{"token": []}, {}]
    signature = [_header("X-Poet-Timestamp"), _header("X-Poet-Signature")]
    slack = [_header("X-Slack-Request-Timestamp"), _header("X-Slack-Signature")]
    name = {"name": "name", "in": "path", "required": True, "schema": _TEXT}
    form = {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}
    structured = {
        "application/cloudevents+json": {"schema": event},
        "application/cloudevents-batch+json": {"schema": batch},
    }
    emitted = structured | {"application/json": {"schema": {"anyOf": [event, batch, {"type": "object"}]}}}
    return {
        "/v1/events": _post("Emit events: structured, batched, or binary with ce-… headers", emitted, token),
        "/v1/alertmanager": _post(
            "Alertmanager's webhook", {"application/json": {"schema": _alertmanager()}}, token
        ),
        "/v1/webhooks/{name}": _post(
            "Events under a signature: v1=HMAC-SHA256(secret, timestamp.body)",
            structured,
            [],
            [name, *signature],
        ),
        "/v1/slack": _post("Slack's buttons and commands, under Slack's signature v0", form, [], slack),
        "/health": _get("Whether the process answers", "application/json"),
        "/ready": _get("Whether the log and the registry can be used", "application/json"),
        "/metrics": _get("Prometheus' text format", "text/plain", token),
        "/openapi.json": _get("This document", "application/json"),
    }


def _post(
    summary: str,
    content: dict[str, Any],
    security: list[Any],
    parameters: list[Any] | None = None,
) -> dict[str, Any]:
    answers: dict[str, Any] = {
        "200": {"description": "On disk.", "content": {"application/json": {"schema": {"type": "object"}}}}
    }
    said = _PROBLEMS | ({"404": "This server does not listen to this sender."} if parameters else {})
    for status, description in sorted(said.items()):
        answers[status] = {
            "description": description,
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
    operation: dict[str, Any] = {
        "summary": summary,
        "requestBody": {"required": True, "content": content},
        "responses": answers,
        "security": security,
    }
    return {"post": operation | ({"parameters": parameters} if parameters else {})}


def _get(summary: str, media: str, security: list[Any] | None = None) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": _ref("Problem")}}
    refused = {
        status: _PROBLEMS[status] for status in (("401", "403", "421", "429") if security else ("421",))
    }
    answers: dict[str, Any] = {
        "200": {"description": "So it is.", "content": {media: {}}},
        "503": {"description": "Not now.", "content": {"application/json": {}} | problem},
    }
    answers |= {status: {"description": says, "content": problem} for status, says in refused.items()}
    return {"get": {"summary": summary, "responses": answers, "security": security or []}}


def _alertmanager() -> dict[str, Any]:
    texts = {"type": "object", "additionalProperties": _TEXT}
    alert = _object(
        {"status": {"enum": ["firing", "resolved"]}, "labels": texts, "annotations": texts}
        | {"startsAt": {"type": "string", "format": "date-time"}, "fingerprint": _TEXT},
        "status",
        "labels",
        "startsAt",
    )
    return _object(
        {"version": {"const": "4"}, "receiver": _TEXT, "groupKey": _TEXT}
        | {"alerts": {"type": "array", "items": alert, "maxItems": BATCH_LIMIT}},
        "version",
        "alerts",
    )


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _header(name: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": True, "schema": _TEXT}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _moved(schema: Any) -> Any:
    """Let references point to where OpenAPI keeps its schemas."""
    if isinstance(schema, dict):
        return {
            key: value.replace("#/$defs/", "#/components/schemas/") if key == "$ref" else _moved(value)
            for key, value in schema.items()
        }
    return [_moved(each) for each in schema] if isinstance(schema, list) else schema
