"""The command `report`."""

import os
from pathlib import Path
from typing import Any, Final

import click

from poet.cli.options import with_out
from poet.cli.output import note, progress_bar, show

OUT: Final = "report.html"


@click.command()
@with_out(shown=f"{OUT} in the workspace")
@click.option(
    "--points",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="The number of log positions that the plots over time show.",
)
@click.pass_obj
def report(settings: dict[str, Any], out: Path | None, points: int) -> None:
    r"""Write an HTML report of what a workspace has learned.

    The report is one page that opens offline. For each point of the plots over time, the learners run again.

    \b
    poet report                   # report.html in the workspace
    poet report --out -           # to standard output
    """
    from poet.review.html import report_page  # noqa: PLC0415
    from poet.review.report import report_document  # noqa: PLC0415
    from poet.workspace.workspace import Workspace  # noqa: PLC0415

    with Workspace.open(settings["folder"]) as workspace, progress_bar("learning again") as tell:
        found = report_document(workspace, count=points, tell=tell)
        path = out or workspace.path / OUT
    page = report_page(found)
    if str(path) == "-":
        click.echo(page, nl=False)
        return
    path.write_text(page, encoding="utf-8")
    versions = sum(len(each.history.versions) for each in found.policies)
    document = {"file": os.fspath(path), "bytes": len(page.encode()), "versions": versions}
    said = f"{path}: {found.log_position} events, {versions} versions"
    show(as_json=settings["json"], document=document, lines=[said])
    for each in found.policies:
        if each.problem:
            note(f"poet: the report of {each.policy} is incomplete: {each.problem}")
