"""The registry, which resolves a policy to its active version and swaps versions under running calls."""

from poet_runtime.registry.canary import has_sides, is_on_canary
from poet_runtime.registry.changes import (
    Change,
    activate,
    on_trial,
    refuse_share,
    release,
    rollback,
    with_active_version,
)
from poet_runtime.registry.load import (
    UPGRADE_FILE,
    ChangedModule,
    LoadedVersion,
    PublishedVersion,
    as_published,
    changed_modules,
    published_bytes,
    read_published,
)
from poet_runtime.registry.policy import Policy
from poet_runtime.registry.registry import Registry
from poet_runtime.registry.shadow import Tally
from poet_runtime.registry.speed import Timers
from poet_runtime.registry.state import (
    STANDING,
    TYPES_FILE,
    Move,
    PolicyEntry,
    Quarantine,
    RegistryDocument,
    Slowness,
    Trial,
    VersionEntry,
    decode_document,
    package_types,
    read_document,
    read_journal,
)

__all__ = [
    "STANDING",
    "TYPES_FILE",
    "UPGRADE_FILE",
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
    "on_trial",
    "package_types",
    "published_bytes",
    "read_document",
    "read_journal",
    "read_published",
    "refuse_share",
    "release",
    "rollback",
    "with_active_version",
]
