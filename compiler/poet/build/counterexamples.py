"""Storage for counterexamples, which are replayed first on every later candidate."""

import hashlib
import logging
from pathlib import Path
from typing import Final

import msgspec

from poet_runtime.errors import ValidationError
from poet_runtime.files import JsonDocument, atomic_write, set_aside, to_json

_log: Final = logging.getLogger("poet.build")


class Counterexample(msgspec.Struct, frozen=True, kw_only=True):
    """A shrunk input on which a candidate violated a property."""

    policy: str
    gate: str  # the property's name
    message: str = msgspec.field(name="told")  # the error at that time
    hypothesis: str  # its version; no other version can read the blob
    blob: str


_DOCUMENT: Final = JsonDocument(
    type=Counterexample,
    name="a counterexample",
    next_step="restore it from version control, or delete it",
    error=ValidationError,
)


def save(folder: Path, found: tuple[Counterexample, ...]) -> None:
    """Write each counterexample to a file named after its content, so that writers do not conflict."""
    for each in found:
        name = hashlib.sha256(f"{each.gate} {each.hypothesis} {each.blob}".encode()).hexdigest()[:16]
        path = folder / each.policy / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, to_json(each, is_sorted=False))


def load(folder: Path, policy: str) -> tuple[Counterexample, ...]:
    """Return the stored counterexamples of a policy in a fixed order.

    A damaged file is set aside with a warning. A compile does not depend on it, because the contract is
    checked anyway.
    """
    found = (_read(path) for path in sorted((folder / policy).glob("*.json")))
    return tuple(each for each in found if each is not None)


def _read(path: Path) -> Counterexample | None:
    try:
        return _DOCUMENT.read_if_exists(path)
    except ValidationError as error:
        aside = set_aside(path)
        _log.warning("%s. The compile goes on without it%s", error, f"; it is now {aside}" if aside else "")
        return None
