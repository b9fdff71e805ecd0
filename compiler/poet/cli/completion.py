"""The command `completion`: shell completion scripts for bash, zsh and fish.

The scripts are generated from the declared commands. They do not run POET.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import click

from poet.cli.output import show


class Words(NamedTuple):
    """The words that may follow a command."""

    subcommands: Mapping[str, str]  # with their summaries
    options: Mapping[str, str]
    values: Mapping[str, tuple[str, ...]]  # choices of options that take a value; () for any value
    choices: tuple[str, ...]  # of the arguments


Tree = Mapping[tuple[str, ...], Words]

BASH: Final = """\
# Completion of poet for bash, as `poet completion bash` writes it.
_poet() {
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
    local at="" skip="" index offered=""
    for ((index = 1; index < COMP_CWORD; index++)); do
        if [[ -n $skip ]]; then skip=""; continue; fi
        case "$at/${COMP_WORDS[index]}" in
@WALK@
        esac
    done
    case "$at/$previous" in
@VALUES@
        *) case "$at" in
@WORDS@
        esac ;;
    esac
    COMPREPLY=($(compgen -W "$offered" -- "$current"))
    if [[ ${#COMPREPLY[@]} -eq 0 && $current != -* ]]; then compopt -o default 2>/dev/null; fi
    return 0
}
complete -F _poet poet
"""
ZSH: Final = """\
#compdef poet
# Completion of poet for zsh, as `poet completion zsh` writes it.
_poet() {
    local at="" skip="" index
    local -a offered
    for ((index = 2; index < CURRENT; index++)); do
        if [[ -n $skip ]]; then skip=""; continue; fi
        case "$at/${words[index]}" in
@WALK@
        esac
    done
    case "$at/${words[CURRENT-1]}" in
@VALUES@
        *) case "$at" in
@WORDS@
        esac ;;
    esac
    _describe poet offered || _files
}
_poet "$@"
"""


def _bash(tree: Tree) -> str:
    values = _value_cases(tree, lambda choices: f'offered="{" ".join(choices)}"')
    words = [
        f"        {_quoted(' '.join(path))}) offered={_quoted(' '.join([*_all(words), *words.choices]))} ;;"
        for path, words in tree.items()
    ]
    return _filled(BASH, tree, values, words)


def _zsh(tree: Tree) -> str:
    values = _value_cases(tree, lambda choices: f"offered=({' '.join(map(_quoted, choices))})")
    words = []
    for path, each in tree.items():
        told = [f"{_plain(name)}:{_plain(does)}" for name, does in _all(each).items()]
        listed = " ".join(map(_quoted, [*told, *each.choices]))
        words.append(f"        {_quoted(' '.join(path))}) offered=({listed}) ;;")
    return _filled(ZSH, tree, values, words)


def _fish(tree: Tree) -> str:
    lines = ["# Completion of poet for fish, as `poet completion fish` writes it."]
    for path, words in tree.items():
        seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in path)
        below = " ".join(words.subcommands)
        unless = f"not __fish_seen_subcommand_from {below}" if below else ""
        where = f"complete -c poet -n {_quoted('; and '.join(filter(None, (seen, unless))))}"
        lines += [f"{where} -f -a {name} -d {_quoted(does)}" for name, does in words.subcommands.items()]
        lines += [f"{where} -a {_quoted(' '.join(words.choices))}"] if words.choices else []
        for flag, does in words.options.items():
            choices = words.values.get(flag)
            takes = "" if choices is None else f" -x -a {_quoted(' '.join(choices))}" if choices else " -r"
            lines.append(f"{where} -l {flag.removeprefix('--')}{takes} -d {_quoted(does)}")
    return "\n".join(lines) + "\n"


def _filled(script: str, tree: Tree, values: Iterable[str], words: Iterable[str]) -> str:
    for name, lines in (("WALK", _walk_cases(tree)), ("VALUES", values), ("WORDS", words)):
        script = script.replace(f"@{name}@", "\n".join(lines))
    return script


def _walk_cases(tree: Tree) -> list[str]:
    """Return which words lead to a command and which options consume the next word."""
    cases = []
    for path, words in tree.items():
        at = " ".join(path)
        cases += [
            f"            {_quoted(f'{at}/{name}')}) at={_quoted(' '.join([*path, name]))} ;;"
            for name in words.subcommands
        ]
        if words.values:
            takers = "|".join(_quoted(f"{at}/{flag}") for flag in words.values)
            cases.append(f"            {takers}) skip=1 ;;")
    return cases


def _value_cases(tree: Tree, offer: Callable[[tuple[str, ...]], str]) -> list[str]:
    return [
        f"        {_quoted(' '.join(path) + '/' + flag)}) {offer(choices)} ;;"
        for path, words in tree.items()
        for flag, choices in words.values.items()
    ]


def _all(words: Words) -> dict[str, str]:
    return {**words.subcommands, **words.options}


def _plain(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


SCRIPTS: Final[Mapping[str, Callable[[Tree], str]]] = {"bash": _bash, "fish": _fish, "zsh": _zsh}


@click.command()
@click.argument("shell", type=click.Choice(sorted(SCRIPTS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    r"""Print a shell completion script.

    \b
    poet completion bash > ~/.local/share/bash-completion/completions/poet
    poet completion zsh > "${fpath[1]}/_poet"
    poet completion fish > ~/.config/fish/completions/poet.fish
    """
    script = SCRIPTS[shell](words_of(context.find_root().command, ()))
    document = {"shell": shell, "script": script}
    show(as_json=context.obj["json"], document=document, lines=script.splitlines())


def words_of(command: click.Command, path: tuple[str, ...]) -> dict[tuple[str, ...], Words]:
    """Return what may follow each command, by the words that lead to it."""
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
