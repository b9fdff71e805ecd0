"""`activate` and `rollback`."""

from typing import Any

import click

from poet.cli._output import show

__all__ = ["COMMANDS"]


@click.command()
@click.argument("policy")
@click.argument("version", type=int)
@click.option("--why", default="activated by hand", help="For the journal.")
@click.pass_obj
def activate(settings: dict[str, Any], policy: str, version: int, why: str) -> None:
    """Let a published version answer, at once and in every process."""
    from poet.workspace import Workspace  # noqa: PLC0415

    with Workspace.open(settings["folder"]) as workspace:
        workspace.activate(policy, version, why=why)
    _say(settings, policy, version)


@click.command()
@click.argument("policy")
@click.option("--why", default="rolled back by hand", help="For the journal.")
@click.pass_obj
def rollback(settings: dict[str, Any], policy: str, why: str) -> None:
    """Let the version before the active one answer again."""
    from poet.workspace import Workspace  # noqa: PLC0415

    with Workspace.open(settings["folder"]) as workspace:
        version = workspace.rollback(policy, why=why)
    _say(settings, policy, version)


def _say(settings: dict[str, Any], policy: str, version: int) -> None:
    document = {"policy": policy, "active": version}
    show(as_json=settings["json"], document=document, lines=[f"{policy}: version {version} is active"])


COMMANDS = (activate, rollback)
