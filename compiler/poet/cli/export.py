"""`export`."""

from pathlib import Path
from typing import Any, Final

import click

from poet.cli.output import show


@click.command()
@click.argument("policy")
@click.option(
    "--alertmanager", is_flag=True, help="Write the rules of generate_alerts for Prometheus Alertmanager."
)
@click.option("--version", "number", type=int, default=None, show_default="the active one")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: standard output.")
@click.pass_obj
def export(
    settings: dict[str, Any], policy: str, *, alertmanager: bool, number: int | None, out: Path | None
) -> None:
    r"""Export a version as another system's configuration.

    \b
    poet export generate_alerts --alertmanager
    """
    if not alertmanager:
        raise click.UsageError("no output format was chosen; pass --alertmanager")
    from poet.distribute.alertmanager import alertmanager as configuration_of  # noqa: PLC0415 -- `poet --help` stays cheap

    text = configuration_of(settings["folder"] / "generated", policy, number=number)
    if out is None:
        show(as_json=settings["json"], document={"text": text}, lines=text.splitlines())
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{out} cannot be written ({error.strerror}); choose another file") from error
    show(as_json=settings["json"], document={"file": str(out)}, lines=[f"{policy} was written to {out}"])


COMMANDS: Final = (export,)
