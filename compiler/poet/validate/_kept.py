"""Counterexamples that were found once are kept, and tried first on every later candidate."""

import hashlib
from pathlib import Path

import msgspec

from poet.errors import ValidationError

__all__ = ["Counterexample", "keep", "load"]


class Counterexample(msgspec.Struct, frozen=True, kw_only=True):
    """A shrunk input on which some candidate broke a property."""

    policy: str
    gate: str  # the property's name
    told: str  # what went wrong then
    hypothesis: str  # only the version that wrote a blob reads it
    blob: str


def keep(folder: Path, found: tuple[Counterexample, ...]) -> None:
    """Write each to a file named after what is in it, so that writers do not meet."""
    for each in found:
        name = hashlib.sha256(f"{each.gate} {each.hypothesis} {each.blob}".encode()).hexdigest()[:16]
        path = folder / each.policy / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(each), indent=2) + b"\n")


def load(folder: Path, policy: str) -> tuple[Counterexample, ...]:
    """Give what is kept for a policy, always in the same order.

    Raises
    ------
    ValidationError
        A file there is not a counterexample.
    """
    return tuple(_read(path) for path in sorted((folder / policy).glob("*.json")))


def _read(path: Path) -> Counterexample:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Counterexample)
    except (OSError, msgspec.DecodeError) as error:
        raise ValidationError(f"{path} is not a counterexample ({error}); delete it") from error
