"""Options that several commands share: each has one name, one help text and one placeholder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]

FOLDER: Final = click.Path(path_type=Path, file_okay=False)
FILE: Final = click.Path(path_type=Path, dir_okay=False)

with_format = click.option(
    "--format",
    "format_",
    type=click.Choice(["terminal", "markdown", "html", "json"]),
    default=None,
    help="Markdown: a pull request comment. HTML: one page that opens offline.",
)
with_engine = click.option(
    "--engine",
    type=click.Choice(["duckdb", "spark"]),
    default=None,
    show_default="from poet.toml",
    help="The engine that summarizes the log.",
)
with_check = click.option(
    "--check", is_flag=True, help="Write nothing; exit with status 1 if a generated file differs."
)
with_share = click.option(
    "--share",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=0.1,
    show_default=True,
    help="The share of the features for a canary, or of the calls for a shadow.",
)
with_despite_quarantine = click.option(
    "--despite-quarantine", is_flag=True, help="Also activate a quarantined version, which releases it."
)


def with_why(default: str) -> Decorator[Any]:
    """Return the option for the reason of a change, which is stored with it."""
    return click.option("--why", default=default, metavar="TEXT", help="The reason, stored with the change.")


def with_source(default: str | None, *, shown: str) -> Decorator[Any]:
    """Return the option for the source of events."""
    return click.option(
        "--source",
        default=default,
        show_default=shown,
        metavar="SOURCE",
        help="The source of events without one, such as user/ana.",
    )


def with_out(*, shown: str | None = None, required: bool = False) -> Decorator[Any]:
    """Return the option for the output file."""
    return click.option(
        "--out",
        type=FILE,
        default=None,
        show_default=shown or False,
        required=required,
        help="The output file.",
    )
