"""The commands `activate`, `rollback`, `shadow` and `canary`."""

from typing import Any

import click

from poet.cli.options import with_despite_quarantine, with_share, with_why
from poet.cli.output import show


@click.command()
@click.argument("policy")
@click.argument("version", type=int)
@with_why("activated by hand")
@with_despite_quarantine
@click.pass_obj
def activate(
    settings: dict[str, Any], policy: str, version: int, *, why: str, despite_quarantine: bool
) -> None:
    r"""Activate a published version.

    The switch is immediate in every process. A running shadow or canary ends.

    \b
    poet activate detect_drift 3 --why 'reviewed by ana'
    """
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    with Workspace.open(settings["folder"]) as workspace:
        workspace.activate(policy, version, why=why, despite_quarantine=despite_quarantine)
    _say(settings, policy, version)


@click.command()
@click.argument("policy")
@with_why("rolled back by hand")
@click.pass_obj
def rollback(settings: dict[str, Any], policy: str, why: str) -> None:
    r"""Activate the previous version, or end a canary.

    While a canary runs, only the canary ends.

    \b
    poet rollback detect_drift --why 'too many alerts'
    """
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    with Workspace.open(settings["folder"]) as workspace:
        version = workspace.rollback(policy, why=why)
    _say(settings, policy, version)


@click.command()
@click.argument("policy")
@click.argument("version", type=int)
@with_share
@with_why("shadow by hand")
@click.pass_obj
def shadow(settings: dict[str, Any], policy: str, version: int, share: float, why: str) -> None:
    r"""Run a version as a shadow of the active one.

    A shadow never answers. `poet status` shows how the two versions differ.

    \b
    poet shadow detect_drift 3 --share 0.2
    """
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    with Workspace.open(settings["folder"]) as workspace:
        workspace.shadow(policy, version, share=share, why=why)
    document = {"policy": policy, "shadow": version, "share": share}
    line = f"{policy}: version {version} runs as a shadow on {share:.0%} of the calls"
    show(as_json=settings["json"], document=document, lines=[line])


@click.command()
@click.argument("policy")
@click.argument("version", type=int, required=False)
@with_share
@with_why("canary by hand")
@with_despite_quarantine
@click.pass_obj
def canary(
    settings: dict[str, Any],
    policy: str,
    version: int | None,
    *,
    share: float,
    why: str,
    despite_quarantine: bool,
) -> None:
    r"""Activate a version for a share of the features.

    Without VERSION, show the state of the canary.

    \b
    poet canary detect_drift 3 --share 0.1
    poet canary detect_drift      # show its state
    """
    from poet.review.status import canary_document  # noqa: PLC0415
    from poet.review.text import canary_line  # noqa: PLC0415
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    with Workspace.open(settings["folder"]) as workspace:
        if version is None:
            standing = canary_document(workspace, policy)
            line = f"{policy} has no canary" if standing is None else canary_line(standing)
            show(as_json=settings["json"], document=standing or {"canary": None}, lines=[line])
            return
        workspace.canary(policy, version, share=share, why=why, despite_quarantine=despite_quarantine)
    document = {"policy": policy, "canary": version, "share": share}
    line = f"{policy}: version {version} answers for {share:.0%} of the features"
    show(as_json=settings["json"], document=document, lines=[line])


def _say(settings: dict[str, Any], policy: str, version: int) -> None:
    document = {"policy": policy, "active": version}
    show(as_json=settings["json"], document=document, lines=[f"{policy}: version {version} is active"])
