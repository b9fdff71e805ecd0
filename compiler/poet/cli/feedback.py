"""The commands `emit` and `import`."""

import sys
from pathlib import Path
from typing import Any

import click

from poet.cli.options import FILE, with_source
from poet.cli.output import note, show


@click.command()
@click.argument("type_", metavar="TYPE")
@click.argument("data", metavar="JSON")
@with_source(None, shown="from poet.toml")
@click.option("--time", default=None, show_default="now", metavar="TIME", help="When it happened (RFC 3339).")
@click.option(
    "--id",
    "identity",
    default=None,
    show_default="a random one",
    metavar="ID",
    help="A unique id; emitting it again changes nothing.",
)
@click.pass_obj
def emit(
    settings: dict[str, Any],
    type_: str,
    data: str,
    source: str | None,
    time: str | None,
    identity: str | None,
) -> None:
    r"""Append one event to the feedback log.

    With `-`, payloads are read as JSON lines from standard input.

    \b
    poet emit drift.validation '{"execution_id": "uuid-123", "was_real_drift": true}' --source user/ana
    """
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    refused: list[str] = []
    ids: list[str] = []
    with Workspace.open(settings["folder"]) as workspace:
        for document in sys.stdin if data == "-" else [data]:
            if document.strip():
                _emit(workspace, type_, document, source, time, identity, ids, refused)
    for reason in refused:
        note(f"poet: refused: {reason}")
    lines = [f"{identity} is in the log" for identity in ids]
    show(as_json=settings["json"], document={"emitted": ids, "refused": refused}, lines=lines)
    if refused:
        raise click.exceptions.Exit(2)


def _emit(
    workspace: Any,
    type_: str,
    document: str,
    source: str | None,
    time: str | None,
    identity: str | None,
    ids: list[str],
    refused: list[str],
) -> None:
    import msgspec  # noqa: PLC0415

    from poet_runtime.errors import EventError  # noqa: PLC0415

    try:
        fields = msgspec.json.decode(document.encode("utf-8", "surrogateescape"), type=dict[str, object])
        event = workspace.emit(type_, fields, source=source, time=time, id=identity, durable=True)
    except EventError as refusal:
        refused.append(str(refusal))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        refused.append(f"{type_}: data: expected a JSON object, got {error}")
    else:
        ids.append(event.id)


@click.command(name="import")
@click.argument("files", nargs=-1, required=True, type=FILE)
@with_source("import", shown="import")
@click.pass_obj
def import_(settings: dict[str, Any], files: tuple[Path, ...], source: str) -> None:
    r"""Import events from JSON lines, CSV or Parquet files.

    Refused lines are written to feedback_log/dead-letters.jsonl with their reasons; the others are imported.
    Importing a file twice changes nothing.

    \b
    poet import labels.csv executions.parquet --source tickets
    """
    from poet.log import import_files  # noqa: PLC0415
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    with Workspace.open(settings["folder"]) as workspace, _progress() as progress:
        dead_letters = workspace.path / "feedback_log" / "dead-letters.jsonl"
        task = progress.add_task("importing", total=None)
        report = import_files(
            files,
            workspace.log,
            dead_letters=dead_letters,
            source=source,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    document = {
        "accepted": report.accepted,
        "refused": report.refused,
        "dead_letters": str(report.dead_letters) if report.dead_letters else None,
    }
    for reason in report.reasons:
        note(f"poet: refused: {reason}")
    lines = [f"{report.accepted} events accepted, {report.refused} refused"]
    if report.dead_letters:
        lines.append(f"refused events and reasons: {report.dead_letters}")
    show(as_json=settings["json"], document=document, lines=lines)
    if report.refused:
        raise click.exceptions.Exit(1)


def _progress() -> Any:
    """Draw a progress bar if the output is a terminal."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn  # noqa: PLC0415

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
