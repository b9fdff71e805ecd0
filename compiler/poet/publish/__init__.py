"""Validated modules become immutable versions in ``generated/``."""

from poet.publish._manifest import Manifest, Version, module_name, read_manifest
from poet.publish._package import STANDING
from poet.publish._publish import publish
from poet.publish._verify import Difference, check_generated, published_manifest, published_source
from poet.registry import Move, activate, on_trial, read_journal, release, rollback

__all__ = [
    "STANDING",
    "Difference",
    "Manifest",
    "Move",
    "Version",
    "activate",
    "check_generated",
    "module_name",
    "on_trial",
    "publish",
    "published_manifest",
    "published_source",
    "read_journal",
    "read_manifest",
    "release",
    "rollback",
]
