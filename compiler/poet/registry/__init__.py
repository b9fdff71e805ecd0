"""Resolve a policy to its active version, and swap it under running calls."""

from poet.registry._alias import activate, on_trial, refuse_share, release, rollback
from poet.registry._canary import has_sides, is_on_canary
from poet.registry._change import Change, moved
from poet.registry._document import (
    PolicyEntry,
    Quarantine,
    RegistryDocument,
    Slowness,
    Trial,
    VersionEntry,
    decode_document,
    read_document,
)
from poet.registry._guard import Timers
from poet.registry._journal import Move, read_journal
from poet.registry._load import LoadedVersion
from poet.registry._policy import Policy
from poet.registry._published import (
    ChangedModule,
    PublishedVersion,
    as_published,
    changed_modules,
    published_bytes,
    read_published,
)
from poet.registry._registry import Registry
from poet.registry._tally import Tally

__all__ = [
    "Change",
    "ChangedModule",
    "LoadedVersion",
    "Move",
    "Policy",
    "PolicyEntry",
    "PublishedVersion",
    "Quarantine",
    "Registry",
    "RegistryDocument",
    "Slowness",
    "Tally",
    "Timers",
    "Trial",
    "VersionEntry",
    "activate",
    "as_published",
    "changed_modules",
    "decode_document",
    "has_sides",
    "is_on_canary",
    "moved",
    "on_trial",
    "published_bytes",
    "read_document",
    "read_journal",
    "read_published",
    "refuse_share",
    "release",
    "rollback",
]
