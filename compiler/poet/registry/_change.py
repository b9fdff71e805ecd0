"""One change of the registry: told to the journal, then made by one rename."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from poet.errors import PublishError, RegistryError
from poet.files import atomic_write, fsync_directory, to_json
from poet.registry._document import PolicyEntry, Quarantine, RegistryDocument, Slowness, VersionEntry
from poet.registry._journal import Mode, Move, append
from poet.registry._published import read_published
from poet.registry._recover import recovered

__all__ = ["Change", "moved"]


class Change:
    """A change that is about to happen. Only made while the folder's lock is held."""

    def __init__(self, generated: Path, *, who: str, why: str, at: str) -> None:
        self.before, newest = recovered(generated)
        self._generated = generated
        self._generation = max(self.before.generation, newest) + 1
        self.who, self.why, self.at = who, why, at

    def entry(self, policy: str) -> PolicyEntry:
        """Give what is published of a policy."""
        if policy not in self.before.policies:
            known = ", ".join(sorted(self.before.policies)) or "none"
            raise PublishError(f"no policy {policy!r} is published; published are {known}")
        return self.before.policies[policy]

    def published(self, policy: str, number: int) -> VersionEntry:
        """Return a version that is fit to run: what was published of it can be read and trusted."""
        entry = self.entry(policy)
        if str(number) not in entry.versions:
            known = ", ".join(sorted(entry.versions, key=int))
            raise PublishError(f"{policy} has no version {number}; published are {known}")
        version = entry.versions[str(number)]
        # Said now, to the person who asks, what every process would say when it is told to run the version.
        try:
            read_published(self._generated, version)
        except RegistryError as error:
            raise PublishError(f"{error}, then try again") from error
        return version

    def quarantine(self, entry: PolicyEntry, number: int, *, is_release: bool = False) -> PolicyEntry:
        """Add a word on a version to the policy's quarantine."""
        word = Quarantine(
            sha256=entry.versions[str(number)].sha256,
            version=number,
            who=self.who,
            why=self.why,
            when=self.at,
            is_release=is_release,
        )
        return msgspec.structs.replace(entry, quarantine=(*entry.quarantine, word))

    def mark_slow(self, entry: PolicyEntry, number: int) -> PolicyEntry:
        """Return the entry with the reason of this change as what is known of a version's speed."""
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
        """Write the journal, then the registry; nothing where nothing changes."""
        changed = [policy for policy in sorted(after) if self.before.policies.get(policy) != after[policy]]
        if not changed:
            return
        document = RegistryDocument(generation=self._generation, policies=dict(after))
        append(self._generated, [move for policy in changed for move in self._told(policy, after[policy])])
        fsync_directory(self._generated)
        atomic_write(self._generated / "registry.json", to_json(document))

    def commit_one(self, policy: str, entry: PolicyEntry) -> None:
        """Commit what becomes of one policy."""
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


def moved(entry: PolicyEntry, number: int) -> PolicyEntry:
    """Return the entry with another active version: trials end, and the guard judges its speed afresh."""
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
    for word in after.quarantine[0 if before is None else len(before.quarantine) :]:
        yield "release" if word.is_release else "quarantine", word.version
