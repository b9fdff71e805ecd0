"""Properties of every command: sections, examples, shared options, --json, completion, colors, progress."""

import json
import os
import pkgutil
import pty
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import poet.cli
from poet.cli.app import SECTIONS, app
from tests.workspaces import first_workspace

ROOT = Path(__file__).parents[1]
PROGRAM = Path(sys.executable).with_name("poet")
PROBE = """
from poet.cli.app import app, main
from poet.cli.output import show
app.command("probe")(lambda: show(as_json=False, document=None, lines=["- gone"]))
main()
"""


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name."""
    yield " ".join(("poet", *path)), command
    for name, each in command.commands.items() if isinstance(command, click.Group) else ():
        yield from commands(each, *path, name)


ALL = dict(commands(app))
LONGEST_SUMMARY = 60  # characters, so that a list of commands fits in 80 columns


def defined() -> set[click.Command]:
    """Return every command that a module of the command line defines, except those of a group."""
    modules = [import_module(f"poet.cli.{each.name}") for each in pkgutil.iter_modules(poet.cli.__path__)]
    found = {each for module in modules for each in vars(module).values() if isinstance(each, click.Command)}
    groups = [each for each in found - {app} if isinstance(each, click.Group)]
    return found - {app} - {each for group in groups for each in group.commands.values()}


def test_every_command_is_in_one_section_of_the_help() -> None:
    """A new command needs a section; the help lists each command once, within 80 columns."""
    listed = [each for section in SECTIONS.values() for each in section]
    assert len(listed) == len(set(listed))
    assert set(listed) == defined() == set(app.commands.values())
    shown = CliRunner().invoke(app, ["--help"], terminal_width=80).stdout
    for title, section in SECTIONS.items():
        _, _, below = shown.partition(f"\n{title}:\n")
        lines = below.partition("\n\n")[0].splitlines()
        assert [line.split()[0] for line in lines] == [each.name for each in section]
        assert all(line.endswith(".") and len(line) <= 80 for line in lines)


@pytest.mark.parametrize("name", ALL)
def test_the_first_sentence_of_every_help_is_a_short_summary(name: str) -> None:
    """The summary is one sentence in its own paragraph."""
    summary, _, rest = (ALL[name].help or "").partition("\n\n")
    assert len(summary) <= (LONGEST_SUMMARY if name != "poet" else 80)
    assert re.fullmatch(r"[A-Z][^.\n]*\.", summary), summary
    assert rest


def examples(name: str) -> list[list[str]]:
    """Return the words of every command among the examples of a help, without redirections."""
    found: list[list[str]] = []
    for line in (ALL[name].help or "").partition("\b\nExamples:\n")[2].splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[list[str]] = [[]]
        operator = ""
        for token in lexer:
            if set(token) <= set("&|>;"):
                words, operator = [*words, []], token
            elif operator != ">":
                words[-1].append(token)
        found += [each for each in words if each]
    return found


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_an_example_that_parses(name: str) -> None:
    """Its words, options and values are accepted, and at least one example uses this command."""
    shown = ALL[name].get_help(click.Context(ALL[name], info_name=name))
    assert "\b" not in shown
    assert "\\b" not in shown
    found = examples(name)
    assert any(" ".join(words).startswith(name) for words in found)
    for program, *words in found:
        assert program == "poet"
        group: click.Group | None = app
        context = app.make_context("poet", words, obj={"folder": Path(), "json": False})
        while group is not None:
            _, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
            assert command is not None
            context = command.make_context(command.name, rest, parent=context)
            group = command if isinstance(command, click.Group) else None


def test_an_option_of_several_commands_is_the_same_everywhere() -> None:
    """Commands share the help, the placeholder and whether the option takes a value."""
    seen: dict[str, dict[tuple[object, ...], list[str]]] = {}
    for name, command in ALL.items():
        context = click.Context(command, info_name=name)
        for each in command.get_params(context):
            if isinstance(each, click.Option):
                assert each.help, (name, each.opts)
                described = (each.help, each.make_metavar(context), each.is_flag, each.multiple)
                for flag in each.opts:
                    seen.setdefault(flag, {}).setdefault(described, []).append(name)
    assert {flag: described for flag, described in seen.items() if len(described) > 1} == {}
    shared = {flag for flag, described in seen.items() if any(len(names) > 1 for names in described.values())}
    assert shared >= {"--out", "--why", "--share", "--source", "--format", "--engine", "--check", "--json"}


def test_a_printed_command_can_be_run_in_a_shell(tmp_path: Path) -> None:
    """The program is printed by name if PATH leads to it, otherwise by path; words with spaces are quoted."""
    code = "from poet.cli.output import command_line; print(command_line('--workspace', 'my demo', 'diff'))"
    other = tmp_path / "poet"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    for path, program in (
        (os.defpath, str(PROGRAM)),
        (f"{tmp_path}{os.pathsep}{PROGRAM.parent}", str(PROGRAM)),
        (f"{PROGRAM.parent}{os.pathsep}{tmp_path}", "poet"),
    ):
        environment = os.environ | {"PATH": path}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
        )
        assert done.stdout == f"{shlex.quote(program)} --workspace 'my demo' diff\n"


def test_the_demo_is_quiet_in_a_script_and_its_last_command_works_as_printed(tmp_path: Path) -> None:
    """The command works in a shell whose PATH does not lead to this environment."""
    environment = os.environ | {"PATH": os.defpath}
    done = subprocess.run(
        [PROGRAM, "demo"], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    last = done.stdout.splitlines()[-1]
    again = subprocess.run(
        ["sh", "-c", last], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith("detect_drift version 2, revises version 1")


def test_the_demo_shows_its_progress_on_a_terminal(tmp_path: Path) -> None:
    """The progress shows the step and the count; standard output has only the result."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [PROGRAM, "demo"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, env=environment
    ) as running:
        os.close(theirs)
        shown = ""
        while "learning from labels" not in shown:
            shown += os.read(ours, 65536).decode(errors="replace")
        running.kill()
        out, _ = running.communicate()
    os.close(ours)
    assert "creating a workspace" in shown
    assert re.search(r"\b[1-9]\d*/\d{3,}", shown)
    assert out == b""


