"""`poet COMMAND`: the group, its errors and its exit statuses."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from poet.cli import bundle as _bundle
from poet.cli import compile as _compile
from poet.cli import completion as _completion
from poet.cli import doctor as _doctor
from poet.cli import export as _export
from poet.cli import feedback as _feedback
from poet.cli import registry as _registry
from poet.cli import report as _report
from poet.cli import rules as _words
from poet.cli import serve as _serve
from poet.cli import setup as _setup
from poet.cli import watch as _watch
from poet_runtime.errors import PoetError, needs_compiler


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--workspace",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default="the current folder",
    help="The workspace to work in.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.version_option(package_name="poet-policy-compiler", prog_name="poet")
@click.pass_context
def app(context: click.Context, folder: Path, *, as_json: bool) -> None:
    r"""Compile monitoring policies that learn from the people who answer their alerts.

    Exit status: 0 done; 1 it ran and the answer is no; 2 wrong usage or bad input.

    \b
    poet init monitors && poet status --workspace monitors
    """
    context.obj = {"folder": folder, "json": as_json}
    if os.environ.get("NO_COLOR"):  # no-color.org; in a pipe click leaves colours out by itself
        context.color = False


def _note_folder(context: click.Context, _option: click.Parameter, folder: Path | None) -> None:
    if folder is not None:
        context.obj["folder"] = folder


def _note_json(context: click.Context, _option: click.Parameter, as_json: Any) -> None:
    context.obj["json"] = context.obj["json"] or as_json


def _finished(command: click.Command) -> click.Command:
    """Let --workspace and --json stand behind a command too, and keep the lines of its examples.

    In a raw docstring stands a backslash and a b where click looks for a backspace.
    """
    command.help = (command.help or "").replace("\\b", "\b")
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        _finished(each)
    if not isinstance(command, click.Group):
        path = click.Path(path_type=Path, file_okay=False)
        command.params += [
            click.Option(
                ["--workspace"],
                type=path,
                expose_value=False,
                callback=_note_folder,
                help="The workspace to work in.",
            ),
            click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=_note_json,
                help="One JSON document on standard output.",
            ),
        ]
    return command


for command in (
    *_setup.COMMANDS,
    *_doctor.COMMANDS,
    *_feedback.COMMANDS,
    *_compile.COMMANDS,
    *_report.COMMANDS,
    *_registry.COMMANDS,
    *_words.COMMANDS,
    *_watch.COMMANDS,
    *_bundle.COMMANDS,
    *_export.COMMANDS,
    *_serve.COMMANDS,
    *_completion.COMMANDS,
):
    app.add_command(command)
_finished(app)


def main() -> None:
    """Run the command line and leave with its exit status."""
    try:
        with needs_compiler():  # a command's own imports; others may have brought click
            status = app.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except PoetError as error:
        click.echo(f"poet: {error}", err=True)
        sys.exit(2)
    sys.exit(status if isinstance(status, int) else 0)
