"""The commands `plan`, `compile`, `diff`, `explain` and `validate`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from poet.cli.options import FILE, with_check, with_engine, with_format, with_out, with_share
from poet.cli.output import Format, note, note_broken_packages, show, show_review

if TYPE_CHECKING:
    from poet.review.document import PlanDocument


@click.command()
@click.argument("policies", nargs=-1)
@click.option("--exit-code", is_flag=True, help="Exit with status 1 if there are changes.")
@with_out()
@with_engine
@with_format
@click.pass_obj
def plan(
    settings: dict[str, Any],
    policies: tuple[str, ...],
    *,
    exit_code: bool,
    out: Path | None,
    engine: Literal["duckdb", "spark"] | None,
    format_: Format | None,
) -> None:
    r"""Show what a compile would change, and why.

    No version is written. With --out, the plan is saved for `poet compile --plan-file`.

    \b
    poet plan                     # for all policies
    poet plan --format markdown   # for a comment on a pull request
    poet plan detect_drift --out plan.json && poet compile --plan-file plan.json
    """
    from poet.review.changes import plan_document  # noqa: PLC0415
    from poet.review.text import plan_lines  # noqa: PLC0415
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    note_broken_packages()
    with Workspace.open(settings["folder"]) as workspace:
        found = workspace.plan(policies, engine=engine)
        if out is not None:
            out.write_bytes(workspace.saved(found))
    document = plan_document(found)
    show_review(document, plan_lines(document), format_, as_json=settings["json"])
    if exit_code and found.changes:
        raise click.exceptions.Exit(1)


@click.command(name="compile")
@click.argument("policies", nargs=-1)
@click.option("--plan-file", type=FILE, default=None, help="Apply a plan that `poet plan --out` saved.")
@with_check
@click.option("--no-activate", is_flag=True, help="Publish, but keep the old versions active.")
@click.option(
    "--rollout",
    type=click.Choice(["shadow", "canary"]),
    default=None,
    help="Publish, and run the new versions as shadows or canaries.",
)
@with_share
@with_engine
@with_format
@click.pass_obj
def compile_(
    settings: dict[str, Any],
    policies: tuple[str, ...],
    *,
    plan_file: Path | None,
    check: bool,
    no_activate: bool,
    rollout: Literal["shadow", "canary"] | None,
    share: float,
    engine: Literal["duckdb", "spark"] | None,
    format_: Format | None,
) -> None:
    r"""Learn from feedback and publish new versions.

    Changed policies are learned, rendered, checked, validated, published and activated. A saved plan is
    applied exactly or not at all. With --check, generated files are only compared with their manifests.

    \b
    poet compile                  # all policies
    poet compile --check          # in CI
    poet compile --plan-file plan.json
    poet compile --rollout canary --share 0.1
    poet compile --format markdown > comment.md
    """
    from poet.review.changes import plan_document  # noqa: PLC0415
    from poet.workspace.workspace import Workspace  # noqa: PLC0415
    from poet_runtime.errors import ValidationError  # noqa: PLC0415

    _require_compatible(policies, plan_file, is_rollout=rollout is not None, no_activate=no_activate)
    note_broken_packages()
    with Workspace.open(settings["folder"]) as workspace:
        if check:
            _check(settings, workspace)
            return
        try:
            report = workspace.compile(
                policies,
                plan_file=plan_file,
                activate=not no_activate,
                rollout=rollout,
                share=share,
                engine=engine,
                progress=lambda stage: note(f"  {stage}"),
            )
        except ValidationError as error:
            note(f"poet: {error}")
            raise click.exceptions.Exit(1) from error
    document = plan_document(report.plan, published=report.versions)
    now = f", running as a {rollout}" if rollout else "" if no_activate else ", active now"
    show_review(document, compiled_lines(document, now), format_, as_json=settings["json"])
    if report.plan.skipped:
        raise click.exceptions.Exit(1)


def compiled_lines(document: "PlanDocument", now: str, *, with_source: bool = False) -> Iterator[str]:
    """Yield lines about what a compile changed, what it published and whether that is active."""
    from poet.review.text import plan_lines  # noqa: PLC0415

    yield from plan_lines(document, with_source=with_source)
    for policy, number in sorted((document.published or {}).items()):
        yield f"published {policy} version {number}{now}"


def _require_compatible(
    policies: tuple[str, ...], plan_file: Path | None, *, is_rollout: bool, no_activate: bool
) -> None:
    if is_rollout and no_activate:
        raise click.UsageError("--rollout and --no-activate are mutually exclusive; pass one of them")
    if plan_file is not None and policies:
        raise click.UsageError("--plan-file names its policies; pass either a saved plan or policy names")
    if files := [name for name in policies if name.endswith(".json")]:
        raise click.UsageError(f"{files[0]} is not a policy; pass a saved plan as --plan-file {files[0]}")


def _check(settings: dict[str, Any], workspace: Any) -> None:
    differences = workspace.check()
    folder = workspace.generated
    document = {
        "differences": [
            {"file": each.file, "path": str(folder / each.file), "says": each.says} for each in differences
        ]
    }
    lines = [f"- {folder.name}/{each.file}: {each.says}" for each in differences]
    show(
        as_json=settings["json"],
        document=document,
        lines=lines or ["every generated file matches its manifest"],
    )
    if differences:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("policy")
@click.argument("old", type=int, required=False)
@click.argument("new", type=int, required=False)
@with_format
@click.pass_obj
def diff(
    settings: dict[str, Any], policy: str, old: int | None, new: int | None, *, format_: Format | None
) -> None:
    r"""Show what changed between two versions.

    The default compares the active version with the one it revises.

    \b
    poet diff detect_drift        # what the active version changed
    poet diff detect_drift 1 3
    poet diff detect_drift --format markdown > comment.md
    """
    from poet.build.manifest import read_manifest  # noqa: PLC0415
    from poet.review.changes import diff_document  # noqa: PLC0415
    from poet.review.text import diff_lines  # noqa: PLC0415
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    with Workspace.open(settings["folder"]) as workspace:
        generated = workspace.generated
        newer = workspace.registry.active(policy) if new is None else new
        older = (read_manifest(generated, policy, newer).revises or newer) if old is None else old
        document = diff_document(generated, policy, older, newer)
    show_review(document, diff_lines(document), format_, as_json=settings["json"])


@click.command()
@click.argument("policy")
@click.argument("rule", required=False)
@click.pass_obj
def explain(settings: dict[str, Any], policy: str, rule: str | None) -> None:
    r"""Explain a policy's rules and candidates by their evidence.

    \b
    poet explain detect_drift numeric
    """
    from poet.review.changes import explain_document  # noqa: PLC0415
    from poet.review.text import explain_lines  # noqa: PLC0415
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    with Workspace.open(settings["folder"]) as workspace:
        (planned,) = workspace.plan([policy]).policies
        # a candidate depends on the current log; a rule of the active version was decided when it was made
        decisions = planned.champion if not rule or not rule.startswith("candidate-") else planned.decisions
    document = explain_document(decisions, rule)
    show(as_json=settings["json"], document=document, lines=explain_lines(document))


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--policy",
    default=None,
    show_default="the file's name without its version",
    metavar="POLICY",
    help="The policy whose contract applies.",
)
@click.option(
    "--max-examples",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Examples per property.",
)
@click.pass_obj
def validate(settings: dict[str, Any], file: Path, policy: str | None, max_examples: int) -> None:
    r"""Check a module against the contract of a policy.

    \b
    poet validate generated/detect_drift_v2.py
    """
    import msgspec  # noqa: PLC0415

    from poet.build.validate import validate_file  # noqa: PLC0415

    name = policy or file.stem.rpartition("_v")[0] or file.stem
    with tempfile.TemporaryDirectory(prefix="poet-staging-") as staging:
        report = validate_file(name, file, staging=Path(staging), effort=max_examples)
    lines = [f"{'+' if gate.passed else '-'} {gate.name} ({gate.examples} calls)" for gate in report.gates]
    lines += [gate.counterexample for gate in report.gates if not gate.passed]
    lines.append(f"{file} {'keeps' if report.passed else 'breaks'} the contract of {name}")
    show(as_json=settings["json"], document=msgspec.to_builtins(report), lines=lines)
    if not report.passed:
        raise click.exceptions.Exit(1)
