"""Webhooks that are signed rather than sent with a token: Slack's, and anybody's who shares a secret."""

from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from poet.errors import IngestError
from poet.ingest import read_cloudevents, read_signature, read_slack, require_slack
from poet.web._api import answer, take
from poet.web._body import read_body
from poet.web._handling import state_of
from poet.web._problem import Refusal
from poet.web._state import State
from poet.web._who import address, refuse_strangers, too_many

__all__ = ["signed", "slack"]


async def slack(request: Request) -> Response:
    """Take a button pressed or a command typed in Slack."""
    state = state_of(request)
    if not state.settings.slack_secret:
        raise Refusal(
            HTTPStatus.NOT_FOUND,
            "this server does not listen to Slack",
            then="start it with `poet serve --slack-secret FILE`",
        )
    body = await _limited(request, state, "slack")
    try:
        require_slack(request.headers, body, state.settings.slack_secret, now=state.clock())
    except IngestError as error:
        raise _unsigned(request, state, error) from error
    heard = read_slack(body, now=state.clock)
    await take(state, [heard.event])
    said = {"response_type": "ephemeral", "text": heard.answer}
    return Response(msgspec.json.encode(said), media_type="application/json")


async def signed(request: Request) -> Response:
    """Take CloudEvents, structured or batched, under a signature."""
    state = state_of(request)
    name = request.path_params["name"]
    secret = state.settings.webhooks.get(name)
    if secret is None:
        raise Refusal(
            HTTPStatus.NOT_FOUND,
            "this server knows no sender of this name",
            where="path",
            got=ascii(name[:80]),
            then="start it with `poet serve --webhook NAME=FILE`",
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
    refuse_strangers(request, state)
    if wait := state.machines.take(who):
        raise too_many(wait, "more requests than this sender may send")
    return await read_body(request, state.settings)


def _unsigned(request: Request, state: State, error: IngestError) -> Refusal:
    state.strangers.take(address(request))
    return Refusal(
        HTTPStatus.UNAUTHORIZED,
        "the signature does not hold",
        where=error.where,
        expected=error.expected,
        got=error.got,
        then="see that both sides have the same secret and the same time",
    )
