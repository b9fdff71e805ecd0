"""The command `export`."""

from pathlib import Path
from typing import Any

import click

from poet.cli.options import with_out
from poet.cli.output import show


@click.command()
@click.argument("policy")
@click.argument("version", type=int, required=False)
@click.option(
    "--alertmanager", is_flag=True, help="Write the rules of generate_alerts for Prometheus Alertmanager."
)
@with_out(shown="standard output")
@click.pass_obj
def export(
    settings: dict[str, Any], policy: str, version: int | None, *, alertmanager: bool, out: Path | None
) -> None:
    r"""Export a version as another system's configuration.

    The default is the active version.

    \b
    poet export generate_alerts --alertmanager
    poet export generate_alerts 2 --alertmanager --out alertmanager.yml
    """
    if not alertmanager:
        raise click.UsageError("no output format was chosen; pass --alertmanager")
    from poet.distribute.alertmanager import alertmanager as configuration_of  # noqa: PLC0415 -- `poet --help` stays cheap

    text = configuration_of(settings["folder"] / "generated", policy, number=version)
    if out is None:
        show(as_json=settings["json"], document={"text": text}, lines=text.splitlines())
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{out} cannot be written ({error.strerror}); choose another file") from error
    show(as_json=settings["json"], document={"file": str(out)}, lines=[f"{policy} was written to {out}"])