def test_the_installation_shows_its_progress_on_a_terminal() -> None:
    """In a script, pip is quiet."""
    words = ["make", "--dry-run", "--always-make", ".venv/installed"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "pip install --quiet" in done.stdout
    ours, theirs = pty.openpty()
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, text=True, check=True)
    os.close(theirs)
    os.close(ours)
    assert "pip install " in done.stdout
    assert "--quiet" not in done.stdout


def test_json_and_workspace_are_accepted_after_every_command(tmp_path: Path) -> None:
    """They are also accepted before it, and the last workspace applies."""
    for name, command in ALL.items():
        options = {flag for each in command.params for flag in each.opts}
        assert isinstance(command, click.Group) or {"--json", "--workspace"} <= options, name
    folder = first_workspace(tmp_path / "shop")
    words = ["--workspace", str(tmp_path), "pins", "--workspace", str(folder), "--json"]
    done = CliRunner().invoke(app, words)
    assert json.loads(done.stdout) == []


def in_terminal(**environment: str) -> str:
    """Run a command that prints a removed line in a terminal, and return its output."""
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    subprocess.run([sys.executable, "-c", PROBE, "probe"], stdout=theirs, env=kept | environment, check=True)
    os.close(theirs)
    said = os.read(ours, 65536).decode()
    os.close(ours)
    return said.strip()


def test_colors_are_printed_only_in_terminals_that_allow_them() -> None:
    """Output has no colors in a pipe or with NO_COLOR."""
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
def test_bash_completes_the_next_word(scripts: dict[str, str], typed: str, offered: list[str]) -> None:
    """Commands, options and choices are completed; the value of an option is not taken for a command."""
    words = typed.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"{scripts['bash']}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n_poet\n"
    script += 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-uc", script], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_scripts_of_other_shells_complete_every_command(scripts: dict[str, str], shell: str) -> None:
    """The scripts also parse if the shell is installed."""
    assert all(name.rpartition(" ")[2] in scripts[shell] for name in ALL if name != "poet")
    if shutil.which(shell):
        subprocess.run([shell, "--no-execute"], input=scripts[shell], text=True, check=True)
