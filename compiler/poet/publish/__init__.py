"""Validated modules become immutable versions in ``generated/``."""

from poet.publish._files import exclusive, place, sync_folder
from poet.publish._journal import Move, read_journal
from poet.publish._manifest import Manifest, Version, module_name, read_manifest
from poet.publish._package import STANDING
from poet.publish._publish import activate, publish, rollback
from poet.publish._verify import Difference, check_generated

__all__ = [
    "STANDING",
    "Difference",
    "Manifest",
    "Move",
    "Version",
    "activate",
    "check_generated",
    "exclusive",
    "module_name",
    "place",
    "publish",
    "read_journal",
    "read_manifest",
    "rollback",
    "sync_folder",
]
