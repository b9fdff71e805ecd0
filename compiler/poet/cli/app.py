"""`poet COMMAND`: the command group, error handling and exit statuses."""

import inspect
import itertools
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from poet.cli import bundle as _bundle
from poet.cli import compile as _compile
from poet.cli import completion as _completion
from poet.cli import doctor as _doctor
from poet.cli import export as _export
from poet.cli import feedback as _feedback
from poet.cli import registry as _registry
from poet.cli import report as _report
from poet.cli import rules as _rules
from poet.cli import serve as _serve
from poet.cli import setup as _setup
from poet.cli import watch as _watch
from poet.cli.options import FOLDER
from poet_runtime.errors import PoetError, needs_compiler

SECTIONS: Final[Mapping[str, Sequence[click.Command]]] = {
    "Start": (_setup.init, _setup.demo, _setup.status, _doctor.doctor, _completion.completion),
    "Feedback": (_feedback.emit, _feedback.import_),
    "Review and compile": (
        _compile.plan,
        _compile.compile_,
        _watch.watch,
        _compile.diff,
        _compile.explain,
        _report.report,
        _compile.validate,
        _rules.verify,
    ),
    "Override rules": (_rules.pin, _rules.veto, _rules.release, _rules.pins),
    "Operate": (
        _registry.activate,
        _registry.rollback,
        _registry.shadow,
        _registry.canary,
        _serve.serve,
        _serve.token,
        _setup.upgrade,
    ),
    "Share": (_bundle.keygen, _bundle.bundle, _bundle.pull, _export.export),
}


class SectionedGroup(click.Group):
    """A group whose help lists the commands by section, in the order of their use."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands of each section with their summaries, aligned over all sections."""
        widest = max(len(name) for name in self.list_commands(ctx))
        limit = formatter.width - widest - 6
        for title, commands in SECTIONS.items():
            rows = [(f"{each.name:<{widest}}", each.get_short_help_str(limit)) for each in commands]
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(
    cls=SectionedGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--workspace",
    "folder",
    type=FOLDER,
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
    r"""Accept --workspace and --json after the command too, and set off the examples of its help.

    Click keeps the lines of a paragraph that begins with a backspace character; a raw docstring contains
    ``\b`` as two characters.
    """
    text, _, examples = inspect.cleandoc(command.help or "").partition("\\b\n")
    command.help = f"{text}\b\nExamples:\n{textwrap.indent(examples, '  ')}"
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        _finished(each)
    if not isinstance(command, click.Group):
        command.params += [
            click.Option(
                ["--workspace"],
                type=FOLDER,
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


for _command in itertools.chain.from_iterable(SECTIONS.values()):
    app.add_command(_command)
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
