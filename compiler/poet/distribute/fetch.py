"""A signed bundle → the folder that serves it, or everything as it was and the reason why.

The order of the writes is what makes a kill harmless. First the files of versions, under names that the
registry does not mention yet; then the bundle itself, which says from then on what the folder is to be;
then ``registry.json``, by whose rename the running processes swap. Killed before the bundle's rename,
nothing has happened; killed after it, the next pull finishes the work, whatever its source says.

Bytes from a path or by HTTP: bounded in size and time, and never from anywhere else.

What is known of a folder of pulled versions: which bundle it serves, and what was refused last.
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
from poet_runtime.registry import STANDING, Registry

TIMEOUT_S: Final = 30.0
_CHUNK: Final = 2**16
_LONGEST_ETAG: Final = 200
_SCHEME: Final = re.compile(r"[a-z]+:|[a-z][a-z0-9+.-]*://", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came: the bytes, or None where the source says that nothing changed."""

    content: bytes | None
    etag: str = ""


def fetch(source: str | Path, *, etag: str = "", timeout_s: float = TIMEOUT_S) -> Fetched:
    """Read a path, or ask a URL for what differs from `etag`.

    Raises
    ------
    BundleError
        It cannot be reached, takes longer than `timeout_s` in all, is too large, or is not of a kind that
        is asked for at all.
    """
    if is_url(source):
        return _asked(str(source), etag, timeout_s)
    return Fetched(_read(Path(source)))


def is_url(source: str | Path) -> bool:
    """Tell a URL from a path.

    Raises
    ------
    BundleError
        It is a URL of another scheme than http and https.
    """
    found = None if isinstance(source, Path) else _SCHEME.match(source)
    if found is None:
        return False
    if found[0].rstrip(":/").lower() not in ("http", "https"):
        raise BundleError(f"{source} is neither a path nor an http or https address; give one of these")
    return True


def _read(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise BundleError(f"{path} is no file; name the file that `poet bundle` wrote")
    try:
        with path.open("rb") as file:
            return _bounded(file.read(LARGEST + 1), str(path))
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}); see to the path") from error


def _asked(url: str, etag: str, timeout_s: float) -> Fetched:
    end = time.monotonic() + timeout_s
    try:
        # Not `Request(…)` of any scheme: what opens it below knows http and https alone.
        request = urllib.request.Request(url, headers={"If-None-Match": etag} if etag else {})  # noqa: S310
        with _opener().open(request, timeout=timeout_s) as response:
            if response.status != http.HTTPStatus.OK:
                raise BundleError(f"{url} answers {response.status}, expected 200; see to the server")
            return Fetched(_streamed(response, url, end), _etag(response.headers.get("ETag", "")))
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.HTTPStatus.NOT_MODIFIED and etag:
                return Fetched(None, etag)
            raise BundleError(f"{url} answers {error.code} {error.reason}; see to the server") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise BundleError(f"{url} cannot be reached ({reason}); see to the address and the server") from error


def _opener() -> urllib.request.OpenerDirector:
    """Give an opener that knows http and https and nothing else: no file, ftp or data."""
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
    """Follows http to http or https, and https to https."""

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
            raise BundleError(f"{req.full_url} redirects to {newurl:.200}; only http to https is followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _streamed(response: Any, url: str, end: float) -> bytes:
    promised = response.headers.get("Content-Length", "")
    if promised.isdecimal() and int(promised[:20]) > LARGEST:
        raise BundleError(
            f"{url} offers {promised[:20]} bytes, a bundle has at most {LARGEST}; refused unread"
        )
    chunks: list[bytes] = []
    left = LARGEST + 1
    while left > 0 and (chunk := response.read1(min(left, _CHUNK))):
        chunks.append(chunk)
        left -= len(chunk)
        if time.monotonic() > end:
            raise BundleError(f"{url} was not read in time; see to the server and the network")
    return _bounded(b"".join(chunks), url)


def _bounded(content: bytes, source: str) -> bytes:
    if len(content) > LARGEST:
        raise BundleError(f"{source} has more than {LARGEST} bytes, which no bundle has; refused")
    return content


def _etag(text: str) -> str:
    """Give an entity tag as it may stand in a request's head, or none."""
    is_plain = len(text) <= _LONGEST_ETAG and text.isascii() and text.isprintable()
    return text if is_plain else ""


BUNDLE: Final = "bundle.poet"  # the last good one, signed, as it came
NOTES: Final = "bundle.json"


class Notes(msgspec.Struct, frozen=True, kw_only=True):
    """What a pull leaves for the next one and for people; losing it costs one download."""

    identity: str = ""  # of the bundle that the rest is about
    source: str = ""
    etag: str = ""
    pulled_at: str = ""  # when the bundle came
    checked_at: str = ""  # when the source was last asked and gave nothing worse
    refused: str = ""  # why the last pull failed; empty where it did not
    refused_at: str = ""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder serves, and why the last pull did not change it."""

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
    """Say which bundle a folder serves; generation 0 where there is none yet.

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
    """Read the bundle that the folder serves; None where there is none yet.

    Raises
    ------
    BundleError
        It is damaged. What it says keeps older bundles out, so nothing is pulled over it.
    """
    path = folder / BUNDLE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}); see to its permissions") from error
    try:
        return reopen(content)
    except BundleError as error:
        raise BundleError(
            f"{path} is damaged ({error}); what it served goes on, but which generation that was is lost: "
            "remove the folder and pull again, with --require-version"
        ) from error


def read_notes(folder: Path) -> Notes:
    """Read the notes; none where they cannot be read, for nothing depends on them."""
    try:
        return _NOTES.read_if_exists(folder / NOTES) or Notes()
    except BundleError:
        return Notes()


PATIENCE_S: Final = 30.0
_REGISTRY: Final = "registry.json"
_LONGEST_REASON: Final = 1000
_log = logging.getLogger("poet.distribute")


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
        Where the versions go; made where it is missing. `poet_runtime.registry.Registry` serves it.
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
        The bundle was refused or did not come. What answered before goes on;
        `poet.distribute.state` says why.
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
