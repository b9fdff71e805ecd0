"""Ingestion endpoints: CloudEvents, Alertmanager's webhook and signed webhooks.

A signed webhook is authenticated by its signature instead of a token: Slack's, or that of a sender who
shares a secret with the server.
"""

from http import HTTPStatus
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from poet.events import Event
from poet.server.auth import Caller, address, refuse_failed_logins, too_many
from poet.server.handlers import read_body, state_of
from poet.server.problem import Problem, problem_of
from poet.server.readers import Received, read_alertmanager, read_cloudevents
from poet.server.slack import read_signature, read_slack, require_slack
from poet.server.state import QueueFull, State
from poet_runtime.errors import EventError, IngestError

QUEUE_FULL_RETRY_S: Final = 1.0


async def emit(request: Request, state: State, caller: Caller) -> Response:
    """Accept CloudEvents: structured, batched or binary."""
    body = await read_body(request, state.settings)
    source = caller.token.name if caller.token else state.workspace.configuration.source
    received = read_cloudevents(request.headers, body, source=source, now=state.clock)
    return await answer(state, received, caller)


async def alertmanager(request: Request, state: State, caller: Caller) -> Response:
    """Accept an Alertmanager notification."""
    body = await read_body(request, state.settings)
    received, resolved = read_alertmanager(body, now=state.clock)
    return await answer(state, received, caller, resolved=resolved)


async def answer(
    state: State, received: tuple[Received, ...], caller: Caller | None, **counts: int
) -> Response:
    """Append the received events and return the outcome of each.

    Raises
    ------
    Problem
        Some events were refused. The problem lists them and the others, which are in the log.
    """
    accepted: list[Event] = []
    refused: list[dict[str, object]] = []
    for number, each in enumerate(received):
        problem = _problem(each, caller)
        if problem is None and isinstance(each, Event):
            accepted.append(each)
        elif problem is not None:
            refused.append({"index": number, **problem.document()})
    await take(state, accepted)
    ids = [event.id for event in accepted]
    if not refused:
        return Response(msgspec.json.encode({"accepted": ids, **counts}), media_type="application/json")
    only = refused[0] if len(received) == 1 else {}
    raise Problem(
        HTTPStatus(int(str(refused[0]["status"]))) if only else HTTPStatus.UNPROCESSABLE_ENTITY,
        str(
            only.get(
                "detail", f"{len(refused)} of {len(received)} events were refused; the others are in the log"
            )
        ),
        where=str(only.get("where", "")),
        expected=str(only.get("expected", "")),
        got=str(only.get("got", "")),
        next_step=str(refused[0].get("next_step", "")),
        accepted=ids,
        refused=refused,
    )


async def take(state: State, events: list[Event]) -> None:
    """Block until events are on disk.

    Raises
    ------
    Problem
        More events wait for the disk than the server buffers.
    """
    try:
        await state.group_commit.append(events)
    except QueueFull as error:
        raise too_many(QUEUE_FULL_RETRY_S, "events arrive faster than the disk can write") from error


def _problem(each: Received, caller: Caller | None) -> Problem | None:
    if isinstance(each, EventError):
        return problem_of(each)
    token = caller.token if caller else None
    if token is None or token.speaks_for(each.source):
        return None
    return Problem(
        HTTPStatus.FORBIDDEN,
        f"the token may not use the source {each.source!r:.80}",
        where="source",
        expected=f"one of {', '.join(token.sources)}, or one that starts with it and a slash",
        next_step="use another source, or ask for a token that allows it",
    )


async def slack(request: Request) -> Response:
    """Accept a button press or a command from Slack."""
    state = state_of(request)
    if not state.settings.slack_secret:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "Slack is not configured on this server",
            next_step="start it with `poet serve --slack-secret FILE`",
        )
    body = await _limited(request, state, "slack")
    try:
        require_slack(request.headers, body, state.settings.slack_secret, now=state.clock())
    except IngestError as error:
        raise _unsigned(request, state, error) from error
    label = read_slack(body, now=state.clock)
    await take(state, [label.event])
    said = {"response_type": "ephemeral", "text": label.answer}
    return Response(msgspec.json.encode(said), media_type="application/json")


async def signed(request: Request) -> Response:
    """Accept signed CloudEvents, structured or batched."""
    state = state_of(request)
    name = request.path_params["name"]
    secret = state.settings.webhooks.get(name)
    if secret is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "no sender of this name is configured",
            where="path",
            got=ascii(name[:80]),
            next_step="start it with `poet serve --webhook NAME=FILE`",
        )
    body = await _limited(request, state, f"webhook/{name}")
    try:
        signature = read_signature(request.headers, body, secret, now=state.clock())
    except IngestError as error:
        raise _unsigned(request, state, error) from error
    received = read_cloudevents(
        request.headers,
        body,
        source=f"webhook/{name}",
        now=state.clock,
        is_binary_allowed=False,
        name_event=signature.event_id,
    )
    return await answer(state, received, None)


async def _limited(request: Request, state: State, who: str) -> bytes:
    refuse_failed_logins(request, state)
    if wait := state.machines.take(who):
        raise too_many(wait, "this sender has sent too many requests")
    return await read_body(request, state.settings)


def _unsigned(request: Request, state: State, error: IngestError) -> Problem:
    state.failed_logins.take(address(request))
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "the signature is not valid",
        where=error.where,
        expected=error.expected,
        got=error.got,
        next_step="check that both sides have the same secret and the same time",
    )
