"""What holds for every command: an example in its help, --json, completion, colours where they belong."""

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from poet.cli.app import app
from tests.workspaces import first_workspace

PROBE = """
from poet.cli.app import app, main
from poet.cli.output import show
app.command("probe")(lambda: show(as_json=False, document=None, lines=["- gone"]))
main()
"""


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Give every command with the words that lead to it."""
    yield " ".join(("poet", *path)), command
    for name, each in command.commands.items() if isinstance(command, click.Group) else ():
        yield from commands(each, *path, name)


ALL = dict(commands(app))


@pytest.mark.parametrize("name", ALL)
def test_the_help_of_every_command_has_an_example_on_a_line_of_its_own(name: str) -> None:
    """As a reader would type it."""
    shown = ALL[name].get_help(click.Context(ALL[name], info_name=name)).splitlines()
    assert [line for line in shown if line.startswith(f"  {name}")]
    assert "\b" not in "".join(shown)
    assert "\\b" not in "".join(shown)


def test_json_and_workspace_may_stand_behind_every_command(tmp_path: Path) -> None:
    """Or before it; the nearer workspace counts."""
    for name, command in ALL.items():
        options = {flag for each in command.params for flag in each.opts}
        assert isinstance(command, click.Group) or {"--json", "--workspace"} <= options, name
    folder = first_workspace(tmp_path / "shop")
    words = ["--workspace", str(tmp_path), "pins", "--workspace", str(folder), "--json"]
    done = CliRunner().invoke(app, words)
    assert json.loads(done.stdout) == []


def in_terminal(**environment: str) -> str:
    """Let a command print a line that went, while a terminal is watching; gives what came."""
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    subprocess.run([sys.executable, "-c", PROBE, "probe"], stdout=theirs, env=kept | environment, check=True)
    os.close(theirs)
    said = os.read(ours, 65536).decode()
    os.close(ours)
    return said.strip()


def test_colours_are_for_terminals_that_want_them() -> None:
    """Neither in a pipe nor with NO_COLOR."""
    assert in_terminal(TERM="xterm") == "\x1b[31m- gone\x1b[0m"
    assert in_terminal(TERM="xterm", NO_COLOR="1") == "- gone"
    done = subprocess.run([sys.executable, "-c", PROBE, "probe"], capture_output=True, text=True, check=True)
    assert done.stdout == "- gone\n"


@pytest.fixture(scope="module", name="scripts")
def _scripts() -> dict[str, str]:
    code = "import json; from poet.cli.completion import words_of; from poet.cli.completion import SCRIPTS\n"
    code += "from poet.cli.app import app; tree = words_of(app, ())\n"
    code += "print(json.dumps({shell: write(tree) for shell, write in SCRIPTS.items()}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    scripts: dict[str, str] = json.loads(done.stdout)
    return scripts


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("poet comp", ["compile", "completion"]),
        ("poet init --start k", ["ks"]),
        ("poet --workspace init pl", ["plan"]),
        ("poet token cr", ["create"]),
        ("poet token create --ro", ["--role"]),
        ("poet completion z", ["zsh"]),
        ("poet plan --js", ["--json"]),
        ("poet --workspace pl", []),
    ],
)
def test_bash_offers_what_may_come_next(scripts: dict[str, str], typed: str, offered: list[str]) -> None:
    """Commands, options, choices; a value of an option is nobody's command."""
    words = typed.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"{scripts['bash']}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n_poet\n"
    script += 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-uc", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_scripts_of_other_shells_name_every_command(scripts: dict[str, str], shell: str) -> None:
    """And parse, where the shell is installed."""
    assert all(name.rpartition(" ")[2] in scripts[shell] for name in ALL if name != "poet")
    if shutil.which(shell):
        subprocess.run([shell, "--no-execute"], input=scripts[shell], text=True, check=True)
