"""The OpenAPI 3.1 document of the HTTP API, derived from the event schemas."""

from functools import cache
from importlib.metadata import version
from typing import Any, Final

from poet.events import json_schema
from poet.server.readers import BATCH_LIMIT

_TEXT: Final = {"type": "string"}
_PROBLEMS: Final = {
    "400": "The request cannot be read.",
    "401": "The token is missing or unknown, or the signature is not valid.",
    "403": "Not allowed for this role, this source or a page of another site.",
    "408": "The request body did not arrive in time.",
    "413": "The body is too large.",
    "415": "Unsupported content type.",
    "421": "There are no tokens, and the host name is not one of this machine.",
    "422": "Events were refused; the others are in the log.",
    "429": "Too many requests; `retry-after` contains the time to wait.",
    "503": "The log cannot be written; send the request again later with the same ids.",
}


@cache
def openapi() -> dict[str, Any]:
    """Return the OpenAPI document."""
    schema: Any = json_schema()
    names = {name: name.replace("/", ".") for name in schema["$defs"]}
    schemas = {names[name]: _moved(each) for name, each in schema["$defs"].items()}
    schemas["Event"] = {"oneOf": _moved(schema["oneOf"])}
    schemas["Accepted"] = _object(
        {"accepted": {"type": "array", "items": _TEXT}, "resolved": {"type": "integer"}}, "accepted"
    )
    schemas["Problem"] = _object(
        {"title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "where": _TEXT, "expected": _TEXT}
        | {"got": _TEXT, "next_step": _TEXT, "accepted": {"type": "array", "items": _TEXT}}
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
            "description": "Accepts feedback as CloudEvents 1.0. Events acknowledged with 200 are on disk. "
            "An event whose source and id are already in the log changes nothing.",
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
            "Emit signed events: v1=HMAC-SHA256(secret, timestamp.body)",
            structured,
            [],
            [name, *signature],
        ),
        "/v1/slack": _post("Slack buttons and commands, signed with Slack's signature v0", form, [], slack),
        "/health": _get("Check that the process is alive", "application/json"),
        "/ready": _get("Check that the log and the registry are usable", "application/json"),
        "/metrics": _get("Get metrics in Prometheus' text format", "text/plain", token),
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
    said = _PROBLEMS | ({"404": "This sender is not configured."} if parameters else {})
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
        "200": {"description": "Success.", "content": {media: {}}},
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
    """Return a schema whose references point to OpenAPI's location of schemas."""
    if isinstance(schema, dict):
        return {
            key: value.replace("#/$defs/", "#/components/schemas/") if key == "$ref" else _moved(value)
            for key, value in schema.items()
        }
    return [_moved(each) for each in schema] if isinstance(schema, list) else schema
