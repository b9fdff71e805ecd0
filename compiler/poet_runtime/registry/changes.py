"""Changes of the registry: activate, roll back, put on trial, quarantine and release a version.

Each function makes one change. The change is first written to the journal and then made by one atomic rename
of ``registry.json``.

Before a change, `recovered` removes the unfinished files of a compiler that was killed.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

from poet_runtime.errors import PublishError, RegistryError
from poet_runtime.files import atomic_write, fsync_directory, lock, remove_unfinished, to_json
from poet_runtime.registry.load import read_published
from poet_runtime.registry.state import JOURNAL_FILE as JOURNAL
from poet_runtime.registry.state import (
    Mode,
    Move,
    PolicyEntry,
    Quarantine,
    RegistryDocument,
    Slowness,
    Trial,
    VersionEntry,
    append,
    last_change,
    read_document,
)


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a manifest that identify its module."""

    policy: str
    version: int
    source_sha256: str


def recovered(generated: Path) -> tuple[RegistryDocument, int]:
    """Remove unpublished leftovers, and return the registry and the journal's newest generation.

    Only call this while holding the folder's lock: then no process is writing, so files that look unfinished
    are leftovers.

    Raises
    ------
    PublishError
        The journal refers to a registry that is missing. Continuing would number versions from 1 again.
    """
    document = read_document(generated)
    newest = last_change(generated)
    if document.generation == 0 and newest is not None and newest.follows > 0:
        raise PublishError(
            f"{generated / 'registry.json'} is missing, but {JOURNAL} lists {newest.generation} changes; "
            "restore it from version control"
        )
    remove_unfinished(generated)
    for path in generated.glob("*_v*.json"):
        _remove_unpublished(path, document)
    return document, 0 if newest is None else newest.generation


def _remove_unpublished(path: Path, document: RegistryDocument) -> None:
    """Remove the next version to be published, if its manifest proves that a compiler wrote it.

    Any other file that the registry does not list may belong to a user and is kept.
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
        module.unlink()  # before its manifest, so that the next run can continue after a kill in between
    path.unlink()


class Change:
    """A pending change of the registry. Only create one while holding the folder's lock."""

    def __init__(self, generated: Path, *, who: str, why: str, at: str) -> None:
        self.before, newest = recovered(generated)
        self._generated = generated
        self._generation = max(self.before.generation, newest) + 1
        self.who, self.why, self.at = who, why, at

    def entry(self, policy: str) -> PolicyEntry:
        """Return the registry entry of a published policy."""
        if policy not in self.before.policies:
            known = ", ".join(sorted(self.before.policies)) or "none"
            raise PublishError(f"no policy {policy!r} is published; published are {known}")
        return self.before.policies[policy]

    def published(self, policy: str, number: int) -> VersionEntry:
        """Return a version whose published files can be read and trusted."""
        entry = self.entry(policy)
        if str(number) not in entry.versions:
            known = ", ".join(sorted(entry.versions, key=int))
            raise PublishError(f"{policy} has no version {number}; published are {known}")
        version = entry.versions[str(number)]
        # Report the error now to the person who asks, and not later in every process that loads the version.
        try:
            read_published(self._generated, version)
        except RegistryError as error:
            raise PublishError(f"{error}, then try again") from error
        return version

    def quarantine(self, entry: PolicyEntry, number: int, *, is_release: bool = False) -> PolicyEntry:
        """Return the entry with a quarantine or a release of a version added."""
        added = Quarantine(
            sha256=entry.versions[str(number)].sha256,
            version=number,
            who=self.who,
            why=self.why,
            when=self.at,
            is_release=is_release,
        )
        return msgspec.structs.replace(entry, quarantine=(*entry.quarantine, added))

    def mark_slow(self, entry: PolicyEntry, number: int) -> PolicyEntry:
        """Return the entry with a version marked as slow, for the reason of this change."""
        found = Slowness(
            sha256=entry.versions[str(number)].sha256,
            version=number,
            who=self.who,
            why=self.why,
            when=self.at,
        )
        others = entry.without_slowness(number).slow
        return msgspec.structs.replace(entry, slow=(*others, found))

    def commit(self, after: Mapping[str, PolicyEntry]) -> None:
        """Write the journal, then the registry. If nothing changes, write nothing."""
        changed = [policy for policy in sorted(after) if self.before.policies.get(policy) != after[policy]]
        if not changed:
            return
        document = RegistryDocument(generation=self._generation, policies=dict(after))
        append(self._generated, [move for policy in changed for move in self._told(policy, after[policy])])
        fsync_directory(self._generated)
        atomic_write(self._generated / "registry.json", to_json(document))

    def commit_one(self, policy: str, entry: PolicyEntry) -> None:
        """Commit the new entry of one policy."""
        self.commit({**self.before.policies, policy: entry})

    def _told(self, policy: str, after: PolicyEntry) -> Iterator[Move]:
        before = self.before.policies.get(policy)
        for mode, to in _changes(before, after):
            yield Move(
                generation=self._generation,
                follows=self.before.generation,
                policy=policy,
                from_=None if before is None else before.active,
                to=to,
                who=self.who,
                why=self.why,
                when=self.at,
                mode=mode,
            )


