"""The commands `init`, `demo`, `status` and `upgrade`."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from poet.cli.options import FOLDER, with_check
from poet.cli.output import note, note_broken_packages, progress_bar, show

if TYPE_CHECKING:
    from poet.workspace.upgrade import Upgrade

STARTS: Final = ("calibrated", "ks", "psi", "wasserstein", "evidently", "nannyml")


@click.command()
@click.argument("folder", type=FOLDER, default=Path())
@click.option(
    "--start",
    type=click.Choice(STARTS),
    default="calibrated",
    show_default=True,
    help="The preset that detect_drift starts with.",
)
@click.pass_obj
def init(settings: dict[str, Any], folder: Path, start: str) -> None:
    r"""Create a workspace.

    A workspace contains poet.toml, templates, generated and feedback_log.

    \b
    poet init                     # in the current folder
    poet init monitors --start ks # start with the two-sample KS test
    """
    from poet.workspace.workspace import Workspace  # noqa: PLC0415 -- `poet --help` must not import the compiler

    note_broken_packages()
    with Workspace.create(folder, start=start, progress=lambda stage: note(f"  {stage}")) as workspace:
        policies = sorted(workspace.registry.names())
        document = {"workspace": str(workspace.path), "start": start, "policies": policies}
        lines = [
            f"workspace {workspace.path} is ready: version 1 of {', '.join(policies)}",
            'next: call Workspace.policy("detect_drift"), `poet emit` labels of its alerts, run `poet plan`',
        ]
        show(as_json=settings["json"], document=document, lines=lines)


@click.command()
@click.argument("folder", type=FOLDER, default=Path("poet-demo"))
@click.pass_obj
def demo(settings: dict[str, Any], folder: Path) -> None:
    r"""Run a drift monitor that learns from labels on real data.

    A folder of an earlier demo is replaced.

    \b
    poet demo                     # in ./poet-demo
    """
    from poet.cli.demo import document, lines, run_demo  # noqa: PLC0415

    marker = folder / ".poet-demo"
    if marker.exists():
        shutil.rmtree(folder)
    elif folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} is not the folder of a demo; choose a folder that does not exist")
    folder.mkdir(parents=True, exist_ok=True)
    marker.touch()

    with progress_bar("demo") as progress:
        found = run_demo(folder, progress=progress)
    show(as_json=settings["json"], document=document(found), lines=lines(found))


@click.command()
@click.pass_obj
def status(settings: dict[str, Any]) -> None:
    r"""Show events, versions and the strongest candidates.

    \b
    poet status --workspace monitors
    """
    from poet.review.status import status_document  # noqa: PLC0415
    from poet.review.text import status_lines  # noqa: PLC0415
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    note_broken_packages()
    with Workspace.open(settings["folder"]) as workspace:
        plan = workspace.plan()
        document = status_document(workspace, plan)
    show(as_json=settings["json"], document=document, lines=status_lines(document))


@click.command()
@with_check
@click.pass_obj
def upgrade(settings: dict[str, Any], *, check: bool) -> None:
    r"""Render the versions again with this release's templates.

    Every published version gets the module and the manifest that this release writes for its decisions. The
    decisions, the version numbers and the active versions do not change. An upgrade that finds an edited
    module stops before anything is written. If an upgrade is killed, the next one finishes it.

    Exit status 1: a version could not be rendered, for example because the package of its policy is not
    installed.

    \b
    poet upgrade --check          # what would change?
    poet upgrade
    """
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    note_broken_packages()
    with Workspace.open(settings["folder"]) as workspace:
        found = workspace.upgrade(is_check=check)
    document = {
        "check": check,
        "versions": [{"policy": policy, "version": number} for policy, number in found.versions],
        "files": list(found.files),
        "skipped": dict(found.skipped),
        "was_interrupted": found.was_interrupted,
    }
    show(as_json=settings["json"], document=document, lines=_upgrade_lines(found, is_check=check))
    if found.skipped or (check and found.is_change):
        raise click.exceptions.Exit(1)


def _upgrade_lines(found: "Upgrade", *, is_check: bool) -> Iterator[str]:
    verb = "would be" if is_check else "was"
    for policy, number in found.versions:
        yield f"+ {policy} version {number} {verb} rendered again, decisions unchanged"
    for name in found.files:
        yield f"+ generated/{name} {verb} rewritten"
    for name, reason in sorted(found.skipped.items()):
        yield f"- {name} was skipped: {reason}"
    if found.was_interrupted and not found.versions:
        yield f"+ an interrupted upgrade {verb} finished"
    if not found.is_change and not found.skipped:
        yield "every version is up to date with this release"
