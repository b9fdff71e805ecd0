"""Write results to standard output and everything else to standard error."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

if TYPE_CHECKING:
    from poet.review.document import Review


Format = Literal["terminal", "markdown", "html", "json"]

COLOURS: Final = {"+": "green", "-": "red", "?": "yellow", "@": "cyan"}


def show(*, as_json: bool, document: Any, lines: Iterable[str]) -> None:
    """Print one JSON document, or lines, on a terminal colored by their first sign."""
    if as_json:
        click.echo(json_text(document, indent=2))
        return
    for line in lines:
        colour = COLOURS.get(line[:1])
        click.echo(click.style(line, fg=colour) if colour else line)


def json_text(document: Any, *, indent: int | None = None) -> str:
    """Return a document, or plain data, as JSON with sorted keys."""
    return json.dumps(document, indent=indent, sort_keys=True, ensure_ascii=True, default=_plain)


def _plain(value: Any) -> Any:
    import msgspec  # noqa: PLC0415 -- `poet --help` must not wait for it

    return msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else str(value)


def show_review(review: "Review", lines: Iterable[str], format_: Format | None, *, as_json: bool) -> None:
    """Print a plan or a diff in the format that was asked for."""
    from poet.review.html import review_page  # noqa: PLC0415
    from poet.review.markdown import markdown  # noqa: PLC0415

    if format_ == "markdown":
        click.echo(markdown(review), nl=False)
    elif format_ == "html":
        click.echo(review_page(review), nl=False)
    else:
        show(as_json=as_json or format_ == "json", document=review, lines=lines)


def command_line(*words: str) -> str:
    """Return a `poet` command as a shell in this folder would run it with this installation.

    The program is `poet` only if PATH leads to this one. Otherwise it is the path that started this process,
    the script of this environment, or its interpreter.
    """
    return _quoted([*_program(), *words])


def _program() -> list[str]:
    found = shutil.which("poet")
    installed = Path(sysconfig.get_path("scripts")) / f"poet{'.exe' if os.name == 'nt' else ''}"
    typed = Path(sys.argv[0])
    script = typed if typed.stem == "poet" and typed.is_file() else installed
    if not script.is_file():
        return [sys.executable, "-c", "from poet.cli import main; main()"]
    if found and script.samefile(found):
        return ["poet"]
    return [os.fspath(script if script.parent.name else script.absolute())]


def _quoted(words: Sequence[str]) -> str:
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def note(text: str) -> None:
    """Print a message that is not part of the result to standard error."""
    click.echo(text, err=True)
    sys.stderr.flush()


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[str, int, int], None]]:
    """Draw a progress bar if the output is a terminal; yield the function that updates it."""
    from rich.console import Console  # noqa: PLC0415 -- a command that is quick must not wait for it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn  # noqa: PLC0415

    console = Console(stderr=True)
    now = TextColumn("{task.fields[now]}")
    columns = (SpinnerColumn(), TextColumn(what), BarColumn(), MofNCompleteColumn(), now)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None, now="")
        yield lambda now, done, of: bar.update(task, completed=done, total=of, now=now)


def note_broken_packages() -> None:
    """Report the plug-in packages whose policy or event type was skipped, and why."""
    from poet.events import PAYLOADS  # noqa: PLC0415 -- `poet --help` must not import the compiler
    from poet.spec import broken_policies  # noqa: PLC0415

    for problem in (*broken_policies().values(), *PAYLOADS.problems):
        note(f"poet: left out: {problem}")
