"""`export`."""

from pathlib import Path
from typing import Any, Final

import click

from poet.cli.output import show


@click.command()
@click.argument("policy")
@click.option(
    "--alertmanager", is_flag=True, help="What generate_alerts learned, for Prometheus Alertmanager."
)
@click.option("--version", "number", type=int, default=None, show_default="the active one")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: standard output.")
@click.pass_obj
def export(
    settings: dict[str, Any], policy: str, *, alertmanager: bool, number: int | None, out: Path | None
) -> None:
    r"""Write a published version as configuration of another system.

    \b
    poet export generate_alerts --alertmanager
    """
    if not alertmanager:
        raise click.UsageError("say what to write: --alertmanager")
    from poet.distribute.alertmanager import alertmanager as configuration_of  # noqa: PLC0415 -- `poet --help` stays cheap

    text = configuration_of(settings["folder"] / "generated", policy, number=number)
    if out is None:
        show(as_json=settings["json"], document={"text": text}, lines=text.splitlines())
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{out} cannot be written ({error.strerror}); name another file") from error
    show(as_json=settings["json"], document={"file": str(out)}, lines=[f"{policy} is in {out}"])


COMMANDS: Final = (export,)
