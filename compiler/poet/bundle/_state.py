"""What is known of a folder of pulled versions: which bundle it serves, and what was refused last."""

from pathlib import Path
from typing import Final

import msgspec

from poet.bundle._envelope import Opened, reopen
from poet.errors import BundleError
from poet.files import JsonDocument

__all__ = ["BUNDLE", "NOTES", "Notes", "State", "last_good", "read_notes", "state"]

BUNDLE = "bundle.poet"  # the last good one, signed, as it came
NOTES = "bundle.json"


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
