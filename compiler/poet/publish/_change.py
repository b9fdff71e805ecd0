"""One change of the registry: told to the journal, then made by one rename."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from poet.errors import PublishError
from poet.publish._files import place, sync_folder
from poet.publish._journal import Move, append
from poet.publish._recover import recovered
from poet.registry import PolicyEntry, RegistryDocument, VersionEntry

__all__ = ["Change", "moved"]


class Change:
    """A change that is about to happen. Only made while the folder's lock is held."""

    def __init__(self, generated: Path, *, who: str, why: str, at: str) -> None:
        self.before, newest = recovered(generated)
        self._generated = generated
        self._generation = max(self.before.generation, newest) + 1
        self._said = {"who": who, "why": why, "when": at}

    def entry(self, policy: str) -> PolicyEntry:
        """Give what is published of a policy."""
        if policy not in self.before.policies:
            known = ", ".join(sorted(self.before.policies)) or "none"
            raise PublishError(f"no policy {policy!r} is published; published are {known}")
        return self.before.policies[policy]

    def move(self, policy: str, number: int) -> None:
        """Let another version of a policy answer."""
        entry = self.entry(policy)
        if str(number) not in entry.versions:
            known = ", ".join(sorted(entry.versions, key=int))
            raise PublishError(f"{policy} has no version {number}; published are {known}")
        self._refuse_edited(entry.versions[str(number)])
        self.commit({**self.before.policies, policy: moved(entry, number)})

    def _refuse_edited(self, version: VersionEntry) -> None:
        # Said now, to the person who asks, what every process would say when it is told to run the version.
        path = self._generated / version.module
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != version.sha256:
            raise PublishError(
                f"{path} is not the file that was published; restore it from version control, then try again"
            )

    def commit(self, after: Mapping[str, PolicyEntry]) -> None:
        """Write the journal, then the registry; nothing where nothing changes."""
        changed = [policy for policy in sorted(after) if self.before.policies.get(policy) != after[policy]]
        if not changed:
            return
        document = RegistryDocument(generation=self._generation, policies=dict(after))
        content = msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"
        append(self._generated, [self._told(policy, after[policy].active) for policy in changed])
        sync_folder(self._generated)
        place(self._generated / "registry.json", content)
        sync_folder(self._generated)

    def _told(self, policy: str, to: int) -> Move:
        return Move(
            generation=self._generation,
            follows=self.before.generation,
            policy=policy,
            from_=self.before.active(policy),
            to=to,
            **self._said,
        )


def moved(entry: PolicyEntry, number: int) -> PolicyEntry:
    """Let a version answer, and remember the one before it."""
    if entry.active == number:
        return entry
    return msgspec.structs.replace(entry, active=number, previous=entry.active)
