"""The command `doctor`."""

import time
from typing import Any, Final

import click

from poet.cli.output import show

SIGNS: Final = {"ok": "+", "warning": "?", "problem": "-"}


@click.command()
@click.pass_obj
def doctor(settings: dict[str, Any]) -> None:
    r"""Check the installation and the workspace.

    Checks Python, libraries, sandbox, clock, folders, log and versions. For each unhealthy one the next step
    is printed. Nothing is changed. Exit status 1: there is a problem; warnings alone give 0.

    \b
    poet doctor                   # why does this workspace not compile?
    poet doctor --json            # for monitoring
    """
    import msgspec  # noqa: PLC0415 -- `poet --help` must not import what it does not need

    from poet.cli.health_checks import examine  # noqa: PLC0415

    findings = list(examine(settings["folder"].resolve(), now=time.time()))
    lines = []
    for each in findings:
        lines.append(f"{SIGNS[each.severity]} {each.severity:<8} {each.check}: {each.says}")
        if each.next_step:
            lines.append(f"{'':11}next: {each.next_step}")
    problems = sum(each.severity == "problem" for each in findings)
    warnings = sum(each.severity == "warning" for each in findings)
    lines.append(f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}")
    document = {"healthy": not problems, "findings": msgspec.to_builtins(findings)}
    show(as_json=settings["json"], document=document, lines=lines)
    if problems:
        raise click.exceptions.Exit(1)


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
