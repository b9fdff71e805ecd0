"""`poet COMMAND`: the command group, error handling and exit statuses."""

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
    help="The workspace folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.version_option(package_name="poet-policy-compiler", prog_name="poet")
@click.pass_context
def app(context: click.Context, folder: Path, *, as_json: bool) -> None:
    r"""Compile monitoring policies that learn from feedback on their alerts.

    Exit status: 0 success; 1 the command ran and the result is negative; 2 wrong usage or invalid input.

    \b
    poet init monitors && poet status --workspace monitors
    """
    context.obj = {"folder": folder, "json": as_json}
    if os.environ.get("NO_COLOR"):  # no-color.org; click itself omits colors in a pipe
        context.color = False


def _note_folder(context: click.Context, _option: click.Parameter, folder: Path | None) -> None:
    if folder is not None:
        context.obj["folder"] = folder


def _note_json(context: click.Context, _option: click.Parameter, as_json: Any) -> None:
    context.obj["json"] = context.obj["json"] or as_json


def _finished(command: click.Command) -> click.Command:
    r"""Accept --workspace and --json after the command too, and preserve the lines of its examples.

    Click expects a backspace character before an example; a raw docstring contains ``\b`` as two characters.
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
                help="The workspace folder.",
            ),
            click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=_note_json,
                help="Print one JSON document.",
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
    """Run the command line and exit with its status."""
    try:
        with needs_compiler():  # click may be installed without the compiler's other libraries
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
