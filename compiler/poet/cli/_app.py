"""`poet COMMAND`: the group, its errors and its exit statuses."""

import sys
from pathlib import Path

import click

from poet.cli import _bundle, _compile, _export, _feedback, _registry, _setup, _watch, _words
from poet.errors import PoetError

__all__ = ["main"]


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
    """Compile monitoring policies that learn from the people who answer their alerts.

    Exit status: 0 done; 1 it ran and the answer is no; 2 wrong usage or bad input.
    """
    context.obj = {"folder": folder, "json": as_json}


for command in (
    *_setup.COMMANDS,
    *_feedback.COMMANDS,
    *_compile.COMMANDS,
    *_registry.COMMANDS,
    *_words.COMMANDS,
    *_watch.COMMANDS,
    *_bundle.COMMANDS,
    *_export.COMMANDS,
):
    app.add_command(command)


def main() -> None:
    """Run the command line and leave with its exit status."""
    try:
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