def with_active_version(entry: PolicyEntry, number: int) -> PolicyEntry:
    """Return the entry with another active version, without trials and without its earlier slowness."""
    ended = msgspec.structs.replace(entry.without_slowness(number), shadow=None, canary=None)
    if entry.active == number:
        return ended
    return msgspec.structs.replace(ended, active=number, previous=entry.active)


def _changes(before: PolicyEntry | None, after: PolicyEntry) -> Iterator[tuple[Mode, int]]:
    if before is None or (before.active, before.versions) != (after.active, after.versions):
        yield "active", after.active
    was, now = (
        (None, None) if before is None else (before.shadow, before.canary),
        (after.shadow, after.canary),
    )
    modes: tuple[tuple[Mode, Mode], ...] = (("shadow", "shadow ends"), ("canary", "canary ends"))
    for (begins, ends), old, new in zip(modes, was, now, strict=True):
        if new is not None and new != old:
            yield begins, new.version
        elif new is None and old is not None:
            yield ends, old.version
    for each in after.quarantine[0 if before is None else len(before.quarantine) :]:
        yield "release" if each.is_release else "quarantine", each.version


PATIENCE_S: Final = 30.0


def activate(
    generated: Path,
    policy: str,
    number: int,
    *,
    who: str,
    why: str,
    at: str,
    despite_quarantine: bool = False,
) -> None:
    """Make a published version the active one, and end all trials.

    Raises
    ------
    PublishError
        There is no such version, its files differ from the published ones, or it is quarantined.
    """
    with _changing(generated, who=who, why=why, at=at) as change:
        change.published(policy, number)
        entry = _allowed(change, policy, number, despite_quarantine=despite_quarantine)
        change.commit_one(policy, with_active_version(entry, number))


def rollback(generated: Path, policy: str, *, who: str, why: str, at: str) -> int:
    """Activate the previous version again, and return the number of the version that is active afterwards.

    If a canary is running, the canary is rolled back instead: it ends, and the active version answers every
    call.

    Raises
    ------
    PublishError
        There is no previous version, it is quarantined, or its files differ from the published ones.
    """
    with _changing(generated, who=who, why=why, at=at) as change:
        entry = change.entry(policy)
        if entry.canary is not None:
            change.commit_one(policy, msgspec.structs.replace(entry, canary=None))
            return entry.active
        number = entry.previous
        if number is None:
            raise PublishError(
                f"{policy} has only ever run version {entry.active}; "
                f"`poet activate {policy} N` activates any published version"
            )
        change.published(policy, number)
        change.commit_one(policy, with_active_version(_allowed(change, policy, number), number))
    return number


def on_trial(
    generated: Path,
    policy: str,
    number: int,
    *,
    mode: Literal["shadow", "canary"],
    share: float,
    who: str,
    why: str,
    at: str,
    despite_quarantine: bool = False,
) -> None:
    """Start a trial of a published version next to the active one.

    Parameters
    ----------
    mode
        A ``"shadow"`` never answers; a ``"canary"`` answers for its share of features.
    share
        The share of calls, in (0, 1]; below 1 for a canary.

    Raises
    ------
    PublishError
        There is no such version, it is already active, the share is invalid, or the canary is quarantined.
    """
    refuse_share(mode, share)
    with _changing(generated, who=who, why=why, at=at) as change:
        change.published(policy, number)
        entry = change.entry(policy)
        if entry.active == number:
            raise PublishError(f"{policy} version {number} is already active; choose another version")
        if mode == "canary":
            entry = _allowed(change, policy, number, despite_quarantine=despite_quarantine)
        trial = Trial(version=number, share=share, since=at)
        change.commit_one(policy, msgspec.structs.replace(entry, **{mode: trial}))


