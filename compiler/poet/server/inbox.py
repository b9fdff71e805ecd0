"""The inbox: one execution at a time, one keystroke per label."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from poet.events import ExecutionRecorded, parse
from poet.log import EventFilter, RawEvent
from poet.server.auth import Caller
from poet.server.ingest import take
from poet.server.pages import number_of, summary_of
from poet.server.problem import Problem
from poet.server.render import show
from poet.server.state import State
from poet.workspace.inbox import InboxItem, label_event
from poet_runtime.drift.sample_sketch import read_sketch
from poet_runtime.errors import EventError

LISTED: Final = 30
SCORES: Final = 12
LABELS: Final = {"real": True, "false": False}
REASON: Final = 200  # characters


async def inbox(request: Request, state: State, caller: Caller) -> Response:
    """Show the unlabeled executions and the first of them."""

    def read() -> dict[str, Any]:
        state.inbox.refresh()
        items = state.inbox.all()
        at = request.query_params.get("at", "")
        first = next((each for each in items if str(each.position) == at), items[0] if items else None)
        return {
            "listed": items[:LISTED],
            "total": len(items),
            "chosen": first,
            "following": _following(items, first),
            "noted": request.query_params.get("noted", "")[:200],
            **(_card(state, first.position) if first else {}),
        }

    return show(request, state, caller, "inbox.html", **await run_in_threadpool(read))


async def execution(request: Request, state: State, caller: Caller) -> Response:
    """Show one execution, labeled or not."""
    position = number_of(request, "position")
    card = await run_in_threadpool(_card, state, position)
    return show(request, state, caller, "execution.html", following=None, **card)


async def answer(request: Request, state: State, caller: Caller, fields: dict[str, str]) -> Response:
    """Record a label and continue with the next execution."""
    said, reason = fields.get("label", ""), fields.get("reason", "").strip()
    if said not in LABELS or len(reason) > REASON:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "this is not a label",
            where="field label" if said not in LABELS else "field reason",
            expected="real or false" if said not in LABELS else f"at most {REASON} characters",
            got=ascii((said if said not in LABELS else reason)[:80]),
        )
    card = await run_in_threadpool(_card, state, number_of(request, "position"))
    data: ExecutionRecorded = card["data"]
    event = label_event(
        data.execution_id,
        was_real=LABELS[said],
        reason=reason,
        feature=data.feature,
        who=caller.name,
        now=state.clock,
    )
    await take(state, [event])
    await run_in_threadpool(state.inbox.refresh)
    following = fields.get("following", "")
    at = f"at={following}&" if following.isascii() and following.isdigit() else ""
    return RedirectResponse(f"/inbox?{at}noted={said}", status_code=HTTPStatus.SEE_OTHER)


def _card(state: State, position: int) -> dict[str, Any]:
    """Return an execution with its recorded data."""
    written = state.log.at(position)
    data = _execution(written)
    if written is None or data is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"the log has no execution at position {position}",
            next_step="open the inbox or the log",
        )
    document = msgspec.json.decode(written.raw, type=dict[str, Any])
    scores = sorted(
        data.scores.items(), key=lambda item: item[1].p_value if item[1].p_value is not None else 2.0
    )
    return {
        "event": written,
        "data": data,
        "sketch": read_sketch(document["data"]),
        "scores": scores[:SCORES],
        "left_out": max(0, len(scores) - SCORES),
        "labels": _labels(state, data.execution_id),
        "reasons": state.inbox.reasons(),
    }


def _execution(written: RawEvent | None) -> ExecutionRecorded | None:
    if written is None or written.type != "execution.recorded":
        return None
    try:
        data = parse(written.raw).data
    except EventError:
        return None
    return data if isinstance(data, ExecutionRecorded) else None


def _labels(state: State, execution_id: str) -> list[tuple[RawEvent, str]]:
    """Return the labels of an execution, newest first."""
    found = state.log.newest(EventFilter(text=execution_id, is_feedback=True), LISTED)
    return [(each, summary_of(each.raw)) for each in found if _cites(each, execution_id)]


def _cites(written: RawEvent, execution_id: str) -> bool:
    data = msgspec.json.decode(written.raw, type=dict[str, Any]).get("data")
    return isinstance(data, dict) and data.get("execution_id") == execution_id


def _following(items: list[InboxItem], chosen: InboxItem | None) -> int | None:
    """Return the position of the execution after the one that is shown."""
    if chosen is None:
        return None
    positions = [each.position for each in items]
    rest = positions[positions.index(chosen.position) + 1 :]
    return rest[0] if rest else None
