"""Validated modules become immutable versions in ``generated/``."""

from poet.publish._journal import Move, read_journal
from poet.publish._manifest import Manifest, Version, module_name, read_manifest
from poet.publish._publish import activate, publish, rollback
from poet.publish._verify import Difference, check_generated

__all__ = [
    "Difference",
    "Manifest",
    "Move",
    "Version",
    "activate",
    "check_generated",
    "module_name",
    "publish",
    "read_journal",
    "read_manifest",
    "rollback",
]
