"""`completion`: a script for the shell, made from the commands as they are declared; it runs no POET."""

import click

from poet.cli._output import show
from poet.cli._shells import SCRIPTS, Words

__all__ = ["COMMANDS", "words_of"]


@click.command()
@click.argument("shell", type=click.Choice(sorted(SCRIPTS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    r"""Print a script that completes commands, options and choices in a shell.

    \b
    poet completion bash > ~/.local/share/bash-completion/completions/poet
    poet completion zsh > "${fpath[1]}/_poet"
    poet completion fish > ~/.config/fish/completions/poet.fish
    """
    script = SCRIPTS[shell](words_of(context.find_root().command, ()))
    document = {"shell": shell, "script": script}
    show(as_json=context.obj["json"], document=document, lines=script.splitlines())


def words_of(command: click.Command, path: tuple[str, ...]) -> dict[tuple[str, ...], Words]:
    """Give what may follow each command, by the words that lead to it."""
    subcommands = command.commands if isinstance(command, click.Group) else {}
    found = {path: _words(command, {name: _brief(each) for name, each in subcommands.items()})}
    for name, each in subcommands.items():
        found |= words_of(each, (*path, name))
    return found


def _words(command: click.Command, subcommands: dict[str, str]) -> Words:
    options: dict[str, str] = {"--help": "Show this message and exit."}
    values: dict[str, tuple[str, ...]] = {}
    choices: tuple[str, ...] = ()
    for each in command.params:
        known = tuple(map(str, each.type.choices)) if isinstance(each.type, click.Choice) else ()
        if not isinstance(each, click.Option):
            choices += known
            continue
        for flag in (*each.opts, *each.secondary_opts):
            if flag.startswith("--"):
                options[flag] = (each.help or "").split("\n")[0]
                if not each.is_flag:
                    values[flag] = known
    return Words(subcommands=subcommands, options=options, values=values, choices=choices)


def _brief(command: click.Command) -> str:
    return command.get_short_help_str(limit=80)


COMMANDS = (completion,)
