"""`init`, `demo`, `status`."""

import shutil
from pathlib import Path
from typing import Any, Final

import click

from poet.cli.output import note, note_broken_packages, show

STARTS: Final = ("calibrated", "ks", "psi", "wasserstein", "evidently", "nannyml")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--start", type=click.Choice(STARTS), default="calibrated", show_default=True)
@click.pass_obj
def init(settings: dict[str, Any], folder: Path, start: str) -> None:
    r"""Make a workspace: poet.toml, templates, generated, feedback_log.

    \b
    poet init                     in the current folder
    poet init monitors --start ks from the monitor most people run today
    """
    from poet.workspace.workspace import Workspace  # noqa: PLC0415 -- `poet --help` must not import the compiler

    note_broken_packages()
    with Workspace.create(folder, start=start, progress=lambda stage: note(f"  {stage}")) as workspace:
        policies = sorted(workspace.registry.names())
        document = {"workspace": str(workspace.path), "start": start, "policies": policies}
        lines = [
            f"workspace {workspace.path} is ready: version 1 of {', '.join(policies)}",
            "next: call detect_drift from generated/, `poet emit` what people say of its alerts, `poet plan`",
        ]
        show(as_json=settings["json"], document=document, lines=lines)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("poet-demo"))
@click.pass_obj
def demo(settings: dict[str, Any], folder: Path) -> None:
    r"""Watch a drift monitor learn from the answers to its alerts, on real series.

    A folder that an earlier demo made is made anew.

    \b
    poet demo                     in ./poet-demo
    """
    from poet.cli.demo import (  # noqa: PLC0415
        document,
        learned_lines,
        lines,
        run_demo,
    )

    marker = folder / ".poet-demo"
    if marker.exists():
        shutil.rmtree(folder)
    elif folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} holds something else; name a folder that does not exist")
    folder.mkdir(parents=True, exist_ok=True)
    marker.touch()

    def learned(taught: Any) -> None:
        for line in learned_lines(taught):
            note(line)

    found = run_demo(folder, say=lambda stage: note(f"· {stage}"), learned=learned)
    show(as_json=settings["json"], document=document(found), lines=lines(found))


@click.command()
@click.pass_obj
def status(settings: dict[str, Any]) -> None:
    r"""Say where the workspace stands: events, versions, what is nearest to adoption.

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


COMMANDS: Final = (init, demo, status)
