"""A signed bundle → the folder that serves it, or everything as it was and the reason why.

The order of the writes is what makes a kill harmless. First the files of versions, under names that the
registry does not mention yet; then the bundle itself, which says from then on what the folder is to be;
then ``registry.json``, by whose rename the running processes swap. Killed before the bundle's rename,
nothing has happened; killed after it, the next pull finishes the work, whatever its source says.
"""

import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from poet.bundle._document import BundleDocument, registry_bytes
from poet.bundle._envelope import Opened, open_bundle
from poet.bundle._fetch import TIMEOUT_S, Fetched, fetch, is_url
from poet.bundle._keys import TrustedKey, trusted
from poet.bundle._state import BUNDLE, NOTES, Notes, last_good, read_notes
from poet.errors import BundleError, RegistryError
from poet.files import atomic_write, lock, to_json
from poet.registry import Registry

__all__ = ["Pulled", "pull"]

PATIENCE_S = 30.0
_REGISTRY = "registry.json"
_LONGEST_REASON = 1000
_log = logging.getLogger("poet.bundle")


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    """What a pull came to: what the folder serves now, and whether that is new."""

    is_new: bool
    generation: int
    key_id: str
    active: dict[str, int]


def pull(
    source: str | Path,
    folder: Path,
    trust: Iterable[str | TrustedKey],
    *,
    require: Mapping[str, int] | None = None,
    allow_older: bool = False,
    timeout_s: float = TIMEOUT_S,
    clock: Callable[[], float] = time.time,
) -> Pulled:
    """Take a bundle from a path or a URL, verify it, and let its versions answer.

    Parameters
    ----------
    source
        A path, or an http or https address.
    folder
        Where the versions go; made where it is missing. `poet.registry.Registry` serves it.
    trust
        The public keys whose signatures count, as `poet key` prints them.
    require
        By policy, the version that has to answer afterwards.
    allow_older
        Whether a bundle may take the place of one that is newer, or as new and different.
    timeout_s
        How long the download may take in all.
    clock
        Gives seconds since 1970, for the notes.

    Raises
    ------
    BundleError
        The bundle was refused or did not come. What answered before goes on; `poet.bundle.state` says why.
    """
    keys = trusted(trust)
    is_url(source)
    _refuse_foreign(folder)
    said = datetime.fromtimestamp(clock(), UTC).isoformat(timespec="seconds")
    try:
        with _held(folder):
            _settle(folder)
        asked = _asked_before(folder, str(source), keys)
        fetched = fetch(source, etag=asked.etag, timeout_s=timeout_s)
        with _held(folder):
            return _taken(folder, fetched, keys, require or {}, str(source), said, allow_older=allow_older)
    except BundleError as error:
        _note_refusal(folder, str(error), said)
        raise


def _taken(
    folder: Path,
    fetched: Fetched,
    keys: tuple[TrustedKey, ...],
    require: Mapping[str, int],
    source: str,
    said: str,
    *,
    allow_older: bool,
) -> Pulled:
    good, notes = last_good(folder), read_notes(folder)
    content = fetched.content if fetched.content is not None else (folder / BUNDLE).read_bytes()
    opened = open_bundle(content, keys)
    is_new = good is None or good.identity != opened.identity
    if good is not None and is_new:
        _refuse_other_history(good.document, opened.document)
        _refuse_older(good.document, opened.document, allow_older=allow_older)
    _refuse_without(opened.document, require)
    if is_new:
        _try_out(opened.document)
    _write(folder, content, opened.document)
    _write_notes(folder, Notes(
        identity=opened.identity,
        source=source,
        etag=fetched.etag,
        pulled_at=said if is_new else notes.pulled_at,
        checked_at=said,
    ))  # fmt: skip
    return Pulled(
        is_new=is_new,
        generation=opened.document.generation,
        key_id=opened.key_id,
        active=opened.document.active,
    )


def _refuse_foreign(folder: Path) -> None:
    if (folder / _REGISTRY).exists() and not (folder / BUNDLE).exists():
        raise BundleError(
            f"{folder} holds versions that no bundle brought; none is overwritten: pull into another folder"
        )


