"""The commands `serve` and `token`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from poet.cli.options import FILE
from poet.cli.output import note, show


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="The address to listen on; other addresses than this machine's require tokens.",
)
@click.option("--port", default=8484, show_default=True, help="The port to listen on; 0: any free port.")
@click.option(
    "--public-url",
    default="",
    metavar="URL",
    help="The public address behind a proxy, such as https://poet.example.",
)
@click.option(
    "--slack-secret",
    type=FILE,
    default=None,
    help="A file with Slack's signing secret; buttons and commands become labels.",
)
@click.option(
    "--webhook",
    "webhooks",
    multiple=True,
    metavar="NAME=FILE",
    help="A signing sender and a file with its secret; repeatable.",
)
@click.pass_obj
def serve(
    settings: dict[str, Any],
    host: str,
    port: int,
    public_url: str,
    slack_secret: Path | None,
    webhooks: tuple[str, ...],
) -> None:
    r"""Serve the web interface and the HTTP API until Ctrl-C.

    \b
    poet serve                    # on this machine only
    poet token create ana --role operate && poet serve --host 0.0.0.0
    """
    try:
        from poet.server.app import serve  # noqa: PLC0415 -- an optional extra
        from poet.server.state import Settings, read_secret  # noqa: PLC0415 -- an optional extra
    except ImportError as error:
        raise click.UsageError(
            f"{error.name} is not installed; pip install 'poet-policy-compiler[serve]'"
        ) from error
    said = Settings(
        host=host,
        port=port,
        public_url=public_url.rstrip("/"),
        slack_secret=read_secret(slack_secret) if slack_secret else b"",
        webhooks={name: read_secret(file) for name, file in map(_webhook, webhooks)},
    )
    serve(
        settings["folder"].resolve(),
        said,
        started=lambda address: show(
            as_json=settings["json"], document={"address": address}, lines=[f"serving at {address}"]
        ),
    )
    note("stopped serving")


def _webhook(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not equals or not name or not file:
        raise click.UsageError(f"--webhook {text!r}: expected NAME=FILE, as in ci=secrets/ci")
    return name, Path(file)


@click.group()
def token() -> None:
    r"""Create, list and revoke tokens for `poet serve`.

    \b
    poet token create ci --role emit --allow-source monitor/churn
    """


@token.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["emit", "review", "operate"]),
    required=True,
    help="emit: machines; review: people who label; operate: everything.",
)
@click.option(
    "--allow-source",
    "sources",
    multiple=True,
    metavar="SOURCE",
    help="Restrict its events to this source; repeatable.",
)
@click.pass_obj
def create(settings: dict[str, Any], name: str, role: str, sources: tuple[str, ...]) -> None:
    r"""Create a token for NAME and print it once.

    Only its digest is stored.

    \b
    poet token create ana --role review
    """
    at = datetime.now(UTC).isoformat(timespec="seconds")
    secret, made = _tokens(settings).create(name, role, at=at, sources=sources)
    document = {"token": secret, "id": made.id, "name": made.name, "role": made.role}
    show(as_json=settings["json"], document=document, lines=[secret])
    note("store it safely: it cannot be printed again")


@token.command(name="list")
@click.pass_obj
def list_(settings: dict[str, Any]) -> None:
    r"""List the tokens.

    \b
    poet token list
    """
    found = _tokens(settings).all()
    document = [
        {name: value for name, value in msgspec.to_builtins(each).items() if name != "sha256"}
        for each in found
    ]
    lines = [
        f"{each.name}  {each.role}  {each.created}  {', '.join(each.sources) or 'any source'}"
        for each in found
    ]
    show(
        as_json=settings["json"],
        document=document,
        lines=lines or ["no tokens: every user of this machine has full access"],
    )


@token.command()
@click.argument("name")
@click.pass_obj
def revoke(settings: dict[str, Any], name: str) -> None:
    r"""Revoke a token immediately.

    \b
    poet token revoke ana
    """
    gone = _tokens(settings).revoke(name)
    show(
        as_json=settings["json"],
        document={"revoked": gone.name},
        lines=[f"the token of {gone.name} is revoked"],
    )


def _tokens(settings: dict[str, Any]) -> Any:
    from poet.server.tokens import Tokens  # noqa: PLC0415 -- `poet --help` must not import what it does not need
    from poet.workspace.configuration import read_configuration  # noqa: PLC0415

    read_configuration(settings["folder"] / "poet.toml")
    folder: Path = settings["folder"] / "feedback_log"
    folder.mkdir(exist_ok=True)
    return Tokens(folder)
