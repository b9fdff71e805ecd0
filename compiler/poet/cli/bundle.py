"""The commands `keygen`, `bundle` and `pull`."""

import os
from pathlib import Path
from typing import Any

import click

from poet.cli.options import FILE, FOLDER, with_out
from poet.cli.output import note, show


@click.command()
@click.argument("file", type=FILE)
@click.pass_obj
def keygen(settings: dict[str, Any], file: Path) -> None:
    r"""Create a key pair for signing bundles.

    The private key is written to FILE. The public key is printed for `poet pull --trust`.

    \b
    poet keygen signing.pem > trusted
    """
    from poet.distribute import make_key  # noqa: PLC0415 -- `poet --help` must not import what it does not need

    public = make_key(file)
    document = {"file": str(file), "key_id": public.id.hex(), "trust": public.line}
    show(as_json=settings["json"], document=document, lines=[public.line])


@click.command()
@click.argument("policies", nargs=-1)
@click.option("--key", "key_file", type=FILE, required=True, help="The private key that signs the bundle.")
@with_out(required=True)
@click.pass_obj
def bundle(settings: dict[str, Any], policies: tuple[str, ...], key_file: Path, out: Path) -> None:
    r"""Write the active versions to one signed file.

    The bundle contains the active and the previous version of POLICIES (default: all). Only generated/ is
    read and nothing is compiled. The same versions give the same bytes.

    \b
    poet bundle --key signing.pem --out drift.poet
    """
    from poet.distribute import pack, read_key, sign  # noqa: PLC0415
    from poet_runtime.files import atomic_write  # noqa: PLC0415
    from poet_runtime.registry import changed_modules  # noqa: PLC0415

    private = read_key(key_file)
    generated = settings["folder"] / "generated"
    document = pack(generated, policies)
    for policy in document.active:
        for each in changed_modules(generated, policy, document.registry):
            note(f"poet: {each.path} {each.says}, and the bundle contains it")
    content = sign(document, private)
    try:
        atomic_write(out, content)
    except OSError as error:
        raise click.UsageError(f"{out} cannot be written ({error.strerror}); choose another file") from error
    told = {
        "file": os.fspath(out),
        "bytes": len(content),
        "generation": document.generation,
        "key_id": private.public.id.hex(),
        "active": document.active,
    }
    lines = [f"{policy}: version {number} is active" for policy, number in document.active.items()]
    lines.append(f"{out}: generation {document.generation}, {len(content)} bytes, by key {told['key_id']}")
    show(as_json=settings["json"], document=told, lines=lines)


@click.command()
@click.argument("source")
@click.option(
    "--trust",
    multiple=True,
    required=True,
    metavar="KEY",
    help="A public key printed by `poet keygen`; repeatable.",
)
@click.option(
    "--into",
    type=FOLDER,
    default=Path("pulled"),
    show_default=True,
    help="The folder that serves the pulled versions.",
)
@click.option(
    "--require-version",
    "required",
    multiple=True,
    metavar="POLICY=N",
    help="Refuse a bundle in which another version is active; repeatable.",
)
@click.option("--allow-older", is_flag=True, help="Also accept a bundle older than the one served.")
@click.pass_obj
def pull(
    settings: dict[str, Any],
    source: str,
    trust: tuple[str, ...],
    into: Path,
    required: tuple[str, ...],
    *,
    allow_older: bool,
) -> None:
    r"""Fetch a bundle, verify it and activate its versions.

    SOURCE is a path or an HTTP address. Exit status 1: the bundle was refused or could not be fetched; the
    versions that were active stay active.

    \b
    poet pull https://example.com/drift.poet --trust "$(cat trusted)" --into served
    """
    import msgspec  # noqa: PLC0415

    from poet.distribute import pull as pull_bundle  # noqa: PLC0415
    from poet.distribute import state, trusted  # noqa: PLC0415
    from poet_runtime.errors import BundleError  # noqa: PLC0415

    keys, require = trusted(trust), dict(map(_requirement, required))
    try:
        pulled = pull_bundle(source, into, keys, require=require, allow_older=allow_older)
    except BundleError as error:
        note(f"poet: {error}")
        raise click.exceptions.Exit(1) from error
    what = "is new here" if pulled.is_new else "is served already"
    lines = [f"{policy}: version {number} is active" for policy, number in pulled.active.items()]
    lines.append(f"{into}: generation {pulled.generation} {what}, signed by key {pulled.key_id}")
    document = {"is_new": pulled.is_new} | msgspec.to_builtins(state(into))
    show(as_json=settings["json"], document=document, lines=lines)


def _requirement(text: str) -> tuple[str, int]:
    policy, _, number = text.partition("=")
    if not policy or not number.isdecimal():
        raise click.UsageError(f"--require-version {text!r}: expected POLICY=N, as in detect_drift=3")
    return policy, int(number)
