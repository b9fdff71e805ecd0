"""The command `watch`."""

from typing import Any

import click

from poet.cli.output import json_text, note, show


@click.command()
@click.option("--once", is_flag=True, help="Check once, compile if there is enough feedback, and exit.")
@click.option(
    "--interval",
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="The time between two checks of the log.",
)
@click.option(
    "--debounce",
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="The time without new events before a compile.",
)
@click.pass_obj
def watch(settings: dict[str, Any], *, once: bool, interval: float, debounce: float) -> None:
    r"""Compile whenever there is enough new feedback.

    Enough is `learning_threshold` events since the last compile; executions and alerts do not count. One
    watcher at a time works; the others wait. With --json, each compile prints one line. Ctrl-C stops it.

    \b
    poet watch                    # keep compiling
    poet watch --once             # for a scheduler
    """
    from poet.workspace.watch import watch as keep_watching  # noqa: PLC0415
    from poet_runtime.errors import ValidationError  # noqa: PLC0415

    if interval <= 0 or debounce < 0:
        raise click.UsageError("--interval must be greater than 0 seconds and --debounce at least 0")
    try:
        keep_watching(
            settings["folder"].resolve(),
            once=once,
            interval_s=interval,
            debounce_s=debounce,
            echo=note,
            compiled=lambda report: _show(settings, report),
        )
    except ValidationError as error:
        note(f"poet: {error}")
        raise click.exceptions.Exit(1) from error
    except KeyboardInterrupt:
        note("stopped watching")


def _show(settings: dict[str, Any], report: Any) -> None:
    from poet.cli.compile import compiled_lines  # noqa: PLC0415
    from poet.review.changes import plan_document  # noqa: PLC0415

    document = plan_document(report.plan, published=report.versions)
    if settings["json"]:
        click.echo(json_text(document))
        return
    show(as_json=False, document=None, lines=compiled_lines(document, ", active now", with_source=True))
