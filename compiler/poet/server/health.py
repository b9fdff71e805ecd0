"""Health, readiness, the OpenAPI document and Prometheus metrics."""

from typing import Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from poet.server.auth import Caller
from poet.server.handlers import state_of
from poet.server.openapi import openapi
from poet.server.state import Sample, State, exposition
from poet_runtime.errors import PoetError
from poet_runtime.registry import read_document

JSON: Final = "application/json"


async def health(_request: Request) -> Response:
    """Return that the process is alive."""
    return Response(b'{"status":"alive"}', media_type=JSON)


async def ready(request: Request) -> Response:
    """Return whether the log and the registry are usable."""
    state = state_of(request)
    try:
        await run_in_threadpool(_look, state)
    except PoetError as error:
        said = msgspec.json.encode({"status": "not ready", "why": str(error)})
        return Response(said, status_code=503, media_type=JSON)
    return Response(b'{"status":"ready"}', media_type=JSON)


async def describe(_request: Request) -> Response:
    """Return the OpenAPI document."""
    return Response(msgspec.json.encode(openapi()), media_type=JSON)


async def metrics(_request: Request, state: State, _caller: Caller) -> Response:
    """Return the metrics in Prometheus' text format."""
    text = await run_in_threadpool(_exposition, state)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _look(state: State) -> None:
    state.log.position()
    read_document(state.workspace.generated)
    state.tokens.all()


def _exposition(state: State) -> str:
    state.inbox.refresh()
    return exposition(
        [
            ("poet_http_requests_total", "counter", "Requests answered.", state.request_metrics.requests()),
            (
                "poet_http_request_duration_seconds",
                "histogram",
                "Time until the end of the response.",
                state.request_metrics.durations(),
            ),
            (
                "poet_log_events_total",
                "counter",
                "Events in the feedback log by type.",
                [
                    ("poet_log_events_total", {"type": type_}, float(count))
                    for type_, count in state.log.count_by_type().items()
                ],
            ),
            _one(
                "poet_ingested_events_total",
                "counter",
                "Events acknowledged as durable.",
                state.group_commit.accepted,
            ),
            _one(
                "poet_ingest_commits_total", "counter", "Commits of these events.", state.group_commit.commits
            ),
            _one("poet_inbox_waiting", "gauge", "Executions without a label.", len(state.inbox.all())),
            _one(
                "poet_feedback_since_compile",
                "gauge",
                "Feedback events that no compile has read.",
                state.feedback.count(),
            ),
            ("poet_policy_active_version", "gauge", "The active version.", _versions(state)),
        ]
    )


def _one(name: str, kind: str, says: str, value: float) -> tuple[str, str, str, list[Sample]]:
    return name, kind, says, [(name, {}, value)]


def _versions(state: State) -> list[Sample]:
    policies = read_document(state.workspace.generated).policies
    return [
        ("poet_policy_active_version", {"policy": name}, float(entry.active))
        for name, entry in sorted(policies.items())
    ]
