"""The commands `pin`, `veto`, `release`, `pins` and `verify`."""

from typing import TYPE_CHECKING, Any

import click
import msgspec

from poet.cli.options import with_why
from poet.cli.output import show

if TYPE_CHECKING:
    from poet.workspace.overrides import Override


@click.command()
@click.argument("policy")
@click.argument("rule")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@with_why("")
@click.pass_obj
def pin(settings: dict[str, Any], policy: str, rule: str, values: tuple[str, ...], why: str) -> None:
    r"""Fix a rule, optionally with other values (JSON).

    A pinned rule is kept regardless of feedback until it is released.

    \b
    poet pin detect_drift numeric --why 'agreed with the auditors'
    """
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    given = dict(map(_value, values))
    with Workspace.open(settings["folder"]) as workspace:
        workspace.pin_rule(policy, rule, values=given, why=why)
    given_values = f" with {', '.join(values)}" if values else ""
    _show(
        settings, policy, rule, "pin", f"{policy}: {rule} is pinned{given_values}; `poet compile` applies it"
    )


@click.command()
@click.argument("policy")
@click.argument("rule")
@with_why("")
@click.pass_obj
def veto(settings: dict[str, Any], policy: str, rule: str, why: str) -> None:
    r"""Exclude a rule until it is released.

    \b
    poet veto generate_alerts suppress-age --why 'age matters to the regulator'
    """
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    with Workspace.open(settings["folder"]) as workspace:
        workspace.veto_rule(policy, rule, why=why)
    _show(settings, policy, rule, "veto", f"{policy}: {rule} is vetoed; `poet compile` removes it")


@click.command()
@click.argument("policy")
@click.argument("what", metavar="RULE|VERSION")
@with_why("released by hand")
@click.pass_obj
def release(settings: dict[str, Any], policy: str, what: str, why: str) -> None:
    r"""Release a rule or a quarantined version.

    Releasing removes the pin or veto of a rule, or the quarantine of a version. The active version does not
    change.

    \b
    poet release detect_drift numeric   # a rule
    poet release detect_drift 3         # a version
    """
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    with Workspace.open(settings["folder"]) as workspace:
        if what.isdecimal():
            workspace.release(policy, int(what), why=why)
            document = {"policy": policy, "released": int(what)}
            show(as_json=settings["json"], document=document, lines=[f"{policy}: version {what} is released"])
            return
        workspace.release_rule(policy, what, why=why)
    _show(settings, policy, what, "release", f"{policy}: {what} is released")


@click.command()
@click.pass_obj
def pins(settings: dict[str, Any]) -> None:
    r"""List the pins and vetoes in effect.

    \b
    poet pins
    """
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    with Workspace.open(settings["folder"]) as workspace:
        overrides = workspace.overrides()
    lines = [_override_line(each) for each in overrides]
    show(
        as_json=settings["json"],
        document=msgspec.to_builtins(overrides),
        lines=lines or ["there are no pins or vetoes"],
    )


@click.command()
@click.argument("policy")
@click.argument("version", type=int)
@click.pass_obj
def verify(settings: dict[str, Any], policy: str, version: int) -> None:
    r"""Relearn a version from its log and compare the bytes.

    \b
    poet verify detect_drift 2
    """
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    with Workspace.open(settings["folder"]) as workspace:
        difference = workspace.verify(policy, version)
    document = {"policy": policy, "version": version, "difference": difference}
    good = f"{policy} version {version}: relearned and rendered to the same bytes"
    show(as_json=settings["json"], document=document, lines=[difference or good])
    if difference:
        raise click.exceptions.Exit(1)


def _override_line(override: "Override") -> str:
    line = f"{override.policy} {override.rule}: {override.action}, {override.who}, {override.when}"
    return f"{line}: {override.why}" if override.why else line


def _value(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"{text!r} is not NAME=VALUE; pass a parameter name and a JSON value")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value  # a string without quotes


def _show(settings: dict[str, Any], policy: str, rule: str, action: str, line: str) -> None:
    show(as_json=settings["json"], document={"policy": policy, "rule": rule, "action": action}, lines=[line])
