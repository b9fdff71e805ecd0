"""What a killed compiler left behind, put right by the next one."""

import hashlib
from pathlib import Path

import msgspec

from poet.errors import PublishError
from poet.files import remove_unfinished
from poet.registry._document import RegistryDocument, read_document
from poet.registry._journal import FILE as JOURNAL
from poet.registry._journal import last_change

__all__ = ["recovered"]


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What of a manifest tells whose module it stands beside."""

    policy: str
    version: int
    source_sha256: str


def recovered(generated: Path) -> tuple[RegistryDocument, int]:
    """Remove what was begun and never published; give the registry and the journal's newest generation.

    Only while the folder's lock is held: nobody is at work, so whatever looks unfinished is.

    Raises
    ------
    PublishError
        The journal tells of a registry that is gone: going on would number versions from 1 again.
    """
    document = read_document(generated)
    newest = last_change(generated)
    if document.generation == 0 and newest is not None and newest.follows > 0:
        raise PublishError(
            f"{generated / 'registry.json'} is gone, but {JOURNAL} tells of {newest.generation} changes; "
            "restore it from version control"
        )
    remove_unfinished(generated)
    for path in generated.glob("*_v*.json"):
        _remove_unpublished(path, document)
    return document, 0 if newest is None else newest.generation


def _remove_unpublished(path: Path, document: RegistryDocument) -> None:
    """Remove a version that was next to be published, if its manifest proves that a compiler wrote it.

    Anything else that the registry does not name is somebody's, and stays.
    """
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=_Manifest)
    except msgspec.DecodeError:
        return
    entry = document.policies.get(manifest.policy)
    newest = max(map(int, entry.versions)) if entry else 0
    if path.stem != f"{manifest.policy}_v{manifest.version}" or manifest.version != newest + 1:
        return
    module = path.with_suffix(".py")
    if module.exists():
        if hashlib.sha256(module.read_bytes()).hexdigest() != manifest.source_sha256:
            return  # edited since
        module.unlink()  # before its manifest: a kill in between leaves what the next run still knows
    path.unlink()