def refuse_share(mode: str, share: float) -> None:
    """Raise an error for an invalid trial share.

    Raises
    ------
    PublishError
        The share is not in (0, 1), or for a shadow not in (0, 1].
    """
    if not (0.0 < share < 1.0 or (mode == "shadow" and share == 1.0)):
        below = "above 0 and at most 1" if mode == "shadow" else "strictly between 0 and 1"
        raise PublishError(f"the share of a {mode} must lie {below}, got {share:g}")


def release(generated: Path, policy: str, number: int, *, who: str, why: str, at: str) -> None:
    """Release a version from quarantine. The active version does not change.

    Raises
    ------
    PublishError
        There is no such version, or it is not quarantined.
    """
    with _changing(generated, who=who, why=why, at=at) as change:
        entry = change.entry(policy)
        if entry.quarantined(number) is None:
            waiting = [each for each in sorted(map(int, entry.versions)) if entry.quarantined(each)]
            names = ", ".join(map(str, waiting)) or "none"
            raise PublishError(f"{policy} version {number} is not quarantined; quarantined are {names}")
        change.commit_one(policy, change.quarantine(entry, number, is_release=True))


def withdraw(
    generated: Path,
    policy: str,
    number: int,
    *,
    sha256: str,
    to: int,
    why: str,
    at: str,
    patience_s: float,
    is_slow: bool = False,
) -> None:
    """Quarantine a version that failed, and activate `to` if the version is the active one.

    A slow version is not quarantined; the registry only records why it returned to `to`.
    If another process has already withdrawn the version, nothing changes.

    Raises
    ------
    PublishError
        `to` cannot be loaded, or another process holds the lock for longer than `patience_s`.
    """
    with lock(generated, timeout_s=patience_s):
        change = Change(generated, who="guard", why=why, at=at)
        entry = change.entry(policy)
        known = entry.versions.get(str(number))
        if known is None or known.sha256 != sha256 or entry.quarantined(number) is not None:
            return
        on_canary = entry.canary.version if entry.canary is not None else None
        if is_slow and number not in (entry.active, on_canary):
            return
        after = change.mark_slow(entry, number) if is_slow else change.quarantine(entry, number)
        if entry.active == number:
            change.published(policy, to)
            # not `with_active_version`: the next rollback must not go to the version that was withdrawn
            after = msgspec.structs.replace(
                after, active=to, previous=_before(entry, to), shadow=None, canary=None
            )
        elif number == on_canary:
            after = msgspec.structs.replace(after, canary=None)
        change.commit_one(policy, after)


def _before(entry: PolicyEntry, number: int) -> int | None:
    """Return the newest version older than `number` that no guard has withdrawn."""
    older = (
        each
        for each in map(int, entry.versions)
        if each < number and entry.quarantined(each) is None and entry.slowness(each) is None
    )
    return max(older, default=None)


@contextmanager
def _changing(generated: Path, *, who: str, why: str, at: str) -> Iterator[Change]:
    with lock(generated, timeout_s=PATIENCE_S):
        yield Change(generated, who=who, why=why, at=at)


def _allowed(change: Change, policy: str, number: int, *, despite_quarantine: bool = False) -> PolicyEntry:
    entry = change.entry(policy)
    quarantine = entry.quarantined(number)
    if quarantine is None:
        return entry
    if despite_quarantine:
        return change.quarantine(entry, number, is_release=True)
    raise PublishError(
        f"{policy} version {number} is quarantined by {quarantine.who} since {quarantine.when}: "
        f"{quarantine.why}; "
        "activate another version, or override the quarantine: "
        f"`poet activate {policy} {number} --despite-quarantine`"
    )