def _refuse_other_history(served: BundleDocument, offered: BundleDocument) -> None:
    """Refuse what is no later state of the workspace that the folder follows."""
    if offered.origin != served.origin:
        raise BundleError(
            f"the bundle is from workspace {offered.origin[:12]}…, the folder follows {served.origin[:12]}…; "
            "pull it into another folder"
        )
    for policy, entry in served.registry.policies.items():
        after = offered.registry.policies.get(policy)
        if after is None:
            raise BundleError(
                f"the bundle lacks {policy}, which the folder serves; bundle it too, or pull elsewhere"
            )
        for number in entry.versions.keys() & after.versions.keys():
            if entry.versions[number] != after.versions[number]:
                raise BundleError(
                    f"the bundle has another {policy} version {number} than the one that is served; "
                    "a version never changes: pull it into another folder"
                )


def _refuse_older(served: BundleDocument, offered: BundleDocument, *, allow_older: bool) -> None:
    if allow_older or offered.generation > served.generation:
        return
    is_as_old = offered.generation == served.generation
    what = "and says something else" if is_as_old else "which is older"
    raise BundleError(
        f"the bundle is of generation {offered.generation}, {what}; served is {served.generation}: "
        "publish or roll back in the workspace and bundle again, or pull with --allow-older"
    )


def _refuse_without(offered: BundleDocument, require: Mapping[str, int]) -> None:
    for policy, number in sorted(require.items()):
        found = offered.active.get(policy)
        if found != number:
            has = f"has version {found} of it active" if found else "does not have that policy"
            raise BundleError(
                f"{policy} version {number} is required, the bundle {has}; "
                f"bundle again after `poet activate {policy} {number}`"
            )


def _try_out(document: BundleDocument) -> None:
    """Load every version that is to answer, before anything is told to run it."""
    with tempfile.TemporaryDirectory(prefix="poet-bundle-") as name:
        staging = Path(name)
        for file, text in document.files.items():
            (staging / file).write_bytes(text.encode())
        (staging / _REGISTRY).write_bytes(registry_bytes(document))
        registry = Registry(staging)
        for policy, number in document.active.items():
            try:
                registry.version(policy, number)
            except RegistryError as error:
                raise BundleError(
                    f"{policy} version {number} cannot be loaded here ({error.__cause__ or error!r}); "
                    "install what it needs, or bundle another version"
                ) from error


def _write(folder: Path, content: bytes, document: BundleDocument) -> None:
    # only who writes pays for the import of the compiler's side
    from poet.publish import STANDING  # noqa: PLC0415

    files = {name: text.encode() for name, text in document.files.items()}
    steps: tuple[Mapping[str, bytes], ...] = (
        {**STANDING, **files},
        {BUNDLE: content},
        {_REGISTRY: registry_bytes(document)},
    )
    for step in steps:
        changed = [name for name in sorted(step) if _bytes_of(folder / name) != step[name]]
        for name in changed:
            atomic_write(folder / name, step[name])


def _settle(folder: Path) -> None:
    """Finish what a killed pull began, and put right what was changed since."""
    good = last_good(folder)
    if good is not None:
        _write(folder, (folder / BUNDLE).read_bytes(), good.document)


def _asked_before(folder: Path, source: str, keys: tuple[TrustedKey, ...]) -> Notes:
    """Give the notes if "nothing changed" would be an answer: about this source, and still trusted."""
    notes = read_notes(folder)
    good = last_good(folder)
    if good is None or notes.identity != good.identity or notes.source != source:
        return Notes()
    return notes if _is_trusted(folder, good, keys) else Notes()


def _is_trusted(folder: Path, good: Opened, keys: tuple[TrustedKey, ...]) -> bool:
    try:
        return open_bundle((folder / BUNDLE).read_bytes(), keys).identity == good.identity
    except (BundleError, OSError):
        return False


def _note_refusal(folder: Path, reason: str, said: str) -> None:
    """Write the reason down, where there is a place to write it; the error itself says it anyway."""
    if len(reason) > _LONGEST_REASON:
        reason = reason[: _LONGEST_REASON - 1] + "…"
    try:
        with _held(folder):
            notes = msgspec.structs.replace(read_notes(folder), refused=reason, refused_at=said)
            _write_notes(folder, notes)
    except BundleError as error:
        _log.warning("the reason of a refusal could not be noted: %s", error)


def _write_notes(folder: Path, notes: Notes) -> None:
    atomic_write(folder / NOTES, to_json(notes, is_sorted=False))


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the folder alone; what the disk refuses is an error that names it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder, timeout_s=PATIENCE_S, error=BundleError):
            yield
    except OSError as error:
        raise BundleError(
            f"{folder} cannot be written ({error}); see to its permissions and space"
        ) from error
