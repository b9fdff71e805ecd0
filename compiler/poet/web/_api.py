"""Events in: CloudEvents and Alertmanager's webhook."""

from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from poet.errors import EventError
from poet.events import Event
from poet.ingest import Received, read_alertmanager, read_cloudevents
from poet.web._body import read_body
from poet.web._intake import Full
from poet.web._problem import Refusal, refusal_of
from poet.web._state import State
from poet.web._who import Caller, too_many

__all__ = ["alertmanager", "answer", "emit", "take"]

FULL_S = 1.0


async def emit(request: Request, state: State, caller: Caller) -> Response:
    """Take CloudEvents: structured, batched or binary."""
    body = await read_body(request, state.settings)
    source = caller.token.name if caller.token else state.workspace.configuration.source
    received = read_cloudevents(request.headers, body, source=source, now=state.clock)
    return await answer(state, received, caller)


async def alertmanager(request: Request, state: State, caller: Caller) -> Response:
    """Take a notification of Alertmanager's."""
    body = await read_body(request, state.settings)
    received, resolved = read_alertmanager(body, now=state.clock)
    return await answer(state, received, caller, resolved=resolved)


async def answer(
    state: State, received: tuple[Received, ...], caller: Caller | None, **counts: int
) -> Response:
    """Write the events that came, and say what became of each.

    Raises
    ------
    Refusal
        Some were refused: it names them, and the others, which are in the log.
    """
    accepted: list[Event] = []
    refused: list[dict[str, object]] = []
    for number, each in enumerate(received):
        refusal = _refusal(each, caller)
        if refusal is None and isinstance(each, Event):
            accepted.append(each)
        elif refusal is not None:
            refused.append({"index": number, **refusal.document()})
    await take(state, accepted)
    ids = [event.id for event in accepted]
    if not refused:
        return Response(msgspec.json.encode({"accepted": ids, **counts}), media_type="application/json")
    only = refused[0] if len(received) == 1 else {}
    raise Refusal(
        HTTPStatus(int(str(refused[0]["status"]))) if only else HTTPStatus.UNPROCESSABLE_ENTITY,
        str(
            only.get(
                "detail", f"{len(refused)} of {len(received)} events were refused, the others are in the log"
            )
        ),
        where=str(only.get("where", "")),
        expected=str(only.get("expected", "")),
        got=str(only.get("got", "")),
        then=str(refused[0].get("next", "")),
        accepted=ids,
        refused=refused,
    )


async def take(state: State, events: list[Event]) -> None:
    """Return when events are on disk.

    Raises
    ------
    Refusal
        More wait for the disk than the server holds.
    """
    try:
        await state.intake.append(events)
    except Full as error:
        raise too_many(FULL_S, "more events come than the disk takes") from error


def _refusal(each: Received, caller: Caller | None) -> Refusal | None:
    if isinstance(each, EventError):
        return refusal_of(each)
    token = caller.token if caller else None
    if token is None or token.speaks_for(each.source):
        return None
    return Refusal(
        HTTPStatus.FORBIDDEN,
        f"this token does not speak for {each.source!r:.80}",
        where="source",
        expected=f"one of {', '.join(token.sources)}, or what begins with it and a slash",
        then="name another source, or ask for a token that may",
    )
