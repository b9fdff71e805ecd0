"""Which version answers, which runs on trial, and which must not answer again: one change each."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from poet.errors import PublishError
from poet.files import lock
from poet.registry._change import Change, moved
from poet.registry._document import PolicyEntry, Trial

__all__ = ["activate", "on_trial", "release", "rollback", "withdraw"]

PATIENCE_S = 30.0


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
    """Let a published version answer; what was on trial ends.

    Raises
    ------
    PublishError
        There is no such version, its files are not those that were published, or it is quarantined.
    """
    with _changing(generated, who=who, why=why, at=at) as change:
        change.published(policy, number)
        entry = _allowed(change, policy, number, despite_quarantine=despite_quarantine)
        change.commit_one(policy, moved(entry, number))


def rollback(generated: Path, policy: str, *, who: str, why: str, at: str) -> int:
    """Let the version before the active one answer again, and give the number of the one that answers.

    While a canary is out, that is what is rolled back: it ends, and the active version answers every call.

    Raises
    ------
    PublishError
        There was none before, it is quarantined, or its files are not those that were published.
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
                f"`poet activate {policy} N` picks any published one"
            )
        change.published(policy, number)
        change.commit_one(policy, moved(_allowed(change, policy, number), number))
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
    """Put a published version on trial beside the active one.

    Parameters
    ----------
    mode
        ``"shadow"``: it never answers; ``"canary"``: it answers for its share of features.
    share
        Of the calls, in (0, 1]; of a canary below 1.

    Raises
    ------
    PublishError
        There is no such version, it answers already, the share is none, or a canary is quarantined.
    """
    refuse_share(mode, share)
    with _changing(generated, who=who, why=why, at=at) as change:
        change.published(policy, number)
        entry = change.entry(policy)
        if entry.active == number:
            raise PublishError(f"{policy} version {number} answers every call already; name another version")
        if mode == "canary":
            entry = _allowed(change, policy, number, despite_quarantine=despite_quarantine)
        trial = Trial(version=number, share=share, since=at)
        change.commit_one(policy, msgspec.structs.replace(entry, **{mode: trial}))


def refuse_share(mode: str, share: float) -> None:
    """Refuse a share that is no trial."""
    if not (0.0 < share < 1.0 or (mode == "shadow" and share == 1.0)):
        below = "above 0 and at most 1" if mode == "shadow" else "strictly between 0 and 1"
        raise PublishError(f"the share of a {mode} must lie {below}, got {share:g}")


def release(generated: Path, policy: str, number: int, *, who: str, why: str, at: str) -> None:
    """Let a quarantined version be offered again; which version answers does not change.

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

    A slow version is not quarantined: the registry only notes why it returned to `to`.
    Nothing changes if another process has withdrawn the version already.

    Raises
    ------
    PublishError
        `to` is not fit to run, or another process holds the lock for longer than `patience_s`.
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
            # not `moved`: the next rollback must not go to the version that was withdrawn
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
    word = entry.quarantined(number)
    if word is None:
        return entry
    if despite_quarantine:
        return change.quarantine(entry, number, is_release=True)
    raise PublishError(
        f"{policy} version {number} is quarantined by {word.who} since {word.when}: {word.why}; "
        "activate another version, or let it answer all the same: "
        f"`poet activate {policy} {number} --despite-quarantine`"
    )
