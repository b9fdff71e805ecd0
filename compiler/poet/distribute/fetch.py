"""Pull a signed bundle into a folder that serves it; on failure the folder stays unchanged.

The order of the writes makes a kill harmless. The files of the versions come first, under names that the
registry does not mention yet. The bundle itself comes second and defines from then on the content of the
folder. ``registry.json`` comes last; its rename makes the running processes swap. After a kill before the
rename of the bundle, nothing has changed. After a later kill, the next pull completes the work, whatever its
source returns.

The bundle is read from a path or by HTTP(S), bounded in size and time, and from nowhere else.

The folder also records which bundle it serves and why the last pull was rejected; see `state`.
"""

import http.client
import logging
import re
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

import msgspec

from poet.distribute.bundle import LARGEST, BundleDocument, Opened, open_bundle, registry_bytes, reopen
from poet.distribute.keys import TrustedKey, trusted
from poet_runtime.errors import BundleError, RegistryError
from poet_runtime.files import JsonDocument, atomic_write, lock, to_json
from poet_runtime.registry import STANDING, TYPES_FILE, Registry, package_types

TIMEOUT_S: Final = 30.0
_CHUNK: Final = 2**16
_LONGEST_ETAG: Final = 200
_SCHEME: Final = re.compile(r"[a-z]+:|[a-z][a-z0-9+.-]*://", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The outcome of a download: the bytes, or None if the source reports no change."""

    content: bytes | None
    etag: str = ""


def fetch(source: str | Path, *, etag: str = "", timeout_s: float = TIMEOUT_S) -> Fetched:
    """Return the bytes at a path or URL; a URL is requested conditionally on `etag`.

    Raises
    ------
    BundleError
        The source cannot be reached, takes longer than `timeout_s` in total, is too large, or has an
        unsupported scheme.
    """
    if is_url(source):
        return _requested(str(source), etag, timeout_s)
    return Fetched(_read(Path(source)))


def is_url(source: str | Path) -> bool:
    """Return whether a source is a URL rather than a path.

    Raises
    ------
    BundleError
        It is a URL with a scheme other than http and https.
    """
    found = None if isinstance(source, Path) else _SCHEME.match(source)
    if found is None:
        return False
    if found[0].rstrip(":/").lower() not in ("http", "https"):
        raise BundleError(f"{source} is neither a path nor an http or https address; use one of these")
    return True


def _read(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise BundleError(f"{path} is not a file; name the file that `poet bundle` wrote")
    try:
        with path.open("rb") as file:
            return _bounded(file.read(LARGEST + 1), str(path))
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}); check the path") from error


def _requested(url: str, etag: str, timeout_s: float) -> Fetched:
    end = time.monotonic() + timeout_s
    try:
        # The scheme is safe: the opener below supports only http and https.
        request = urllib.request.Request(url, headers={"If-None-Match": etag} if etag else {})  # noqa: S310
        with _opener().open(request, timeout=timeout_s) as response:
            if response.status != http.HTTPStatus.OK:
                raise BundleError(f"{url} answers {response.status}, expected 200; check the server")
            return Fetched(_streamed(response, url, end), _etag(response.headers.get("ETag", "")))
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.HTTPStatus.NOT_MODIFIED and etag:
                return Fetched(None, etag)
            raise BundleError(f"{url} answers {error.code} {error.reason}; check the server") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise BundleError(f"{url} cannot be reached ({reason}); check the address and the server") from error


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener for http and https only: no file, ftp or data."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A redirect handler that follows http to http or https, and https only to https."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme != "https"):
            raise BundleError(
                f"{req.full_url} redirects to {newurl:.200}; redirects may only change http to https"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _streamed(response: Any, url: str, end: float) -> bytes:
    promised = response.headers.get("Content-Length", "")
    if promised.isdecimal() and int(promised[:20]) > LARGEST:
        raise BundleError(
            f"{url} offers {promised[:20]} bytes, a bundle has at most {LARGEST}; it was not read"
        )
    chunks: list[bytes] = []
    left = LARGEST + 1
    while left > 0 and (chunk := response.read1(min(left, _CHUNK))):
        chunks.append(chunk)
        left -= len(chunk)
        if time.monotonic() > end:
            raise BundleError(f"{url} was not read in time; check the server and the network")
    return _bounded(b"".join(chunks), url)


def _bounded(content: bytes, source: str) -> bytes:
    if len(content) > LARGEST:
        raise BundleError(
            f"{source} has more than {LARGEST} bytes, the limit for bundles; name another source"
        )
    return content


def _etag(text: str) -> str:
    """Return an entity tag if it is safe in a request header, else an empty text."""
    is_plain = len(text) <= _LONGEST_ETAG and text.isascii() and text.isprintable()
    return text if is_plain else ""


BUNDLE: Final = "bundle.poet"  # the last good bundle, signed, unmodified
NOTES: Final = "bundle.json"


class Notes(msgspec.Struct, frozen=True, kw_only=True):
    """The notes of a pull, for the next one and for people; losing them costs one download."""

    identity: str = ""  # of the bundle that these notes describe
    source: str = ""
    etag: str = ""
    pulled_at: str = ""  # when the bundle was received
    checked_at: str = ""  # last time the source returned this bundle or a valid newer one
    refused: str = ""  # why the last pull failed; empty if it succeeded
    refused_at: str = ""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The bundle that a folder serves, and why the last pull was rejected."""

    generation: int
    identity: str
    key_id: str
    origin: str
    active: dict[str, int]
    source: str
    pulled_at: str
    checked_at: str
    refused: str
    refused_at: str


_NOTES: Final = JsonDocument(
    type=Notes, name="the notes of a pull", next_step="delete it and pull again", error=BundleError
)


def state(folder: Path) -> State:
    """Return which bundle a folder serves; the generation is 0 if there is none yet.

    Raises
    ------
    BundleError
        The folder's own copy of the bundle is damaged.
    """
    good, notes = last_good(folder), read_notes(folder)
    is_about_it = good is not None and notes.identity == good.identity
    return State(
        generation=good.document.generation if good else 0,
        identity=good.identity if good else "",
        key_id=good.key_id if good else "",
        origin=good.document.origin if good else "",
        active=good.document.active if good else {},
        source=notes.source if is_about_it else "",
        pulled_at=notes.pulled_at if is_about_it else "",
        checked_at=notes.checked_at,
        refused=notes.refused,
        refused_at=notes.refused_at,
    )


def last_good(folder: Path) -> Opened | None:
    """Return the bundle that the folder serves, or None if there is none yet.

    Raises
    ------
    BundleError
        The bundle is damaged. It is not overwritten, because its generation is what keeps older bundles out.
    """
    path = folder / BUNDLE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    try:
        return reopen(content)
    except BundleError as error:
        raise BundleError(
            f"{path} is damaged ({error}); its versions keep answering, but their generation is lost: "
            "remove the folder and pull again, with --require-version"
        ) from error


def read_notes(folder: Path) -> Notes:
    """Return the notes, empty if they cannot be read: nothing depends on them."""
    try:
        return _NOTES.read_if_exists(folder / NOTES) or Notes()
    except BundleError:
        return Notes()


PATIENCE_S: Final = 30.0
_REGISTRY: Final = "registry.json"
_LONGEST_REASON: Final = 1000
_log = logging.getLogger("poet.distribute")


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a pull: what the folder serves now, and whether that is new."""

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
    """Read a bundle from a path or a URL, verify it, and activate its versions.

    Parameters
    ----------
    source
        A path, or an http or https address.
    folder
        The folder for the versions; created if missing. `poet_runtime.registry.Registry` serves it.
    trust
        The trusted public keys, as `poet keygen` prints them.
    require
        For each named policy, the version that must be active afterwards.
    allow_older
        Whether a bundle may replace a newer one, or a different one of the same generation.
    timeout_s
        The time limit of the whole download, in seconds.
    clock
        The source of the time in seconds since 1970, for the notes.

    Raises
    ------
    BundleError
        The bundle was rejected or could not be read. The previous versions stay active;
        `poet.distribute.state` returns the reason.
    """
    keys = trusted(trust)
    is_url(source)
    _refuse_foreign(folder)
    now = datetime.fromtimestamp(clock(), UTC).isoformat(timespec="seconds")
    try:
        with _locked(folder):
            _settle(folder)
        known = _usable_notes(folder, str(source), keys)
        fetched = fetch(source, etag=known.etag, timeout_s=timeout_s)
        with _locked(folder):
            return _installed(folder, fetched, keys, require or {}, str(source), now, allow_older=allow_older)
    except BundleError as error:
        _note_refusal(folder, str(error), now)
        raise


def _installed(
    folder: Path,
    fetched: Fetched,
    keys: tuple[TrustedKey, ...],
    require: Mapping[str, int],
    source: str,
    now: str,
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
        pulled_at=now if is_new else notes.pulled_at,
        checked_at=now,
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
            f"{folder} holds versions that are not from a bundle, which are not overwritten; "
            "pull into another folder"
        )


def _refuse_other_history(served: BundleDocument, offered: BundleDocument) -> None:
    """Raise `BundleError` unless `offered` can be a state of the workspace that the folder follows."""
    if offered.origin != served.origin:
        raise BundleError(
            f"the bundle is from workspace {offered.origin[:12]}…, the folder follows {served.origin[:12]}…; "
            "pull it into another folder"
        )
    for policy, entry in served.registry.policies.items():
        after = offered.registry.policies.get(policy)
        if after is None:
            raise BundleError(
                f"the bundle lacks {policy}, which the folder serves; bundle it too, or use another folder"
            )
        for number in entry.versions.keys() & after.versions.keys():
            if entry.versions[number] != after.versions[number]:
                raise BundleError(
                    f"{policy} version {number} in the bundle differs from the one that is served; "
                    "a version never changes: pull it into another folder"
                )


def _refuse_older(served: BundleDocument, offered: BundleDocument, *, allow_older: bool) -> None:
    if allow_older or offered.generation > served.generation:
        return
    is_as_old = offered.generation == served.generation
    what = "with other content" if is_as_old else "which is older"
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
    """Load every version that will be active, before any process runs it."""
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
                    "install its requirements, or bundle another version"
                ) from error


def _write(folder: Path, content: bytes, document: BundleDocument) -> None:
    files = {name: text.encode() for name, text in document.files.items()}
    steps: tuple[Mapping[str, bytes], ...] = (
        {**STANDING, TYPES_FILE: package_types(document.registry), **files},
        {BUNDLE: content},
        {_REGISTRY: registry_bytes(document)},
    )
    for step in steps:
        changed = [name for name in sorted(step) if _bytes_of(folder / name) != step[name]]
        for name in changed:
            atomic_write(folder / name, step[name])


def _settle(folder: Path) -> None:
    """Complete a killed pull, and restore files that were changed since."""
    good = last_good(folder)
    if good is not None:
        _write(folder, (folder / BUNDLE).read_bytes(), good.document)


def _usable_notes(folder: Path, source: str, keys: tuple[TrustedKey, ...]) -> Notes:
    """Return the notes if a "not modified" answer would be usable: same source, key still trusted."""
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


def _note_refusal(folder: Path, reason: str, now: str) -> None:
    """Write the reason to the notes if the folder is writable; the error itself reports it anyway."""
    if len(reason) > _LONGEST_REASON:
        reason = reason[: _LONGEST_REASON - 1] + "…"
    try:
        with _locked(folder):
            notes = msgspec.structs.replace(read_notes(folder), refused=reason, refused_at=now)
            _write_notes(folder, notes)
    except BundleError as error:
        _log.warning("the reason for rejecting a bundle could not be saved: %s", error)


def _write_notes(folder: Path, notes: Notes) -> None:
    atomic_write(folder / NOTES, to_json(notes, is_sorted=False))


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder; turn `OSError` into a `BundleError` that names it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder, timeout_s=PATIENCE_S, error=BundleError):
            yield
    except OSError as error:
        raise BundleError(
            f"{folder} cannot be written ({error}); check its permissions and free space"
        ) from error
