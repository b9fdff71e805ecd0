"""The pages for versions and rules: show evidence, activate and roll back."""

from http import HTTPStatus
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from poet.build.publish import published_manifest, published_source
from poet.review.changes import diff_document, rule_document
from poet.review.status import history_document, standing_document
from poet.server.auth import Caller
from poet.server.pages import number_of, summary_of
from poet.server.problem import Problem
from poet.server.render import show
from poet.server.state import State
from poet.workspace.workspace import Workspace
from poet_runtime.registry import read_document

WHY: Final = 200  # characters


async def versions(request: Request, state: State, caller: Caller) -> Response:
    """List the policies with their versions."""
    standing = await run_in_threadpool(standing_document, state.workspace, state.feedback)
    return show(request, state, caller, "versions.html", standing=standing)


async def history(request: Request, state: State, caller: Caller) -> Response:
    """Show a policy's versions and who activated each."""
    name = _policy(request, state)
    found = await run_in_threadpool(history_document, state.workspace, name)
    return show(request, state, caller, "history.html", history=found)


async def version(request: Request, state: State, caller: Caller) -> Response:
    """Show a version: its rules, its differences and its source."""
    name, number = _policy(request, state), number_of(request, "number")

    def read() -> dict[str, Any]:
        manifest = published_manifest(state.workspace.generated, name, number)
        older = manifest.revises
        changed = diff_document(state.workspace.generated, name, older, number) if older else None
        active = read_document(state.workspace.generated).active(name)
        return {
            "manifest": manifest,
            "source": published_source(state.workspace.generated, name, number),
            "diff": changed,
            "is_active": active == number,
        }

    return show(request, state, caller, "version.html", **await run_in_threadpool(read))


async def rules(request: Request, state: State, caller: Caller) -> Response:
    """List the active rules and the candidates."""

    def read() -> list[Any]:
        generated = state.workspace.generated
        policies = read_document(generated).policies
        return [published_manifest(generated, name, entry.active) for name, entry in sorted(policies.items())]

    return show(request, state, caller, "rules.html", manifests=await run_in_threadpool(read))


async def rule(request: Request, state: State, caller: Caller) -> Response:
    """Show one rule with its evidence and its events."""
    name, number = _policy(request, state), number_of(request, "number")
    wanted = request.path_params["rule"]
    found = await run_in_threadpool(rule_document, state.workspace, name, number, wanted)
    return show(request, state, caller, "rule.html", found=found, summary_of=summary_of)


async def rollback(request: Request, state: State, caller: Caller, fields: dict[str, str]) -> Response:
    """Roll back to the previous version."""
    name, why = _policy(request, state), _why(fields)
    await run_in_threadpool(lambda: _as(state, caller, lambda own: own.rollback(name, why=why)))
    return RedirectResponse(f"/versions/{name}", status_code=HTTPStatus.SEE_OTHER)


async def activate(request: Request, state: State, caller: Caller, fields: dict[str, str]) -> Response:
    """Activate a version."""
    name, number, why = _policy(request, state), number_of(request, "number"), _why(fields)
    await run_in_threadpool(lambda: _as(state, caller, lambda own: own.activate(name, number, why=why)))
    return RedirectResponse(f"/versions/{name}", status_code=HTTPStatus.SEE_OTHER)


def _as(state: State, caller: Caller, change: Any) -> None:
    """Change the workspace in the name of the caller."""
    with Workspace.open(state.path, clock=state.clock, who=caller.name) as own:
        change(own)


def _policy(request: Request, state: State) -> str:
    """Return the policy of the path; only names in the registry are used in file names."""
    name: str = request.path_params["policy"]
    known = read_document(state.workspace.generated).policies
    if name not in known:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"there is no policy {name!r:.80}",
            expected=f"one of {', '.join(sorted(known)) or 'none'}",
        )
    return name


def _why(fields: dict[str, str]) -> str:
    why = fields.get("why", "").strip()
    if not why or len(why) > WHY:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "changing the active version requires a reason",
            where="field why",
            expected=f"a sentence of at most {WHY} characters, for the journal",
            got=f"{len(why)} characters" if why else "nothing",
        )
    return why
