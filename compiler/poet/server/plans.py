"""The pages for plans: create, review, approve or reject them."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from poet.server.auth import Caller
from poet.server.problem import Problem
from poet.server.render import fragment, show
from poet.server.state import State

COMMENT: Final = 500  # characters


async def plans(request: Request, state: State, caller: Caller) -> Response:
    """List the plans."""
    found = await run_in_threadpool(state.proposals.all)
    return show(request, state, caller, "plans.html", plans=found, work=state.worker.work)


async def plan(request: Request, state: State, caller: Caller) -> Response:
    """Show what a plan would change, and why."""
    identity = request.path_params["identity"]
    is_being_made = state.worker.is_busy and state.worker.work and state.worker.work.proposal == identity
    if is_being_made and state.worker.work and state.worker.work.kind == "plan":
        return RedirectResponse("/plans", status_code=HTTPStatus.SEE_OTHER)
    found = await run_in_threadpool(state.proposals.get, identity)
    is_newest = found.id == next((each.id for each in await run_in_threadpool(state.proposals.all)), "")
    came = await run_in_threadpool(state.log.position) - found.log_position
    return show(
        request,
        state,
        caller,
        "plan.html",
        plan=found,
        work=state.worker.work,
        came=came,
        is_newest=is_newest,
    )


async def work(_request: Request, state: State, _caller: Caller) -> Response:
    """Show the progress of the running job; reload the page when it is done."""
    response = fragment("_work.html", work=state.worker.work)
    if not state.worker.is_busy:
        response.headers["hx-refresh"] = "true"
    return response


async def make(_request: Request, state: State, caller: Caller, _fields: dict[str, str]) -> Response:
    """Start making a plan."""
    state.worker.plan(caller.name)
    return RedirectResponse("/plans", status_code=HTTPStatus.SEE_OTHER)


async def approve(request: Request, state: State, caller: Caller, fields: dict[str, str]) -> Response:
    """Start applying a plan exactly."""
    identity = request.path_params["identity"]
    await run_in_threadpool(state.worker.apply, identity, caller.name, _comment(fields))
    return RedirectResponse(f"/plans/{identity}", status_code=HTTPStatus.SEE_OTHER)


async def reject(request: Request, state: State, caller: Caller, fields: dict[str, str]) -> Response:
    """Reject a plan with a reason."""
    identity, comment = request.path_params["identity"], _comment(fields)
    if not comment:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "rejecting a plan requires a comment",
            where="field comment",
            expected="the reason in one sentence",
            got="nothing",
        )
    at = datetime.now(UTC).isoformat(timespec="seconds")
    await run_in_threadpool(
        lambda: state.proposals.move(
            identity, "rejected", decided_by=caller.name, decided_at=at, comment=comment
        )
    )
    return RedirectResponse(f"/plans/{identity}", status_code=HTTPStatus.SEE_OTHER)


def _comment(fields: dict[str, str]) -> str:
    comment = fields.get("comment", "").strip()
    if len(comment) > COMMENT:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "the comment is too long",
            where="field comment",
            expected=f"at most {COMMENT} characters",
            got=f"{len(comment)}",
        )
    return comment
